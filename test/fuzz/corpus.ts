import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Target } from './target.ts';

/**
 * What is run of a target before anything new: seeds, each of which reaches code of nodes/ that those before it do not, and
 * those that once found something.
 *
 * A target makes its inputs of its seed and of what the machines have answered, so a seed and a number of batches is the
 * input, and a short one.
 */
const FOLDER = path.join(import.meta.dirname, 'corpus');

export interface Entry {
  readonly seed: string;
  /** As few as reach what this entry is for. */
  readonly batches: number;
  /** It broke the property once: it stays, whatever it reaches. */
  readonly found?: true;
}

const fileOf = ({ name }: Target) => path.join(FOLDER, `${name.toLowerCase().replaceAll(/[^a-z]+/g, '-')}.json`);

/** Batches by seed. */
interface Kept {
  readonly found: Readonly<Record<string, number>>;
  readonly reaching: Readonly<Record<string, number>>;
}

export function readCorpus(target: Target): readonly Entry[] {
  const file = fileOf(target);
  if (!existsSync(file)) return [];
  const { found, reaching } = JSON.parse(readFileSync(file, 'utf8')) as Kept;
  return [
    ...Object.entries(found).map(([seed, batches]): Entry => ({ seed, batches, found: true })),
    ...Object.entries(reaching).map(([seed, batches]): Entry => ({ seed, batches })),
  ];
}

export function writeCorpus(target: Target, entries: readonly Entry[]): void {
  const bySeed = (of: readonly Entry[]) => Object.fromEntries(of.map(({ seed, batches }) => [seed, batches]));
  const kept: Kept = {
    found: bySeed(entries.filter(({ found }) => found)),
    reaching: bySeed(entries.filter(({ found }) => !found)),
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(fileOf(target), `${JSON.stringify(kept, null, 2)}\n`);
}
