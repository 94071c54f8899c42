import { randomInt } from 'node:crypto';

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

/** Runs batches for so long, at least one; how many inputs there were, and what processor time they took. */
export function fuzz(
  { name, start }: Target,
  milliseconds: number,
  seed = SEED,
): { inputs: number; cpuSeconds: number } {
  let inputs = 0;
  const begin = performance.now();
  const cpu = process.cpuUsage();
  try {
    const batch = start(seed);
    do inputs += batch();
    while (performance.now() - begin < milliseconds);
  } catch (error) {
    throw new Error(`${name}: after ${inputs} inputs; again with HERD_FUZZ_SEED=${seed}`, { cause: error });
  }
  const { user, system } = process.cpuUsage(cpu);
  return { inputs, cpuSeconds: (user + system) / 1e6 };
}
