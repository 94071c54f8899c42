import { randomInt } from 'node:crypto';
import { type Entry, readCorpus } from './corpus.ts';

/** Something that hostile input is thrown at. */
export interface Target {
  readonly name: string;
  /** In prose: what holds whatever comes. */
  readonly property: string;
  /** Makes ready for a seed; each call of the result runs one batch and returns how many inputs it had. Throws if the property does not hold. */
  readonly start: (seed: string) => () => number;
}

/** A failure is repeated with the same one. */
export const SEED = process.env.HERD_FUZZ_SEED ?? `fuzz-${randomInt(2 ** 32)}`;

/** Runs the corpus, and then batches of a seed for so long, at least one; how many inputs there were. */
export function fuzz(target: Target, milliseconds: number, seed = SEED): number {
  let inputs = 0;
  for (const entry of readCorpus(target))
    inputs += run(target, entry.seed, (batches) => batches < entry.batches).inputs;
  const end = performance.now() + milliseconds;
  return inputs + run(target, seed, () => performance.now() < end).inputs;
}

/** Runs batches of a seed, at least one, while `goesOn` says so of how many there have been. */
export function run(
  { name, start }: Target,
  seed: string,
  goesOn: (batches: number) => boolean,
): { inputs: number; entry: Entry } {
  let inputs = 0;
  let batches = 0;
  try {
    const batch = start(seed);
    do {
      batches += 1;
      inputs += batch();
    } while (goesOn(batches));
  } catch (error) {
    throw new Failure(`${name}: in batch ${batches} of seed ${seed}, after ${inputs} inputs`, { seed, batches }, error);
  }
  return { inputs, entry: { seed, batches } };
}

/** The property of a target did not hold. */
export class Failure extends Error {
  readonly entry: Entry;

  constructor(message: string, { seed, batches }: { seed: string; batches: number }, cause: unknown) {
    super(`${message}; again with HERD_FUZZ_SEED=${seed}`, { cause });
    this.entry = { seed, batches: Math.max(1, batches), found: true };
  }
}
