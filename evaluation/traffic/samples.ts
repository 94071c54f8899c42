/**
 * Tests between two samples of INDEPENDENT values, such as one answer time per probe (network.md, case 22). Formulas
 * are asymptotic: from about 50 values a sample on they are good to two digits.
 *
 * The gaps of a paced link are not independent: a late packet makes one gap long and the next one short, and a noisy
 * second has many such pairs. For packets take `permutation.ts`, which has the same statistics and makes no such claim.
 */

import { gammaQ, normalCdf, studentQuantile, studentTail } from './special.ts';

export interface TestResult {
  readonly statistic: number;
  /** 0..1: the chance of a statistic at least as extreme if nothing differs. */
  readonly p: number;
}

/** The three statistics that ranks alone determine, so that one walk through the sorted values yields them all. */
export interface RankStatistics {
  /** Kolmogorov and Smirnov: the largest distance of the empirical distributions, 0..1. */
  readonly ks: number;
  /** Anderson and Darling, two samples (Pettitt, Biometrika 63, 1976; ties as Scholz and Stephens, 1987, eq. 6). */
  readonly ad: number;
  /** Mann and Whitney's U over the number of pairs: the share of pairs in which the one labelled 1 is larger, 0..1. */
  readonly u: number;
}

/** Values in ascending order, without the values: whose each one is, and where a run of equal ones ends. */
export interface Ranking {
  /** The block (an index into a table of labels) that each value came from. */
  readonly blocks: Uint32Array;
  /** 1 where the next value is larger; the last is always 1. */
  readonly ends: Uint8Array;
}

/** One walk through a ranking whose blocks carry the labels `labelOf` (0 or 1, both present). O(n), allocates nothing. */
export function rankStatistics({ blocks, ends }: Ranking, labelOf: Uint8Array): RankStatistics {
  const n = blocks.length;
  let ones = 0;
  for (let i = 0; i < n; i++) ones += labelOf[blocks[i]];
  const zeros = n - ones;
  let seenOnes = 0;
  let onesBefore = 0;
  let before = 0;
  let ks = 0;
  let ad = 0;
  let u = 0;
  for (let i = 0; i < n; i++) {
    seenOnes += labelOf[blocks[i]];
    if (ends[i] === 0) continue;
    const seen = i + 1;
    const tiedOnes = seenOnes - onesBefore;
    const tiedZeros = seen - before - tiedOnes;
    u += tiedOnes * (before - onesBefore + tiedZeros / 2);
    const gap = seenOnes * zeros - (seen - seenOnes) * ones;
    ks = Math.max(ks, Math.abs(gap));
    if (seen < n) ad += ((seen - before) * gap * gap) / (seen * (n - seen));
    onesBefore = seenOnes;
    before = seen;
  }
  const pairs = ones * zeros;
  return { ks: ks / pairs, ad: ad / pairs, u: u / pairs };
}

/**
 * Ranks values of which the ones from `starts[b]` to before `starts[b + 1]` are block b's. Sorts natively and finds each
 * value's place by bisection: an index sort with a comparing function would take ten times as long.
 */
export function rank(values: Float64Array, starts: Uint32Array): Ranking {
  const n = values.length;
  const sorted = values.toSorted();
  const blocks = new Uint32Array(n);
  const ends = new Uint8Array(n);
  for (let i = 0; i < n; i++) ends[i] = i + 1 === n || sorted[i + 1] > sorted[i] ? 1 : 0;
  const taken = new Uint32Array(n);
  for (let block = 0; block + 1 < starts.length; block++) {
    for (let i = starts[block]; i < starts[block + 1]; i++) {
      const first = lowerBound(sorted, values[i]);
      blocks[first + taken[first]++] = block;
    }
  }
  return { blocks, ends };
}

/** The first index of ascending `sorted` whose value is at least `value`; its length if there is none. */
export function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two samples as two blocks; the second is labelled 1. */
const TWO_SAMPLES = Uint8Array.of(0, 1);

function pool(a: Float64Array, b: Float64Array): Ranking {
  if (a.length === 0 || b.length === 0) throw new RangeError('a sample is empty');
  const values = new Float64Array(a.length + b.length);
  values.set(a);
  values.set(b, a.length);
  return rank(values, Uint32Array.of(0, a.length, values.length));
}

/** Kolmogorov and Smirnov's test; p from Kolmogorov's limit with Stephens' correction (JRSS B 32, 1970). */
export function kolmogorovSmirnov(a: Float64Array, b: Float64Array): TestResult {
  const statistic = rankStatistics(pool(a, b), TWO_SAMPLES).ks;
  const root = Math.sqrt((a.length * b.length) / (a.length + b.length));
  return { statistic, p: kolmogorovTail((root + 0.12 + 0.11 / root) * statistic) };
}

/** P(K > x) of Kolmogorov's distribution: 2 Σ (-1)^(k-1) exp(-2 k² x²), for small x by Jacobi's transformation. */
export function kolmogorovTail(x: number): number {
  if (x <= 0) return 1;
  let sum = 0;
  if (x < 1) {
    for (let k = 1; k <= 9; k += 2) sum += Math.exp((-k * k * Math.PI * Math.PI) / (8 * x * x));
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum;
  }
  for (let k = 1; k <= 5; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * x * x);
  return sum;
}

/** Anderson and Darling's two-sample test, which sees the tails that Kolmogorov and Smirnov's overlooks. */
export function andersonDarling(a: Float64Array, b: Float64Array): TestResult {
  const statistic = rankStatistics(pool(a, b), TWO_SAMPLES).ad;
  return { statistic, p: andersonDarlingTail(statistic) };
}

