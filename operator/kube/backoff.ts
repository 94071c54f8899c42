/** Waiting between attempts. Full jitter: many waiters that failed together must not come back together. */
export type Random = () => number;

/** @returns milliseconds, uniform in [0, min(cap, base × 2^attempt)) but at least the floor */
export function fullJitter(attempt: number, baseMs: number, capMs: number, random: Random, floorMs = 0): number {
  return Math.max(floorMs, random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30)));
}

/** Resolves after the time or when the signal aborts, whichever is first; never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener('abort', end);
  });
}
