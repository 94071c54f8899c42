/** One experiment on the virtual network, and the property that it must show whatever the seed. */
export interface Scenario {
  readonly name: string;
  /** In prose, before any code: what must hold. */
  readonly property: string;
  /** Virtual minutes that are enough for the short set. */
  readonly minutes: number;
  readonly run: (seed: string, minutes: number) => Outcome;
}

export interface Outcome {
  /** A sentence for each way in which the property did not hold. */
  readonly violations: readonly string[];
  /** What was measured. */
  readonly facts: Readonly<Record<string, number>>;
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