/**
 * P(A² > z) in the limit: Marsaglia and Marsaglia, "Evaluating the Anderson-Darling distribution", J. Stat. Soft. 9(2),
 * 2004, absolute error below 2e-6. Two samples have the limit of one (Scholz and Stephens, 1987, k = 2).
 */
export function andersonDarlingTail(z: number): number {
  if (z <= 0) return 1;
  if (z < 2) {
    const poly = 2.00012 + (0.247105 - (0.0649821 - (0.0347962 - (0.011672 - 0.00168691 * z) * z) * z) * z) * z;
    return 1 - (Math.exp(-1.2337141 / z) / Math.sqrt(z)) * poly;
  }
  const poly = 1.0776 - (2.30695 - (0.43424 - (0.082433 - (0.008056 - 0.0003146 * z) * z) * z) * z) * z;
  return -Math.expm1(-Math.exp(poly));
}

/** Mann and Whitney's test, two-sided: normal limit with correction for ties and for continuity; U of `a`. */
export function mannWhitney(a: Float64Array, b: Float64Array): TestResult {
  const ranking = pool(a, b);
  const { ends } = ranking;
  const pairs = a.length * b.length;
  const n = ends.length;
  const u = pairs * (1 - rankStatistics(ranking, TWO_SAMPLES).u);
  let ties = 0;
  for (let i = 0, from = 0; i < n; i++) {
    if (ends[i] === 0) continue;
    ties += (i + 1 - from) ** 3 - (i + 1 - from);
    from = i + 1;
  }
  const sd = Math.sqrt((pairs / 12) * (n + 1 - ties / (n * (n - 1))));
  if (!(sd > 0)) return { statistic: u, p: 1 };
  const z = Math.max(0, Math.abs(u - pairs / 2) - 0.5) / sd;
  return { statistic: u, p: Math.min(1, 2 * normalCdf(-z)) };
}

/** Ljung and Box's test (Biometrika 65, 1978) that the autocorrelations 1..`lags` of a series are all zero. */
export function ljungBox(values: Float64Array, lags: number): TestResult {
  const n = values.length;
  if (!(lags >= 1 && lags < n)) throw new RangeError(`lags must lie in 1..${n - 1}, not ${lags}`);
  const r = autocorrelations(values, lags);
  let sum = 0;
  for (let k = 1; k <= lags; k++) sum += (r[k - 1] * r[k - 1]) / (n - k);
  const statistic = n * (n + 2) * sum;
  return { statistic, p: gammaQ(lags / 2, statistic / 2) };
}

/** The autocorrelations 1..`lags` of a series, each -1..1; 0 for a constant series and for lags beyond its end. */
export function autocorrelations(values: Float64Array, lags: number): Float64Array {
  const { mean, variance } = moments(values);
  const result = new Float64Array(lags);
  const scale = variance * (values.length - 1);
  if (!(scale > 0)) return result;
  for (let k = 1; k <= lags; k++) {
    let sum = 0;
    for (let i = k; i < values.length; i++) sum += (values[i] - mean) * (values[i - k] - mean);
    result[k - 1] = sum / scale;
  }
  return result;
}

export interface Equivalence {
  /** Mean of `b` minus mean of `a`, in the unit of the values, as the interval. */
  readonly difference: number;
  /** Its confidence interval at 1 - 2 `level`: equivalent if and only if it lies within the margin. */
  readonly interval: readonly [number, number];
  /** The larger p of the two one-sided tests. */
  readonly p: number;
  readonly equivalent: boolean;
}

/**
 * Two one-sided Welch tests (Schuirmann, 1987): are the means of two independent samples equal up to ±`margin`? Proves
 * equality where the other tests only fail to disprove it.
 */
export function equivalence(a: Float64Array, b: Float64Array, margin: number, level = 0.05): Equivalence {
  if (a.length < 2 || b.length < 2) throw new RangeError('equivalence needs two values of each sample');
  const [x, y] = [moments(a), moments(b)];
  const [vx, vy] = [x.variance / a.length, y.variance / b.length];
  const difference = y.mean - x.mean;
  const error = Math.sqrt(vx + vy);
  if (error === 0) {
    const equivalent = Math.abs(difference) < margin;
    return { difference, interval: [difference, difference], p: equivalent ? 0 : 1, equivalent };
  }
  const freedom = (vx + vy) ** 2 / (vx ** 2 / (a.length - 1) + vy ** 2 / (b.length - 1));
  const p = studentTail((margin - Math.abs(difference)) / error, freedom);
  const reach = studentQuantile(1 - level, freedom) * error;
  return { difference, interval: [difference - reach, difference + reach], p, equivalent: p < level };
}

/**
 * Holm's step-down (Scand. J. Stat. 6, 1979): p-values adjusted for the size of the family, in the given order. Calling
 * those below α different is wrong about any of them with chance α at most, however they depend on each other.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((_, i) => i).sort((a, b) => ps[a] - ps[b]);
  const adjusted = new Array<number>(ps.length);
  let floor = 0;
  order.forEach((index, rank) => {
    floor = Math.max(floor, Math.min(1, ps[index] * (ps.length - rank)));
    adjusted[index] = floor;
  });
  return adjusted;
}

/** Mean and unbiased variance; variance 0 for fewer than two values. */
export function moments(values: Float64Array): { mean: number; variance: number } {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  const mean = values.length === 0 ? 0 : sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) ** 2;
  return { mean, variance: values.length < 2 ? 0 : squares / (values.length - 1) };
}
