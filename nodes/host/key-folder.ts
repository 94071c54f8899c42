import { readdirSync, readFileSync } from 'node:fs';
import { type KeyFile, keyFiles } from '../config/key-files.ts';
import { parseSeed } from '../config/node.ts';
import { type KeyKind, type KeySeeds, wipe } from '../crypto/keys.ts';

/** A node's link and circuit keys as files that come and go while it runs (config/key-files.ts). */
export class KeyFolder {
  readonly #folder: string;
  #read = '';

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * All keys, if they are others than at the last time; undefined if not, or if there are none: what a node has it keeps.
   * Throws one sentence if a file cannot be read or a kind is missing; the next call tries again.
   */
  read(): KeySeeds | undefined {
    const files = keyFiles(readdirSync(this.#folder));
    const names = files.map(({ name }) => name).join(' ');
    if (files.length === 0 || names === this.#read) return undefined;
    for (const kind of ['link', 'circuit'])
      if (!files.some((file) => file.kind === kind)) throw new Error(`${this.#folder} has no ${kind}-N`);
    const seeds = this.#seeds(files);
    this.#read = names;
    return seeds;
  }

  #seeds(files: readonly KeyFile[]): KeySeeds {
    const read: { kind: KeyKind; number: number; seed: Buffer }[] = [];
    try {
      for (const { name, kind, number } of files) {
        const file = `${this.#folder}/${name}`;
        read.push({ kind, number, seed: parseSeed(readFileSync(file, 'utf8'), file) });
      }
    } catch (error) {
      for (const { seed } of read) wipe(seed);
      throw error;
    }
    const of = (kind: KeyKind) => read.filter((key) => key.kind === kind);
    return { link: of('link'), circuit: of('circuit') };
  }
}
