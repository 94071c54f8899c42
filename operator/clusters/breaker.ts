/**
 * When a cluster is asked whether it is there, and whether anything else is asked of it. Pure.
 * Upholds: one failure is looked into at once, two in a row open the breaker; then the cluster is asked ever more seldom,
 * with full jitter, and by the first answer all goes on.
 */
import { fullJitter, type Random } from '../kube/backoff.ts';

const calmMs = 15_000;
const suspectMs = 500;
const backoffMs = { base: 1_000, floor: 1_000, cap: 60_000 };
const failuresMax = 2;

export class Breaker {
  readonly #random: Random;
  #failures = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get isOpen(): boolean {
    return this.#failures >= failuresMax;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures++;
  }

  /** Until the cluster is asked again. */
  waitMs(): number {
    if (this.#failures === 0) return calmMs * (1 + this.#random() / 5);
    if (!this.isOpen) return suspectMs;
    return fullJitter(this.#failures, backoffMs.base, backoffMs.cap, this.#random, backoffMs.floor);
  }
}
