/** Network.md, case 18: do the rates of the mesh say anything about when one user calls? */

import type { Random } from './random.ts';
import { lowerBound } from './samples.ts';

/** Cuts values into at most `bins` (2..256) about equally filled ones; equal values share a bin, a constant has one. */
export function discretise(values: Float64Array, bins: number): Uint8Array {
  if (!(Number.isInteger(bins) && bins >= 2 && bins <= 256)) throw new RangeError(`bins must be 2..256, not ${bins}`);
  const sorted = values.toSorted();
  const quantiles = Array.from({ length: bins - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / bins)]);
  const edges = Float64Array.from(new Set(quantiles));
  return Uint8Array.from(values, (value) => lowerBound(edges, value));
}

/**
 * The mutual information of two discretised series, bits: Σ p(x,y) log2(p(x,y) / p(x) p(y)) over the relative
 * frequencies. Never negative, hence biased upwards by about (|x| - 1)(|y| - 1) / (2 n ln 2).
 */
export function mutualInformation(x: Uint8Array, y: Uint8Array): number {
  const n = x.length;
  if (n === 0 || y.length !== n)
    throw new RangeError(`the series must share a length above 0, not ${n} and ${y.length}`);
  const ofX = frequencies(x);
  const ofY = frequencies(y);
  const joint = new Uint32Array(ofX.length * ofY.length);
  for (let i = 0; i < n; i++) joint[x[i] * ofY.length + y[i]] += 1;
  let bits = 0;
  joint.forEach((both, cell) => {
    const expected = ofX[Math.floor(cell / ofY.length)] * ofY[cell % ofY.length];
    if (both > 0) bits += (both / n) * Math.log2((both * n) / expected);
  });
  return Math.max(0, bits);
}

function frequencies(values: Uint8Array): Uint32Array {
  const counts = new Uint32Array(values.reduce((most, value) => Math.max(most, value), 0) + 1);
  for (let i = 0; i < values.length; i++) counts[values[i]] += 1;
  return counts;
}

export interface Dependence {
  /** The largest mutual information over the lags, less what schedules that nobody followed reach on average, bits. */
  readonly bits: number;
  /** Its 95 % interval, from the spread under those schedules. */
  readonly interval: readonly [number, number];
  /** (1 + schedules that reach as much) / (1 + schedules). */
  readonly p: number;
  /** The pass rule of case 18. */
  readonly includesZero: boolean;
}

/**
 * Does `rates` follow `schedule` (1 while the user calls), up to `lagsMax` steps later? Compares with `draws` schedules
 * drawn by `draw`, the very procedure that drew the one followed: had another come out, a mesh that does not listen
 * would have had the same rates. That makes p exact however the rates depend on each other and on the hour.
 * @throws {RangeError} for fewer than 199 draws: the ends of the interval would be those of a few draws.
 */
export function dependence(
  schedule: Uint8Array,
  rates: Uint8Array,
  lagsMax: number,
  draw: () => Uint8Array,
  draws = 999,
): Dependence {
  if (draws < 199) throw new RangeError(`an interval needs 199 draws, not ${draws}`);
  const seen = overLags(schedule, rates, lagsMax);
  const others = Float64Array.from({ length: draws }, () => overLags(draw(), rates, lagsMax)).sort();
  const mean = others.reduce((sum, value) => sum + value, 0) / draws;
  const at = (q: number) => others[Math.round(q * (draws - 1))];
  const reached = draws - lowerBound(others, seen);
  const interval = [seen - at(0.975), seen - at(0.025)] as const;
  return {
    bits: seen - mean,
    interval,
    p: (1 + reached) / (1 + draws),
    includesZero: interval[0] <= 0 && interval[1] >= 0,
  };
}

function overLags(schedule: Uint8Array, rates: Uint8Array, lagsMax: number): number {
  let most = 0;
  for (let lag = 0; lag <= lagsMax; lag++) {
    const length = rates.length - lag;
    most = Math.max(most, mutualInformation(schedule.subarray(0, length), rates.subarray(lag)));
  }
  return most;
}

/** A schedule shifted around by a random number of steps: a way to `draw` when the one followed began at a random step. */
export function shifted(schedule: Uint8Array, random: Random): Uint8Array {
  const by = Math.floor(random() * schedule.length);
  const result = new Uint8Array(schedule.length);
  result.set(schedule.subarray(by));
  result.set(schedule.subarray(0, by), schedule.length - by);
  return result;
}
