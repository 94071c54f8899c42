import type { Entry } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { Failure, run, type Target } from './target.ts';

/** Long enough to get somewhere, short enough for every test run: what is kept is run again each time. */
const SEED_MS = 500;

export interface Explored {
  readonly inputs: number;
  readonly cpuSeconds: number;
  /** The corpus from now on. */
  readonly kept: readonly Entry[];
  readonly failure: Failure | undefined;
}

/**
 * Runs the corpus of a target and then seed after seed for so long. A seed that reaches code of nodes/ that none before
 * has is kept, with as few batches as it takes; an entry that reaches nothing of its own any more is not; a seed that breaks
 * the property is the last and is kept for ever.
 */
export function explore(
  target: Target,
  corpus: readonly Entry[],
  milliseconds: number,
  seed: string,
  told: (inputs: number) => void = () => {},
): Explored {
  const coverage = new Coverage();
  const end = performance.now() + milliseconds;
  const cpu = process.cpuUsage();
  const kept: Entry[] = [];
  const reached = new Set<string>();
  let inputs = 0;
  let failure: Failure | undefined;
  /** What a seed reaches that nothing has before. */
  const attempt = (by: string, goesOn: (batches: number) => boolean) => {
    const ran = run(target, by, (batches) => {
      told(inputs);
      return goesOn(batches);
    });
    inputs += ran.inputs;
    return { entry: ran.entry, fresh: [...coverage.take()].filter((line) => !reached.has(line)) };
  };
  try {
    coverage.take();
    for (const entry of corpus) {
      const { fresh } = attempt(entry.seed, (batches) => batches < entry.batches);
      if (fresh.length > 0 || entry.found) kept.push(entry);
      for (const line of fresh) reached.add(line);
    }
    for (let round = 0; performance.now() < end; round += 1) {
      const by = `${seed}/${round}`;
      const until = Math.min(end, performance.now() + SEED_MS);
      const { entry: whole, fresh } = attempt(by, () => performance.now() < until);
      if (fresh.length === 0) continue;
      const missing = new Set(fresh);
      const { entry } = attempt(by, (batches) => {
        for (const line of coverage.take()) missing.delete(line);
        return missing.size > 0 && batches < whole.batches;
      });
      kept.push(entry);
      for (const line of fresh) reached.add(line);
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    failure = error;
    kept.push(...corpus.filter((entry) => !kept.includes(entry)));
    if (!kept.some(({ seed: by, found }) => found && by === error.entry.seed)) kept.push(error.entry);
  } finally {
    coverage.stop();
  }
  const { user, system } = process.cpuUsage(cpu);
  return { inputs, cpuSeconds: (user + system) / 1e6, kept, failure };
}
