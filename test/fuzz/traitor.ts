import type { Machine } from '../../nodes/core/machine.ts';
import type { PacketRing } from '../../nodes/core/ring.ts';
import type { Micros } from '../../nodes/core/units.ts';
import { Aead } from '../../nodes/crypto/aead.ts';
import { Handshake } from '../../nodes/crypto/noise.ts';
import { type Link, Links } from '../../nodes/link/links.ts';
import {
  DATAGRAM_BYTES_MAX,
  LINK_HEADER_BYTES,
  LINK_OVERHEAD_BYTES,
  MESH_COMMAND,
  MESSAGE_KIND,
} from '../../nodes/wire/constants.ts';
import { SeededRandom } from '../sim/random.ts';

/**
 * An insider: a node or client with all its keys that does its work, so that it gets to wherever that leads, and lies:
 * now and then in what it has to say anyway, in any of its layers, and many times a tick with what it has said before,
 * changed.
 *
 * Whatever a machine says goes through Links.send, in the clear until then: that is where it is overheard. What it seals
 * for those behind goes through Aead.seal, and what it joins with through Handshake.write.
 */
type Peer = unknown;

interface Said {
  readonly links: Links<Peer>;
  readonly link: Link<Peer>;
  readonly bytes: Buffer;
}

const EACH_KIND_MAX = 16;
const KINDS: readonly number[] = Object.values(MESSAGE_KIND);
const COMMANDS: readonly number[] = Object.values(MESH_COMMAND);
/** These cost the other end a handshake, and it takes only so many of them. */
const DEAR = new Set<number>([MESSAGE_KIND.attach, MESSAGE_KIND.attached]);
const DEAR_COMMANDS = new Set<number>([MESH_COMMAND.create, MESH_COMMAND.created]);
const DEAR_SHARE = 0.02;
const LIE_SHARE = 0.01;
/** Of the cells inside, which come one in a tick and not by hundreds. */
const INNER_SHARE = 0.2;
const JOINING_SHARE = 0.2;

const { send } = Links.prototype;
let speaking: Traitor | undefined;
Links.prototype.send = function overheard(this: Links<Peer>, link: Link<Peer>, outbox: PacketRing, length: number) {
  speaking?.hear(this, link, outbox, length);
  send.call(this, link, outbox, length);
};

const aead = Aead.prototype;
const { seal } = aead;
aead.seal = function overheard(this: Aead, ...[bytes, offset, length, counter, additional]: Parameters<Aead['seal']>) {
  // Cells; what links and handshakes seal has additional bytes.
  if (additional === undefined) speaking?.lieInside(bytes.subarray(offset, offset + length));
  seal.call(this, bytes, offset, length, counter, additional);
};

const { write } = Handshake.prototype;
Handshake.prototype.write = function overheard(this: Handshake, payload: Uint8Array, ephemeralSecret: Uint8Array) {
  return write.call(this, speaking?.lieJoining(payload) ?? payload, ephemeralSecret);
};

export class Traitor implements Machine {
  readonly #machine: Machine;
  readonly #random: SeededRandom;
  readonly #liesPerTick: number;
  /** By kind, and command: what was said last. BOUNDED: kinds and commands, EACH_KIND_MAX of each. */
  readonly #said = new Map<number, Said[]>();
  lies = 0;

