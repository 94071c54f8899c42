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

export function readCorpus(target: Target): readonly Entry[] {
  const file = fileOf(target);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Entry[]) : [];
}

export function writeCorpus(target: Target, entries: readonly Entry[]): void {
  const lines = entries.map(
    ({ seed, batches, found }) => `{ "seed": "${seed}", "batches": ${batches}${found ? ', "found": true' : ''} }`,
  );
  mkdirSync(FOLDER, { recursive: true });
  // As the formatter would have it.
  const text = lines.length > 1 ? `[\n  ${lines.join(',\n  ')}\n]` : `[${lines.join()}]`;
  writeFileSync(fileOf(target), `${text}\n`);
}
