import type { Machine } from '../../nodes/core/machine.ts';
import type { PacketRing } from '../../nodes/core/ring.ts';
import type { Endpoint, Micros } from '../../nodes/core/units.ts';
import { CodingKeystream } from '../../nodes/crypto/keystream.ts';
import { type Link, Links } from '../../nodes/link/links.ts';
import { LINK_HEADER_BYTES } from '../../nodes/wire/constants.ts';

/**
 * A node or client that holds all its keys and does not keep to the protocol: its own machine, but for what passes
 * through its links. It sees messages in the clear, as their sender and receiver do; cells inside stay sealed.
 */
export interface Lies {
  /** Of a message on its way out, which it may change; false: it is not sent. */
  readonly says?: (message: Buffer, to: Endpoint) => boolean;
  /** Of a message that has come in, which it may change; false: it has not. */
  readonly hears?: (message: Buffer, from: Endpoint) => boolean;
  /** Of a coded cell, before T is made over it. */
  readonly codes?: (words: Uint32Array, at: number) => void;
}

/** The lies of the machine that is having its tick. */
let lies: Lies = {};

export class Liar implements Machine {
  readonly machine: Machine;
  readonly lies: Lies;

  constructor(machine: Machine, told: Lies) {
    this.machine = machine;
    this.lies = told;
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    lies = this.lies;
    try {
      this.machine.tick(now, inbox, outbox);
    } finally {
      lies = {};
    }
  }
}

const { send, receive } = Links.prototype;
const { xorInto } = CodingKeystream.prototype;

Links.prototype.send = function <P>(this: Links<P>, link: Link<P>, outbox: PacketRing, length: number): void {
  const at = outbox.reserve() + LINK_HEADER_BYTES;
  const message = outbox.bytes.subarray(at, at + length);
  if (lies.says?.(message, link.endpoint) !== false) send.call(this, link as Link<unknown>, outbox, length);
};

Links.prototype.receive = function <P>(
  this: Links<P>,
  now: Micros,
  inbox: PacketRing,
  index: number,
  outbox: PacketRing,
) {
  const link = receive.call(this, now, inbox, index, outbox) as Link<P> | undefined;
  const at = this.plainOffset;
  if (!link || !lies.hears) return link;
  return lies.hears(inbox.bytes.subarray(at, at + this.plainLength), link.endpoint) ? link : undefined;
} as typeof receive;

CodingKeystream.prototype.xorInto = function (target: Uint32Array, targetWord: number, s: number): void {
  xorInto.call(this, target, targetWord, s);
  lies.codes?.(target, targetWord);
};