  constructor(machine: Machine, seed: string, liesPerTick: number) {
    this.#machine = machine;
    this.#random = new SeededRandom(seed);
    this.#liesPerTick = liesPerTick;
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    speaking = this;
    try {
      this.#machine.tick(now, inbox, outbox);
    } finally {
      speaking = undefined;
    }
    for (let lie = 0; lie < this.#liesPerTick; lie += 1) this.#lie(outbox);
  }

  /** The message is in the outbox and not sealed yet. */
  hear(links: Links<Peer>, link: Link<Peer>, outbox: PacketRing, length: number): void {
    const start = outbox.reserve() + LINK_HEADER_BYTES;
    const bytes = outbox.bytes.subarray(start, start + length);
    const name = bytes[0] === MESSAGE_KIND.mesh ? 256 + bytes[1]! : bytes[0]!;
    const said = this.#said.get(name) ?? [];
    this.#said.set(name, said);
    const one = { links, link, bytes: Buffer.from(bytes) };
    if (said.length < EACH_KIND_MAX) said.push(one);
    else said[this.#random.below(EACH_KIND_MAX)] = one;
    if (this.#random.next() < LIE_SHARE) this.#change(bytes);
  }

  /** The plaintext of a cell for somebody behind the next node. */
  lieInside(bytes: Buffer): void {
    const random = this.#random;
    if (bytes.length < 4 || random.next() > INNER_SHARE) return;
    // Where commands, numbers and masks stand.
    if (random.next() < 0.7) bytes[random.below(4)] = random.next() < 0.5 ? random.below(10) : random.below(256);
    else bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  }

  lieJoining(payload: Uint8Array): Uint8Array {
    if (payload.length === 0 || this.#random.next() > JOINING_SHARE) return payload;
    const changed = Buffer.from(payload);
    changed[this.#random.below(Math.min(48, changed.length))] = this.#random.below(256);
    return changed;
  }

  #lie(outbox: PacketRing): void {
    const kinds = [...this.#said.values()];
    if (kinds.length === 0) return;
    const { links, link, bytes } = this.#random.pick(this.#random.pick(kinds));
    const message = this.#lengthened(Buffer.from(bytes));
    for (let n = this.#random.below(3); n >= 0; n -= 1) this.#change(message);
    const isDear = DEAR.has(message[0]!) || (message[0] === MESSAGE_KIND.mesh && DEAR_COMMANDS.has(message[1]!));
    if (isDear && this.#random.next() > DEAR_SHARE) return;
    const offset = links.reserve(link, outbox);
    if (offset < 0) return;
    message.copy(outbox.bytes, offset);
    send.call(links, link, outbox, message.length);
    this.lies += 1;
  }

  /** Seldom of another length: that is one drop, and not worth more. */
  #lengthened(bytes: Buffer): Buffer {
    if (this.#random.below(32) > 0) return bytes;
    const longest = DATAGRAM_BYTES_MAX - LINK_OVERHEAD_BYTES;
    const length = 4 + this.#random.below(this.#random.next() < 0.5 ? 12 : longest - 3);
    return Buffer.concat([bytes, Buffer.alloc(longest)]).subarray(0, length);
  }

  /** Another value where it matters; sometimes none, which makes it a repetition. */
  #change(bytes: Buffer): void {
    const random = this.#random;
    switch (random.below(9)) {
      case 0:
        bytes[0] = random.pick(KINDS);
        break;
      case 1:
        bytes[1] = bytes[0] === MESSAGE_KIND.mesh ? random.pick(COMMANDS) : random.below(24);
        break;
      case 2:
        bytes.writeUInt16BE(random.below(6), 2);
        break;
      case 3:
        // An id or counter: another of the small ones, or one nearby.
        if (bytes.length >= 8)
          bytes.writeUInt32BE(random.next() < 0.5 ? random.below(40) : nearby(bytes.readUInt32BE(4), random), 4);
        break;
      case 4:
        // Command and call inside a RELAY; the manifest of a ROUND.
        if (bytes.length >= 10) {
          bytes[8] = random.below(8);
          bytes[9] = random.below(4) === 0 ? random.below(256) : random.below(3);
        }
        break;
      case 5:
      case 6:
        for (let n = 1 + random.below(4); n > 0; n -= 1) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
        break;
      case 7: {
        // The rest of another message.
        const other = random.pick(random.pick([...this.#said.values()])).bytes;
        const at = random.below(Math.min(bytes.length, other.length));
        other.copy(bytes, at, at);
        break;
      }
      default:
        break;
    }
  }
}

function nearby(number: number, random: SeededRandom): number {
  return (number + random.below(300) - 100) >>> 0;
}
