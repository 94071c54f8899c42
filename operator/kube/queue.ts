/**
 * The keys that wait for a reconcile. Pure: time and chance are handed in.
 * Upholds: a key waits once however often it is added, is worked on by one worker at a time, and a key added while it is
 * worked on runs again after.
 */
import { fullJitter, type Random } from './backoff.ts';

const backoffMs = { base: 100, floor: 50, cap: 120_000 };

export class WorkQueue {
  readonly #random: Random;
  /** Key → when it is due, ms. BOUNDED: by the objects in the cluster. */
  readonly #due = new Map<string, number>();
  /** BOUNDED: by the number of workers. */
  readonly #busy = new Set<string>();
  /** BOUNDED: by the objects in the cluster; a success removes the key. */
  readonly #failures = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Of two times for one key the earlier counts. */
  add(key: string, dueMs: number): void {
    this.#due.set(key, Math.min(dueMs, this.#due.get(key) ?? Number.POSITIVE_INFINITY));
  }

  /** The longest due key that nobody works on; it is the caller's until succeeded or failed. */
  take(nowMs: number): string | undefined {
    const key = this.#first();
    if (key === undefined || this.#due.get(key)! > nowMs) return undefined;
    this.#due.delete(key);
    this.#busy.add(key);
    return key;
  }

  succeeded(key: string): void {
    this.#busy.delete(key);
    this.#failures.delete(key);
  }

  /** Adds the key again, later with each failure in a row. */
  failed(key: string, nowMs: number): void {
    this.#busy.delete(key);
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.add(key, nowMs + fullJitter(failures, backoffMs.base, backoffMs.cap, this.#random, backoffMs.floor));
  }

  /** When take will next have something, unless a key is added before. */
  nextDueMs(): number | undefined {
    const key = this.#first();
    return key === undefined ? undefined : this.#due.get(key);
  }

  /** Keys that are due now, the busy ones included. */
  depth(nowMs: number): number {
    let due = 0;
    for (const at of this.#due.values()) if (at <= nowMs) due++;
    return due;
  }

  #first(): string | undefined {
    let first: string | undefined;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const [key, dueMs] of this.#due) {
      if (dueMs < firstMs && !this.#busy.has(key)) {
        first = key;
        firstMs = dueMs;
      }
    }
    return first;
  }
}
