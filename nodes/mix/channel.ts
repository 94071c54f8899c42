import { CellQueue } from '../core/queue.ts';
import type { Micros } from '../core/units.ts';
import { SECOND_US } from '../core/units.ts';
import { Aead } from '../crypto/aead.ts';
import { deriveKey, wipe } from '../crypto/keys.ts';
import { CodingKeystream } from '../crypto/keystream.ts';
import type { TransportKeys } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { GRANT, type Grant, QUEUE_TICKS_MAX } from '../wire/constants.ts';

/**
 * One channel as its mix sees it: the attached clients, and which of them has it.
 *
 * Property: at most one client has the channel; only that client may put something else than keystream into a round.
 */

/** A holder that sends no valid cell for this long has lost the channel (network.md 1.7). */
const HOLD_SILENCE_US = 5 * SECOND_US;
/** A client that is in no round for this long is gone. */
export const CLIENT_SILENCE_US = 10 * SECOND_US;
/** A changed grant is told this many times before the rotation goes on: three losses in a row are rarer than a client's patience. */
const GRANT_REPEATS = 3;

/** What a client asks for when it attaches. */
export interface AttachRequest {
  readonly rendezvousTag: string;
  /** Id of its half-circuit on the link to that rendezvous. */
  readonly circuit: number;
  /** The s of its first packet. */
  readonly firstSequence: number;
}

export class Client {
  readonly slot: number;
  readonly rendezvousTag: string;
  readonly circuit: number;
  /** KS of the network coding. */
  readonly coding: CodingKeystream;
  readonly cellReceive: Aead;
  readonly cellSend: Aead;
  readonly signal: Aead;
  readonly control: Aead;
  readonly cellWindow = new ReplayWindow();
  readonly signalWindow = new ReplayWindow();
  /** Highest sequence number seen. */
  sequence: number;
  heardAt: Micros;
  /** Its circuit is gone: the coding is still cancelled, for the channel's sake, but it hears no control and attaches anew. */
  abandoned = false;
  grant: Grant = GRANT.idle;
  /** How often the present grant is still to be told first. */
  announce = 0;

  constructor(now: Micros, slot: number, request: AttachRequest, keys: TransportKeys, cellBytes: number) {
    this.slot = slot;
    this.rendezvousTag = request.rendezvousTag;
    this.circuit = request.circuit;
    this.sequence = request.firstSequence - 1;
    this.heardAt = now;
    const aead = (key: Buffer, purpose: string) => {
      const derived = deriveKey(key, purpose);
      const cipher = new Aead(derived);
      wipe(derived);
      return cipher;
    };
    const codingKey = deriveKey(keys.receive, 'coding');
    this.coding = new CodingKeystream(codingKey, cellBytes);
    wipe(codingKey);
    this.cellReceive = aead(keys.receive, 'cell');
    this.signal = aead(keys.receive, 'signal');
    this.cellSend = aead(keys.send, 'cell');
    this.control = aead(keys.send, 'control');
    wipe(keys.send);
    wipe(keys.receive);
  }
}

interface Holder {
  readonly client: Client;
  /** Whether the client has said since that it wants the channel: before, its "no" is an older one. */
  wanted: boolean;
  heardAt: Micros;
}

export class Channel {
  readonly id: number;
  /** By slot. BOUNDED: clientsPerChannel. */
  readonly clients: (Client | undefined)[];
  #holder: Holder | undefined;
  /** Cells on their way down to the holder. */
  readonly #queue: CellQueue;
  /** Counter of downstream frames: the nonce of control and media, never set back while a key lives. */
  down = 0;
  #rotation = 0;

  constructor(id: number, clientsPerChannel: number, relayBytes: number) {
    this.id = id;
    this.clients = new Array(clientsPerChannel).fill(undefined);
    this.#queue = new CellQueue(relayBytes, QUEUE_TICKS_MAX);
  }

  get holder(): Client | undefined {
    return this.#holder?.client;
  }

  freeSlot(): number {
    return this.clients.indexOf(undefined);
  }

  /** Gives the channel to `client` if nobody has it; true if the client has it now. */
  hold(now: Micros, client: Client, wanted: boolean): boolean {
    if (this.#holder) {
      if (this.#holder.client !== client) return false;
      this.#holder.wanted ||= wanted;
      return true;
    }
    this.#holder = { client, wanted, heardAt: now };
    this.#queue.clear();
    this.tell(client, GRANT.granted);
    return true;
  }

  /** The client's state as its signal says it: wants the channel or not. */
  signalled(now: Micros, client: Client, wants: boolean): void {
    const { grant } = client;
    if (wants) {
      if (!this.hold(now, client, true) && grant !== GRANT.refused) this.tell(client, GRANT.refused);
    } else if (this.#holder?.client === client) {
      if (this.#holder.wanted) this.release();
    } else if (grant !== GRANT.idle) this.tell(client, GRANT.idle);
  }

  /** A valid cell of the holder came in. */
  heard(now: Micros): void {
    if (this.#holder) this.#holder.heardAt = now;
  }

  release(): void {
    if (!this.#holder) return;
    this.tell(this.#holder.client, GRANT.idle);
    this.#holder = undefined;
    this.#queue.clear();
  }

  expire(now: Micros): void {
    if (this.#holder && now - this.#holder.heardAt > HOLD_SILENCE_US) this.release();
  }

  /** Queues a relay cell for the holder; true if the oldest had to make room. */
  queueDown(cell: Buffer): boolean {
    const { offset, full } = this.#queue.push();
    cell.copy(this.#queue.bytes, offset, 0, this.#queue.cellBytes);
    return full;
  }

  /** Once per tick: copies the next cell for the holder into `into`; false if there is none. */
  takeDown(into: Buffer, offset: number): boolean {
    const front = this.#queue.front();
    if (front === undefined) return false;
    this.#queue.bytes.copy(into, offset, front, front + this.#queue.cellBytes);
    this.#queue.drop();
    return true;
  }

  /** Once per tick, after `takeDown`: true if a cell that only stood in the way was given up. */
  settle(): boolean {
    return this.#queue.settle();
  }

  /** Whom this tick's control cell addresses: a client whose grant has changed, else the next in rotation. */
  nextControl(): Client | undefined {
    const changed = this.clients.find((client) => client !== undefined && client.announce > 0 && !client.abandoned);
    if (changed) {
      changed.announce -= 1;
      return changed;
    }
    for (let step = 0; step < this.clients.length; step += 1) {
      this.#rotation = (this.#rotation + 1) % this.clients.length;
      const client = this.clients[this.#rotation];
      if (client && !client.abandoned) return client;
    }
    return undefined;
  }

  remove(client: Client): void {
    if (this.holder === client) this.release();
    this.clients[client.slot] = undefined;
  }

  tell(client: Client, grant: Grant): void {
    client.grant = grant;
    client.announce = GRANT_REPEATS;
  }
}
