/**
 * Network.md, case 4: a superpeer delays one client's packets in a pattern and looks for it past the mix. What a
 * matched filter does not find, nobody finds who knows the pattern: in white noise it is the best linear detector.
 */

import { AUC_BAR, judge, type Verdict } from './auc.ts';

/**
 * The largest |correlation| of the pattern with what was seen, over the delays 0..`lagsMax` (ticks) that the path may
 * have; 0..1. `seen` is any series with one value per tick: deviations from the grid, gaps, packets. The pattern is what
 * the watermark would do to it: delays per tick for deviations, their differences for gaps.
 * @throws {RangeError} if `seen` is too short for the pattern at the largest lag.
 */
export function matchedFilter(seen: Float64Array, pattern: Float64Array, lagsMax: number): number {
  const n = pattern.length;
  if (n < 2 || seen.length < n + lagsMax) {
    throw new RangeError(`${seen.length} ticks are too few for a pattern of ${n} at lags up to ${lagsMax}`);
  }
  const mean = pattern.reduce((sum, value) => sum + value, 0) / n;
  const centred = pattern.map((value) => value - mean);
  const energy = centred.reduce((sum, value) => sum + value * value, 0);
  let best = 0;
  for (let lag = 0; lag <= lagsMax; lag++) {
    let [product, sum, squares] = [0, 0, 0];
    for (let i = 0; i < n; i++) {
      // Relative to the first value: a large common offset would eat the digits of the variance.
      const value = seen[lag + i] - seen[lag];
      product += centred[i] * value;
      sum += value;
      squares += value * value;
    }
    const power = (squares - (sum * sum) / n) * energy;
    if (power > 0) best = Math.max(best, Math.abs(product) / Math.sqrt(power));
  }
  return Math.min(1, best);
}

/**
 * Holds the filter's outputs of independent trials with and without the watermark against the bar.
 * @throws {RangeError} if there are too few trials for it, as `judge` does; for the bar of 0.52 it takes 1602 of each.
 */
export function watermarkVerdict(withMark: Float64Array, without: Float64Array, bar = AUC_BAR): Verdict {
  const trials = without.length + withMark.length;
  const scores = new Float64Array(trials);
  scores.set(without);
  scores.set(withMark, without.length);
  const labels = new Uint8Array(trials).fill(1, without.length);
  return judge(
    scores,
    labels,
    Uint32Array.from(labels, (_, trial) => trial),
    bar,
  );
}
