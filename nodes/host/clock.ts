import { performance } from 'node:perf_hooks';
import type { Micros } from '../core/units.ts';

/**
 * Wall-clock time that never steps: the epoch at start plus the monotonic clock since. Two processes of one machine
 * agree on it to the precision with which they read the clock at their start.
 */
export function nowUs(): Micros {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
