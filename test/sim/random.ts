import { createCipheriv, createHash } from 'node:crypto';
import type { Entropy } from '../../nodes/core/machine.ts';

/** All randomness of a simulation: AES-CTR under the seed, so that a seed gives the same run on every machine. */
export class SeededRandom {
  readonly #cipher;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  readonly fill: Entropy = (into) => {
    into.set(this.#cipher.update(Buffer.alloc(into.length)));
  };

  /** Uniform in [0, 1). */
  next(): number {
    return this.#cipher.update(Buffer.alloc(6)).readUIntBE(0, 6) / 2 ** 48;
  }
}
