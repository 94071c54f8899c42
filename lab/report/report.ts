import type { CallRow } from '../calls/row.ts';

export interface Report {
  /** What ran: a number without them is an anecdote. */
  readonly versions: {
    readonly kubernetes: string;
    readonly containerd: string;
    readonly node: string;
    readonly commit: string;
  };
  readonly calls: readonly CallRow[];
  /** How long each phase of the run took, ms. */
  readonly timings: Readonly<Record<string, number>>;
}

/** Finer than any of our measurements; the digits after would be noise. */
const DECIMALS = 4;

/** The report as a JSON file for people and programs. */
export function reportJson({ versions, calls, timings }: Report): string {
  const rounded = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toFixed(DECIMALS)) : value);
  return JSON.stringify({ versions, calls, timings }, rounded, 2) + '\n';
}
