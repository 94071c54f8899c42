/** A token bucket. Pure: time is handed in, in milliseconds of one clock that never goes back. */
export interface BucketRate {
  readonly perSecond: number;
  readonly burst: number;
}

export class TokenBucket {
  readonly #rate: BucketRate;
  #tokens: number;
  #atMs = Number.NEGATIVE_INFINITY;

  constructor(rate: BucketRate) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  /** @returns whether there was a token; it is gone then */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Takes a token in advance. @returns milliseconds until it is there, at most `waitMsMax`: beyond that none is owed */
  reserve(nowMs: number, waitMsMax: number): number {
    this.#refill(nowMs);
    this.#tokens = Math.max(this.#tokens - 1, (-waitMsMax * this.#rate.perSecond) / 1000);
    return Math.max(0, (-this.#tokens * 1000) / this.#rate.perSecond);
  }

  #refill(nowMs: number): void {
    const since = Math.max(0, nowMs - this.#atMs) / 1000;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + since * this.#rate.perSecond);
    this.#atMs = nowMs;
  }
}
