/** All tests of network.md, case 16, that need no training, as one family with one error rate. */

import { type Blocks, FEATURES, type Table } from './features.ts';
import { blockMeans, permuteMeans, permuteRanks } from './permutation.ts';
import type { Random } from './random.ts';
import { type Equivalence, equivalence, holm } from './samples.ts';

/** One percent of the 20 ms tick. */
export const MARGIN_US = 200;

export interface Comparison {
  /** Adjusted by Holm: any below the level is a difference, wrongly so with a chance of the level for all together. */
  readonly tests: readonly { readonly name: string; readonly statistic: number; readonly p: number }[];
  readonly differs: boolean;
  /** Of the mean gap per block: within ±{@link MARGIN_US}? */
  readonly meanGap: Equivalence;
  /** Of the mean deviation from the grid per block: within ±{@link MARGIN_US}? */
  readonly meanDeviation: Equivalence;
}

export interface Observations {
  readonly gaps: Blocks;
  readonly deviations: Blocks;
  /** Windows of any one width. */
  readonly windows: Table;
}

/**
 * Are the classes one and the same? Takes permutations · packets · some 10 ns; 499 permutations or more make a p that the
 * correction leaves small.
 * @throws {RangeError} if the permutations are too few for any difference to show, or the blocks (see `permutation.ts`).
 */
export function compareClasses(
  { gaps, deviations, windows }: Observations,
  permutations: number,
  random: Random,
  level = 0.05,
): Comparison {
  const ofGaps = permuteRanks(gaps, permutations, random);
  const ofDeviations = permuteRanks(deviations, permutations, random);
  const raw = [
    { name: 'gaps, Kolmogorov-Smirnov', ...ofGaps.ks },
    { name: 'gaps, Anderson-Darling', ...ofGaps.ad },
    { name: 'gaps, Mann-Whitney', ...ofGaps.mw },
    { name: 'deviations, Kolmogorov-Smirnov', ...ofDeviations.ks },
    { name: 'deviations, Anderson-Darling', ...ofDeviations.ad },
    { name: 'deviations, Mann-Whitney', ...ofDeviations.mw },
    { name: 'autocorrelation', ...permuteMeans(windows, 'autocorrelation', permutations, random) },
    { name: 'spectrum', ...permuteMeans(windows, 'spectrum', permutations, random) },
    { name: 'count', ...permuteMeans(windows, 'count', permutations, random) },
    { name: 'bytes per second', ...permuteMeans(windows, 'bytes_per_second', permutations, random) },
    { name: 'distinct sizes', ...permuteMeans(windows, 'distinct_sizes', permutations, random) },
  ];
  if (raw.length / (permutations + 1) >= level) {
    throw new RangeError(`${permutations} permutations are too few: ${raw.length} tests at level ${level} need more`);
  }
  const adjusted = holm(raw.map(({ p }) => p));
  const tests = raw.map((test, i) => ({ ...test, p: adjusted[i] }));
  return {
    tests,
    differs: tests.some(({ p }) => p < level),
    meanGap: equivalentMeans(windows, 'gap_mean', level),
    meanDeviation: equivalentMeans(windows, 'deviation_mean', level),
  };
}

function equivalentMeans(windows: Table, feature: string, level: number): Equivalence {
  const { means, labels } = blockMeans(windows, [FEATURES.indexOf(feature)]);
  const ofClass = (label: number) => means[0].filter((_, block) => labels[block] === label);
  return equivalence(ofClass(0), ofClass(1), MARGIN_US, level);
}
