import { type RoundCounts, type RoundsReport, SUPERPEERS_COUNTED_MAX } from '../config/receipt.ts';
import { QUEUE_TICKS_MAX } from '../wire/constants.ts';

/**
 * Rounds by superpeer, for its receipts (WIRE.md 8).
 *
 * Properties: nothing of it depends on whether anybody speaks, and nobody gains by sending more than one round in a tick.
 */
interface Counts {
  expected: number;
  valid: number;
  bad: number;
  expelled: boolean;
}

export class Rounds {
  #periodMs: number;
  /** Start of the period that runs. */
  #from: number;
  /** By superpeer. BOUNDED: SUPERPEERS_COUNTED_MAX; who comes later is not counted. */
  readonly #counts = new Map<string, Counts>();
  #last: RoundsReport | undefined;
  /** By channel: rounds that may still count, as many as a queue holds. BOUNDED: by the numbers of channels. */
  readonly #credit = new Map<number, number>();

  constructor(nowMs: number, periodMs: number) {
    this.#periodMs = periodMs;
    this.#from = startOf(nowMs, periodMs);
  }

  /** Another length begins another period, and what was counted before is gone. */
  configure(nowMs: number, periodMs: number): void {
    if (periodMs === this.#periodMs) return;
    this.#periodMs = periodMs;
    this.#from = startOf(nowMs, periodMs);
    this.#counts.clear();
    this.#last = undefined;
  }

  tick(nowMs: number): void {
    const from = startOf(nowMs, this.#periodMs);
    if (from <= this.#from) return;
    this.#last = { from: this.#from, counts: this.#told() };
    this.#from = from;
    this.#counts.clear();
  }

  /** A tick of a channel that is ours to serve. */
  expect(channel: number, superpeer: string): void {
    const counts = this.#of(superpeer);
    if (!counts) return;
    counts.expected += 1;
    this.#credit.set(channel, Math.min(QUEUE_TICKS_MAX, (this.#credit.get(channel) ?? 0) + 1));
  }

  came(channel: number, superpeer: string, isBad: boolean): void {
    const credit = this.#credit.get(channel) ?? 0;
    const counts = credit > 0 ? this.#of(superpeer) : undefined;
    if (!counts) return;
    this.#credit.set(channel, credit - 1);
    if (isBad) counts.bad += 1;
    else counts.valid += 1;
  }

  expel(superpeer: string): void {
    const counts = this.#of(superpeer);
    if (counts) counts.expelled = true;
  }

  /** The period that runs, and the one before. */
  report(): RoundsReport[] {
    return [...(this.#last ? [this.#last] : []), { from: this.#from, counts: this.#told() }];
  }

  #of(superpeer: string): Counts | undefined {
    const known = this.#counts.get(superpeer);
    if (known || this.#counts.size === SUPERPEERS_COUNTED_MAX) return known;
    const counts = { expected: 0, valid: 0, bad: 0, expelled: false };
    this.#counts.set(superpeer, counts);
    return counts;
  }

  #told(): RoundCounts[] {
    return [...this.#counts].map(([superpeer, { expected, valid, bad, expelled }]) => {
      return [superpeer, expected, valid, bad, expelled ? 1 : 0];
    });
  }
}

const startOf = (nowMs: number, periodMs: number) => Math.floor(nowMs / periodMs) * periodMs;
