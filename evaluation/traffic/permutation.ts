/**
 * Tests whose p-values assume nothing about packets: if the classes do not differ, the labels of the blocks could have
 * been dealt otherwise, and the statistic is one of many like it. Inside a block everything may depend on everything.
 *
 * Wanted of the experiment in exchange: blocks of one length, the order of the classes drawn at random (or alternating
 * fast against any drift of the machine), and a good many of them: twenty of each class at least.
 */

import { type Blocks, FEATURES, type Table } from './features.ts';
import { type Random, shuffle } from './random.ts';
import { rank, rankStatistics, type TestResult } from './samples.ts';

/** Fewer could be dealt in too few ways for a small p to mean much. */
const BLOCKS_PER_CLASS_MIN = 20;

/**
 * Kolmogorov and Smirnov's, Anderson and Darling's and Mann and Whitney's (two-sided) tests of values in blocks; p is
 * (1 + permutations at least as extreme) / (1 + permutations). O(permutations · values).
 * @throws {RangeError} if there are fewer than 20 blocks of a class.
 */
export function permuteRanks(
  { values, starts, labels }: Blocks,
  permutations: number,
  random: Random,
): { ks: TestResult; ad: TestResult; mw: TestResult } {
  requireBlocks(labels);
  const ranking = rank(values, starts);
  const dealt = labels.slice();
  const seen = rankStatistics(ranking, dealt);
  const extreme = { ks: 1, ad: 1, mw: 1 };
  for (let i = 0; i < permutations; i++) {
    shuffle(dealt, random);
    const other = rankStatistics(ranking, dealt);
    if (other.ks >= seen.ks) extreme.ks += 1;
    if (other.ad >= seen.ad) extreme.ad += 1;
    if (Math.abs(other.u - 0.5) >= Math.abs(seen.u - 0.5)) extreme.mw += 1;
  }
  return {
    ks: { statistic: seen.ks, p: extreme.ks / (permutations + 1) },
    ad: { statistic: seen.ad, p: extreme.ad / (permutations + 1) },
    mw: { statistic: seen.u, p: extreme.mw / (permutations + 1) },
  };
}

/**
 * Do the means of some columns differ? The statistic is the largest difference over the columns whose name begins with
 * `prefix`, each in units of the spread of its block means. A block is what a cluster has of a class.
 * @throws {RangeError} if there are fewer than 20 blocks of a class, or no such column.
 */
export function permuteMeans(table: Table, prefix: string, permutations: number, random: Random): TestResult {
  const columns = FEATURES.flatMap((name, column) => (name.startsWith(prefix) ? [column] : []));
  if (columns.length === 0) throw new RangeError(`no feature begins with ${prefix}`);
  const { means, labels } = blockMeans(table, columns);
  requireBlocks(labels);
  const dealt = labels.slice();
  const seen = largestDifference(means, dealt);
  let extreme = 1;
  for (let i = 0; i < permutations; i++) {
    shuffle(dealt, random);
    // A difference that only rounding makes is none: without this a constant column would deal p-values at random.
    if (largestDifference(means, dealt) >= seen - 1e-9) extreme += 1;
  }
  return { statistic: seen, p: extreme / (permutations + 1) };
}

/** The mean of each column over what each cluster has of each class, and the classes of these blocks. */
export function blockMeans(
  { features, labels, clusters }: Table,
  columns: readonly number[],
): { means: Float64Array[]; labels: Uint8Array } {
  /** BOUNDED: by two entries per cluster. */
  const rowsOf = new Map<number, number[]>();
  labels.forEach((label, row) => {
    const block = clusters[row] * 2 + label;
    const rows = rowsOf.get(block);
    if (rows === undefined) rowsOf.set(block, [row]);
    else rows.push(row);
  });
  const blocks = [...rowsOf.entries()];
  const means = columns.map((column) =>
    Float64Array.from(blocks, ([, rows]) => {
      const sum = rows.reduce((total, row) => total + features[row * FEATURES.length + column], 0);
      return sum / rows.length;
    }),
  );
  return { means, labels: Uint8Array.from(blocks, ([block]) => block % 2) };
}

function largestDifference(columns: readonly Float64Array[], labels: Uint8Array): number {
  let largest = 0;
  for (const values of columns) {
    let ones = 0;
    let sum = 0;
    let sumOfOnes = 0;
    let squares = 0;
    const origin = values[0];
    for (let i = 0; i < values.length; i++) {
      const value = values[i] - origin;
      sum += value;
      squares += value * value;
      ones += labels[i];
      sumOfOnes += labels[i] * value;
    }
    const n = values.length;
    const spread = Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2));
    const difference = Math.abs(sumOfOnes / ones - (sum - sumOfOnes) / (n - ones));
    if (spread > 0) largest = Math.max(largest, difference / spread);
  }
  return largest;
}

function requireBlocks(labels: Uint8Array): void {
  const ones = labels.reduce((sum, label) => sum + label, 0);
  if (Math.min(ones, labels.length - ones) < BLOCKS_PER_CLASS_MIN) {
    throw new RangeError(
      `a permutation test needs ${BLOCKS_PER_CLASS_MIN} blocks of each class, not ${labels.length - ones} and ${ones}`,
    );
  }
}
