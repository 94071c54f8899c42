/**
 * Network.md, case 16: an observer who may train on labelled traffic and then has to tell the classes apart on traffic
 * that shares no cluster with what he has seen. Two classifiers, for one alone would only show its own blindness.
 */

import { AUC_BAR, judge, type Verdict } from './auc.ts';
import { trainBoosting } from './boosting.ts';
import { FEATURES, type Table } from './features.ts';
import { type Matrix, type Model, trainLogistic } from './logistic.ts';
import { type Random, shuffle } from './random.ts';

/** Of the clusters, for training; the rest, for testing, has to carry the interval. */
const TRAINING_SHARE = 1 / 3;

const CLASSIFIERS: readonly { readonly name: string; readonly train: (matrix: Matrix, random: Random) => Model }[] = [
  { name: 'logistic regression', train: trainLogistic },
  { name: 'boosted trees', train: trainBoosting },
];

export interface Attempt extends Verdict {
  readonly classifier: string;
}

export interface Distinction {
  readonly attempts: readonly Attempt[];
  /** No classifier gets past the bar, on either side, with its whole interval shown to lie within. */
  readonly passes: boolean;
  /** Some classifier's interval lies wholly beyond the bar. */
  readonly leaks: boolean;
}

/**
 * Trains on a third of the clusters, drawn by `random` with the classes in proportion, and judges on the others.
 * @throws {RangeError} if the test windows are too few for the bar to be passable (see `judge`); for the bar of 0.52 the
 *   table needs some 2400 windows of each class, and four times as many to pass with certainty.
 */
export function distinguish(table: Table, random: Random, bar = AUC_BAR): Distinction {
  const { training, testing } = split(table, random);
  const matrix = {
    values: new Float64Array(training.length * FEATURES.length),
    columns: FEATURES.length,
    labels: Uint8Array.from(training, (row) => table.labels[row]),
  };
  training.forEach((row, i) => {
    matrix.values.set(rowOf(table, row), i * FEATURES.length);
  });
  const labels = Uint8Array.from(testing, (row) => table.labels[row]);
  const clusters = Uint32Array.from(testing, (row) => table.clusters[row]);
  const attempts = CLASSIFIERS.map(({ name, train }) => {
    const model = train(matrix, random);
    const scores = Float64Array.from(testing, (row) => model(rowOf(table, row)));
    return { classifier: name, ...judge(scores, labels, clusters, bar) };
  });
  return {
    attempts,
    passes: attempts.every((attempt) => attempt.passes),
    leaks: attempts.some((attempt) => attempt.leaks),
  };
}

function rowOf({ features }: Table, row: number): Float64Array {
  return features.subarray(row * FEATURES.length, (row + 1) * FEATURES.length);
}

/** The rows for training and for testing. Clusters go as a whole; those of one class, the other and both apart. */
export function split({ labels, clusters }: Table, random: Random): { training: Uint32Array; testing: Uint32Array } {
  /** BOUNDED: by the clusters. 1: has class 0, 2: has class 1, 3: both. */
  const kinds = new Map<number, number>();
  labels.forEach((label, row) => {
    kinds.set(clusters[row], (kinds.get(clusters[row]) ?? 0) | (label + 1));
  });
  /** BOUNDED: by the clusters. */
  const trained = new Set<number>();
  for (const kind of [1, 2, 3]) {
    const members = [...kinds.keys()].filter((cluster) => kinds.get(cluster) === kind);
    shuffle(members, random);
    for (const cluster of members.slice(0, Math.round(members.length * TRAINING_SHARE))) trained.add(cluster);
  }
  const rows = Uint32Array.from(labels, (_, row) => row);
  return {
    training: rows.filter((row) => trained.has(clusters[row])),
    testing: rows.filter((row) => !trained.has(clusters[row])),
  };
}
