import { CellQueue } from '../core/queue.ts';
import type { Micros } from '../core/units.ts';
import { MILLISECOND_US, SECOND_US } from '../core/units.ts';
import { Aead } from '../crypto/aead.ts';
import { Generations } from '../crypto/generations.ts';
import { wipe } from '../crypto/keys.ts';
import { CodingKeystream } from '../crypto/keystream.ts';
import type { TransportKeys } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { QUEUE_TICKS_MAX, TICK_US } from '../wire/constants.ts';
import type { Line } from './allocation.ts';
import type { Session } from './session.ts';
import { Presence } from './watch.ts';

/** One channel as its mix sees it: who is attached, and what waits to go down. */

/** A client that is in no round for this long is gone. */
export const CLIENT_SILENCE_US = 10 * SECOND_US;

/** Two ticks without media in a row are a pause of who speaks; the half is for a clock that drifts. */
const MEDIA_PAUSE_US = 1.5 * TICK_US;
/** What a client says now is of what was sent a round trip ago, and of the 2.5 ticks before. */
const STEADY_US = 300 * MILLISECOND_US;

/** A client's place in a channel, with the keys of both directions. */
export class Attachment {
  readonly session: Session;
  readonly number: number;
  readonly channel: Channel;
  readonly slot: number;
  /** KS of the network coding. */
  readonly coding: Generations<CodingKeystream>;
  readonly cellReceive: Generations<Aead>;
  readonly signal: Generations<Aead>;
  readonly audit: Generations<Aead>;
  readonly cellSend: Generations<Aead>;
  readonly control: Generations<Aead>;
  readonly codingWindow = new ReplayWindow();
  readonly signalWindow = new ReplayWindow();
  readonly presence = new Presence();
  readonly firstSequence: number;
  readonly attachedAt: Micros;
  /** Highest sequence number that was authenticated. */
  sequence: number;
  heardAt: Micros;
  /** How often the present state is still to be told first. */
  announce = 0;
  /** Turn of the channel's control in which it was addressed last. */
  addressedAt = 0;
  /** When the client last missed media here that had been sent. */
  missedAt: Micros = Number.NEGATIVE_INFINITY;
  /** Not good enough for a call while the client has better places. */
  poor = false;

  constructor(
    now: Micros,
    place: { session: Session; number: number; channel: Channel; slot: number },
    firstSequence: number,
    keys: TransportKeys,
    cellBytes: number,
  ) {
    this.session = place.session;
    this.number = place.number;
    this.channel = place.channel;
    this.slot = place.slot;
    this.sequence = firstSequence - 1;
    this.heardAt = now;
    this.attachedAt = now;
    this.firstSequence = firstSequence;
    const aead = (key: Buffer) => new Aead(key);
    const { down } = place.channel;
    this.coding = Generations.of(keys.receive, 'coding', firstSequence, (key) => new CodingKeystream(key, cellBytes));
    this.cellReceive = Generations.of(keys.receive, 'cell', firstSequence, aead);
    this.signal = Generations.of(keys.receive, 'signal', firstSequence, aead);
    this.audit = Generations.of(keys.receive, 'audit', firstSequence, aead);
    this.cellSend = Generations.of(keys.send, 'cell', down + 1, aead);
    this.control = Generations.of(keys.send, 'control', down + 1, aead);
    wipe(keys.send);
    wipe(keys.receive);
  }

  /** A packet with this s was the client's: keys that rest move on with those that are used. */
  commitUp(sequence: number): void {
    for (const keys of [this.coding, this.cellReceive, this.signal, this.audit]) keys.commit(sequence);
    this.sequence = Math.max(this.sequence, sequence);
  }

  /** Likewise downstream; once per turn of the control rotation is often enough. */
  commitDown(down: number): void {
    this.cellSend.commit(down);
    this.control.commit(down);
  }
}

export class Channel {
  readonly id: number;
  readonly line: Line;
  /** By slot. BOUNDED: clientsPerChannel. */
  readonly attachments: (Attachment | undefined)[];
  /** By slot: since when nobody has had it. */
  readonly emptySince: Float64Array;
  /** Mix cells, in the clear, on their way down. */
  readonly queue: CellQueue;
  /** Counter of the last downstream frame: the nonce of control and media, never set back while a key lives. */
  down: number;
  /** Rounds that came in this window of the watch. */
  rounds = 0;
  /** No control goes down any more, so that the clients leave. */
  isAbandoned = false;
  #turn = 0;
  /** When media was last sent down, and since when without a pause. */
  #media = { at: Number.NEGATIVE_INFINITY, since: 0 };

  /** `down` is random below 2^31, so that the keys of all channels do not change in one tick. */
  constructor(now: Micros, id: number, line: Line, down: number, clientsPerChannel: number, mixPlainBytes: number) {
    this.id = id;
    this.line = line;
    this.down = down;
    this.attachments = new Array(clientsPerChannel).fill(undefined);
    this.emptySince = new Float64Array(clientsPerChannel).fill(now);
    this.queue = new CellQueue(mixPlainBytes, QUEUE_TICKS_MAX);
  }

  /** The slot that has been free for the longest, so that no packet of whoever had it is taken for the new client's; -1 if none is. */
  freeSlot(): number {
    let best = -1;
    for (const [slot, attachment] of this.attachments.entries()) {
      if (!attachment && (best < 0 || this.emptySince[slot]! < this.emptySince[best]!)) best = slot;
    }
    return best;
  }

  spokenDown(now: Micros): void {
    if (now - this.#media.at > MEDIA_PAUSE_US) this.#media.since = now;
    this.#media.at = now;
  }

  /** Media has gone down for so long without a pause that a client who hears none is not just about to, or has just before. */
  isSteady(now: Micros): boolean {
    return now - this.#media.at <= MEDIA_PAUSE_US && now - this.#media.since >= STEADY_US;
  }

  get isEmpty(): boolean {
    return this.attachments.every((attachment) => attachment === undefined);
  }

  /** The attachment of whoever may speak here or has just been told to stop. */
  speaker(): Attachment | undefined {
    const { use } = this.line;
    if (use.kind === 'free') return undefined;
    for (const attachment of this.attachments) if (attachment?.session.party === use.by) return attachment;
    return undefined;
  }

  /**
   * Whom this tick's control cell addresses: a client whose state has changed, else the one that has waited longest. That
   * one comes first when it has waited for more than a turn and a quarter: many who join tell much, and who hears no
   * control for three seconds would leave.
   */
  nextControl(): Attachment | undefined {
    if (this.isAbandoned) return undefined;
    this.#turn += 1;
    let longest: Attachment | undefined;
    let changed: Attachment | undefined;
    for (const attachment of this.attachments) {
      if (!attachment) continue;
      if (!longest || attachment.addressedAt < longest.addressedAt) longest = attachment;
      if (attachment.announce > 0 && (!changed || attachment.addressedAt < changed.addressedAt)) changed = attachment;
    }
    const isOverdue = longest !== undefined && this.#turn - longest.addressedAt > this.attachments.length * 1.25;
    const next = isOverdue ? longest : (changed ?? longest);
    if (!next) return undefined;
    next.addressedAt = this.#turn;
    if (next.announce > 0) next.announce -= 1;
    return next;
  }
}
