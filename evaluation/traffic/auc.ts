/**
 * How well a score tells two classes apart: the area under its ROC curve, the chance that a value of class 1 scores
 * above one of class 0 (ties count half). 0.5 is chance; a score that is wrong consistently leaks as much as one that
 * is right, so all bars here are symmetric.
 */

import { normalQuantile, studentQuantile } from './special.ts';

/** network.md, cases 4 and 16: an observer may do no better than this. */
export const AUC_BAR = 0.52;
/** Of the two-sided intervals. */
export const CONFIDENCE = 0.95;
/** With fewer clusters their spread says too little about the error. */
const CLUSTERS_MIN = 20;

export interface Area {
  readonly auc: number;
  readonly standardError: number;
  /** At {@link CONFIDENCE}, Student's t with (clusters - 1) degrees of freedom; not cut off at 0 and 1. */
  readonly interval: readonly [number, number];
}

/**
 * The area and its interval after DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988), with the variance summed over
 * clusters after Obuchowski (Biometrics 53, 1997): what shares a cluster may depend on each other. When every value is its own cluster
 * it is DeLong's. Ranks after Sun and Xu (IEEE SPL 21, 2014): O(n log n).
 * @throws {RangeError} if a class is missing or there are fewer than 20 clusters.
 */
export function areaUnderCurve(scores: Float64Array, labels: Uint8Array, clusters: Uint32Array): Area {
  const ones = labels.reduce((sum, label) => sum + label, 0);
  const zeros = labels.length - ones;
  if (ones === 0 || zeros === 0) throw new RangeError('an area needs values of both classes');
  const share = sharesBelow(scores, labels, ones);
  let auc = 0;
  for (let i = 0; i < share.length; i++) auc += labels[i] * share[i];
  auc /= ones;
  /** BOUNDED: by the clusters. How much each pulls the area away from the mean, of its ones and its zeros together. */
  const pulls = new Map<number, { ones: number; zeros: number; hasOnes: boolean; hasZeros: boolean }>();
  for (let i = 0; i < share.length; i++) {
    let pull = pulls.get(clusters[i]);
    if (pull === undefined) {
      pull = { ones: 0, zeros: 0, hasOnes: false, hasZeros: false };
      pulls.set(clusters[i], pull);
    }
    if (labels[i] === 1) {
      pull.ones += share[i] - auc;
      pull.hasOnes = true;
    } else {
      pull.zeros += share[i] - auc;
      pull.hasZeros = true;
    }
  }
  const count = pulls.size;
  if (count < CLUSTERS_MIN) throw new RangeError(`an interval needs ${CLUSTERS_MIN} clusters, not ${count}`);
  let clustersOfOnes = 0;
  let clustersOfZeros = 0;
  let [sumOnes, sumZeros, sumBoth] = [0, 0, 0];
  for (const pull of pulls.values()) {
    sumOnes += pull.ones ** 2;
    sumZeros += pull.zeros ** 2;
    sumBoth += pull.ones * pull.zeros;
    if (pull.hasOnes) clustersOfOnes += 1;
    if (pull.hasZeros) clustersOfZeros += 1;
  }
  const variance =
    unbiased(sumOnes, clustersOfOnes) / ones ** 2 +
    unbiased(sumZeros, clustersOfZeros) / zeros ** 2 +
    (2 * unbiased(sumBoth, count)) / (ones * zeros);
  const standardError = Math.sqrt(Math.max(0, variance));
  const reach = studentQuantile((1 + CONFIDENCE) / 2, Math.min(clustersOfOnes, clustersOfZeros) - 1) * standardError;
  return { auc, standardError, interval: [auc - reach, auc + reach] };
}

function unbiased(sum: number, clusters: number): number {
  if (clusters < 2) throw new RangeError('an interval needs two clusters of each class');
  return (sum * clusters) / (clusters - 1);
}

/** Of each value of class 1 the share of class 0 that scores below it; of class 0, the share of class 1 above it. */
function sharesBelow(scores: Float64Array, labels: Uint8Array, ones: number): Float64Array {
  const zeros = scores.length - ones;
  const order = Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  const share = new Float64Array(scores.length);
  let onesBefore = 0;
  for (let from = 0; from < order.length; ) {
    let to = from;
    let tiedOnes = 0;
    while (to < order.length && scores[order[to]] === scores[order[from]]) tiedOnes += labels[order[to++]];
    const zerosBefore = from - onesBefore;
    const tiedZeros = to - from - tiedOnes;
    for (let i = from; i < to; i++) {
      const row = order[i];
      share[row] =
        labels[row] === 1
          ? (zerosBefore + tiedZeros / 2) / zeros
          : (ones - onesBefore - tiedOnes + tiedOnes / 2) / ones;
    }
    onesBefore += tiedOnes;
    from = to;
  }
  return share;
}

/**
 * Half the width of the interval at chance for so many independent values: z √((m + n + 1) / (12 m n)), the variance of
 * Mann and Whitney's U over the pairs. Clusters can only make it wider.
 */
export function halfWidthAtChance(zeros: number, ones: number): number {
  return normalQuantile((1 + CONFIDENCE) / 2) * Math.sqrt((zeros + ones + 1) / (12 * zeros * ones));
}

/**
 * How many independent values of each class keep that half width below `halfWidth`: n > z² / (6 h²), about; 1602 for
 * 0.02. A clean network then still fails the bar half of the time; half the half width (6403) passes 39 times in 40.
 */
export function valuesNeeded(halfWidth: number): number {
  let n = Math.max(1, Math.floor((normalQuantile((1 + CONFIDENCE) / 2) / halfWidth) ** 2 / 6));
  while (halfWidthAtChance(n, n) >= halfWidth) n += 1;
  return n;
}

export interface Verdict extends Area {
  /** |auc - 0.5|. */
  readonly distance: number;
  /** The interval lies within the bar on both sides: an observer is shown to learn no more than that. */
  readonly passes: boolean;
  /** The interval lies beyond the bar on one side. When neither holds, more data has to decide. */
  readonly leaks: boolean;
}

/**
 * Holds scores against the bar.
 * @throws {RangeError} if even a perfect network could not be shown to pass with so few values, saying how many it takes.
 */
export function judge(scores: Float64Array, labels: Uint8Array, clusters: Uint32Array, bar = AUC_BAR): Verdict {
  const ones = labels.reduce((sum, label) => sum + label, 0);
  requireValues(labels.length - ones, ones, bar);
  const area = areaUnderCurve(scores, labels, clusters);
  const [low, high] = area.interval;
  return {
    ...area,
    distance: Math.abs(area.auc - 0.5),
    passes: high <= bar && low >= 1 - bar,
    leaks: low > bar || high < 1 - bar,
  };
}

function requireValues(zeros: number, ones: number, bar: number): void {
  if (Math.min(zeros, ones) > 0 && halfWidthAtChance(zeros, ones) < bar - 0.5) return;
  throw new RangeError(
    `${zeros} and ${ones} test values cannot show an area within ${bar}: it takes ${valuesNeeded(bar - 0.5)} of each class`,
  );
}
