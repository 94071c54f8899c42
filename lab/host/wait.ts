import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from './run.ts';

/**
 * Asks `probe` every 50 ms until it answers other than undefined, and returns the answer.
 * Throws when the run fails or closes, or when `timeoutMs` pass; then with the last error of `probe`, if it threw.
 */
export async function waitFor<T>(
  run: Run,
  what: string,
  timeoutMs: number,
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    run.check();
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) {
      const seconds = timeoutMs / 1000;
      throw new Error(`${what}: not after ${seconds} s${lastError ? `: ${lastError}` : ''}`, { cause: lastError });
    }
    await sleep(50);
  }
}
