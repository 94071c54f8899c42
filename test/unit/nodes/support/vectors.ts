import { readFileSync } from 'node:fs';

/** Where a file of vectors comes from; see test/vectors/README.md. */
export interface Birth {
  readonly origin: string;
  readonly generator: string;
  readonly seed: string;
}

/** A file of test/vectors as its test describes it. */
export function readVectors<T>(name: string): T & { readonly birth: Birth } {
  return JSON.parse(readFileSync(new URL(`../../../vectors/${name}.json`, import.meta.url), 'utf8'));
}

export const hex = (text: string) => Buffer.from(text, 'hex');

/** The bytes with one bit changed. */
export function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] ^= 1 << (bit & 7);
  return copy;
}
