import assert from 'node:assert/strict';
import type { Endpoint } from './units.ts';

/**
 * A batch of datagrams in one preallocated buffer: what a drain of the socket fills, what a tick of a role fills.
 *
 * There is no object per packet: slot i is `slotBytes` bytes at `i * slotBytes`, its length and its remote endpoint are
 * in two parallel arrays. BOUNDED: by `capacity`; a full ring refuses, and whoever fills it names the drop.
 */
export class PacketRing {
  readonly capacity: number;
  readonly slotBytes: number;
  readonly bytes: Buffer<ArrayBuffer>;
  /** The same memory as `bytes`, for XOR by words: slots and all offsets used for it are multiples of 4. */
  readonly words: Uint32Array;
  readonly lengths: Uint16Array;
  readonly endpoints: Float64Array;
  count = 0;

  constructor(capacity: number, slotBytes: number) {
    assert(slotBytes % 8 === 0 && slotBytes < 65536, 'a slot is a multiple of 8 bytes and its length fits 16 bits');
    const memory = new ArrayBuffer(capacity * slotBytes);
    this.capacity = capacity;
    this.slotBytes = slotBytes;
    this.bytes = Buffer.from(memory);
    this.words = new Uint32Array(memory);
    this.lengths = new Uint16Array(capacity);
    this.endpoints = new Float64Array(capacity);
  }

  /** Offset of the next free slot in `bytes`, or -1 when the ring is full. Nothing is taken until `push`. */
  reserve(): number {
    return this.count < this.capacity ? this.count * this.slotBytes : -1;
  }

  /** Takes the reserved slot for a datagram of `length` bytes to or from `endpoint`. */
  push(endpoint: Endpoint, length: number): void {
    assert(this.count < this.capacity && length <= this.slotBytes, 'push follows a reserve and fits the slot');
    this.lengths[this.count] = length;
    this.endpoints[this.count] = endpoint;
    this.count += 1;
  }

  /** Takes slot `index`, which has been filled behind the ring's back, moving it up if slots before it were not kept. */
  keep(index: number): void {
    if (index !== this.count) {
      const offset = index * this.slotBytes;
      this.bytes.copyWithin(this.count * this.slotBytes, offset, offset + this.lengths[index]!);
      this.lengths[this.count] = this.lengths[index]!;
      this.endpoints[this.count] = this.endpoints[index]!;
    }
    this.count += 1;
  }

  clear(): void {
    this.count = 0;
  }
}

/** XORs `length` bytes of `source` into `target`; offsets and length are in 32-bit words. */
export function xorWords(
  target: Uint32Array,
  targetWord: number,
  source: Uint32Array,
  sourceWord: number,
  words: number,
): void {
  for (let i = 0; i < words; i += 1) target[targetWord + i]! ^= source[sourceWord + i]!;
}
