import { readdirSync, readFileSync } from 'node:fs';
import { type KeyFile, keyFiles } from '../config/key-files.ts';
import { parseSeed } from '../config/node.ts';
import { type NumberedSeed, wipe } from '../crypto/keys.ts';

/** Keys as files that come and go while a daemon runs, of one or more kinds that belong together (config/key-files.ts). */
export class KeyFolder<K extends string> {
  readonly #folder: string;
  readonly #prefixes: readonly K[];
  #read = '';

  constructor(folder: string, prefixes: readonly K[]) {
    this.#folder = folder;
    this.#prefixes = prefixes;
  }

  /**
   * All keys, if they are others than at the last time; undefined if not, or if there are none: what one has one keeps.
   * Throws one sentence if a file cannot be read or a kind is missing; the next call tries again. The caller wipes them.
   */
  read(): Record<K, readonly NumberedSeed[]> | undefined {
    const names = readdirSync(this.#folder);
    const files = this.#prefixes.map((prefix) => keyFiles(names, prefix));
    const found = files.flat().map(({ name }) => name);
    if (found.length === 0 || found.join(' ') === this.#read) return undefined;
    const missing = this.#prefixes.find((_prefix, index) => files[index]!.length === 0);
    if (missing !== undefined) throw new Error(`${this.#folder} has no ${missing}-N`);
    const seeds = this.#seeds(files.flat());
    this.#read = found.join(' ');
    const entries = this.#prefixes.map((prefix, index) => [prefix, seeds.splice(0, files[index]!.length)]);
    return Object.fromEntries(entries) as Record<K, NumberedSeed[]>;
  }

  #seeds(files: readonly KeyFile[]): NumberedSeed[] {
    const read: NumberedSeed[] = [];
    try {
      for (const { name, number } of files) {
        const file = `${this.#folder}/${name}`;
        read.push({ number, seed: parseSeed(readFileSync(file, 'utf8'), file) });
      }
      return read;
    } catch (error) {
      for (const { seed } of read) wipe(seed);
      throw error;
    }
  }
}
