import { type Cipheriv, createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { xorWords } from '../core/ring.ts';

/**
 * KS(K, s) of the network coding (network.md 1.6): one slot of AES-256-CTR keystream per sequence number.
 *
 * Slot s is the keystream from block s·blocks on, so consecutive slots are one running stream: a live cipher hands out
 * SLOTS/2 of them at a time, which costs a fifth of pulling each by itself, and the half behind serves late packets.
 * Any other s is reached by starting the cipher anew at its block.
 */
const BLOCK_BYTES = 16;
const SLOTS = 32;
const PULL = SLOTS / 2;

export class CodingKeystream {
  readonly #key: KeyObject;
  readonly #cellWords: number;
  readonly #slotBlocks: number;
  readonly #slotWords: number;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #bytes: Buffer;
  readonly #zeros: Buffer;
  #cipher: Cipheriv | undefined;
  /** Sequence number of the first slot in the buffer; the buffer is empty until `#cipher` is set. */
  #base = 0;

  /** `cellBytes` is the length of a coded cell, a multiple of 4. */
  constructor(key: Uint8Array, cellBytes: number) {
    this.#key = createSecretKey(key);
    this.#cellWords = cellBytes / 4;
    this.#slotBlocks = Math.ceil(cellBytes / BLOCK_BYTES);
    this.#slotWords = (this.#slotBlocks * BLOCK_BYTES) / 4;
    this.#words = new Uint32Array(SLOTS * this.#slotWords);
    this.#bytes = Buffer.from(this.#words.buffer);
    this.#zeros = Buffer.alloc(PULL * this.#slotBlocks * BLOCK_BYTES);
  }

  /** XORs KS(K, s) into `target` at word `targetWord`. */
  xorInto(target: Uint32Array, targetWord: number, s: number): void {
    if (!this.#cipher || s < this.#base || s >= this.#base + SLOTS + PULL) this.#seek(s);
    if (s >= this.#base + SLOTS) this.#advance();
    xorWords(target, targetWord, this.#words, (s - this.#base) * this.#slotWords, this.#cellWords);
  }

  #seek(s: number): void {
    this.#base = Math.max(0, s - PULL);
    const block = this.#base * this.#slotBlocks;
    const counter = Buffer.alloc(BLOCK_BYTES);
    counter.writeUIntBE(Math.floor(block / 0x1_0000_0000), 8, 4);
    counter.writeUInt32BE(block >>> 0, 12);
    this.#cipher = createCipheriv('aes-256-ctr', this.#key, counter);
    this.#pull(0);
    this.#pull(PULL);
  }

  #advance(): void {
    this.#words.copyWithin(0, PULL * this.#slotWords);
    this.#base += PULL;
    this.#pull(PULL);
  }

  #pull(slot: number): void {
    this.#cipher!.update(this.#zeros).copy(this.#bytes, slot * this.#slotBlocks * BLOCK_BYTES);
  }
}
