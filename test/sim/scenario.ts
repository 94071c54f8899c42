/** One experiment on the virtual network, and the property that it must show whatever the seed. */
export interface Scenario {
  readonly name: string;
  /** In prose, before any code: what must hold. */
  readonly property: string;
  /** Short: part of npm test, so over in seconds. Long: run by name. */
  readonly set: 'short' | 'long';
  /** Virtual minutes that are enough. */
  readonly minutes: number;
  readonly run: (seed: string, minutes: number) => Outcome;
}

export interface Outcome {
  /** A sentence for each way in which the property did not hold. */
  readonly violations: readonly string[];
  /** What was measured. */
  readonly facts: Readonly<Record<string, number>>;
}

/** Runs a scenario; what a role or the scenario throws is a violation too, so that the seed is not lost with it. */
export function execute({ run }: Scenario, seed: string, minutes: number): Outcome {
  try {
    return run(seed, minutes);
  } catch (error) {
    return { violations: [`thrown: ${(error as Error).stack}`], facts: {} };
  }
}

/** The command that repeats a run. */
export function commandOf({ name }: Scenario, seed: string, minutes: number): string {
  return `npm run sim -- --scenario ${name} --seed '${seed}' --minutes ${minutes}`;
}

/** Collects violations: `expect(condition, sentence)`. */
export class Checker {
  readonly violations: string[] = [];

  expect(condition: boolean, otherwise: string): boolean {
    if (!condition) this.violations.push(otherwise);
    return condition;
  }
}

/** The value below which `share` (0 … 1) of the values lie; NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
