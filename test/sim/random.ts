import { createCipheriv, createHash } from 'node:crypto';
import type { Entropy } from '../../nodes/core/machine.ts';

/** Keystream that is made at a time: one call of the cipher for some 170 numbers. */
const BLOCK_BYTES = 1024;
const NUMBER_BYTES = 6;
const ZEROES = Buffer.alloc(BLOCK_BYTES);

/** All randomness of a simulation: AES-CTR under the seed, so that a seed gives the same run on every machine. */
export class SeededRandom {
  readonly #cipher;
  #block = Buffer.alloc(0);
  #used = 0;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  readonly fill: Entropy = (into) => {
    for (let filled = 0; filled < into.length; ) {
      if (this.#used === this.#block.length) this.#more();
      const count = Math.min(into.length - filled, this.#block.length - this.#used);
      into.set(this.#block.subarray(this.#used, this.#used + count), filled);
      this.#used += count;
      filled += count;
    }
  };

  /** Uniform in [0, 1). */
  next(): number {
    if (this.#used + NUMBER_BYTES > this.#block.length) this.#more();
    const number = this.#block.readUIntBE(this.#used, NUMBER_BYTES);
    this.#used += NUMBER_BYTES;
    return number / 2 ** (8 * NUMBER_BYTES);
  }

  /** A whole number, uniform in 0 … limit - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  #more(): void {
    this.#block = this.#cipher.update(ZEROES);
    this.#used = 0;
  }
}
