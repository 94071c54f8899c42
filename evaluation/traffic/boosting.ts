/**
 * Gradient-boosted trees for two classes (Friedman, Annals of Statistics 29, 2001), with the second-order gain and leaf
 * weights of Chen and Guestrin (KDD 2016) on binned columns: sees thresholds, spreads and features that tell only
 * together, to which a logistic regression is blind.
 */

import type { Matrix, Model } from './logistic.ts';
import type { Random } from './random.ts';
import { lowerBound } from './samples.ts';

const ROUNDS = 80;
const DEPTH = 3;
const LEARNING_RATE = 0.1;
/** Bins per column, at quantiles of the training rows. */
const BINS = 32;
/** Of the rows, drawn anew for each tree: two trees then do not learn the same noise. */
const SHARE_PER_ROUND = 0.5;
const RIDGE = 1;
/** A leaf keeps at least so much curvature, about four rows for each unit, so that no leaf is a single window. */
const LEAF_CURVATURE_MIN = 5;

const NODES = 2 ** DEPTH - 1;
const LEAVES = 2 ** DEPTH;

/** A complete binary tree: the children of node i are 2i + 1 (bin ≤ cut) and 2i + 2. Uncut nodes send everything left. */
interface Tree {
  readonly column: Uint16Array;
  readonly cut: Uint8Array;
  readonly leaf: Float64Array;
}

/** Trains on the rows; O(rounds · depth · rows · columns). */
export function trainBoosting({ values, columns, labels }: Matrix, random: Random): Model {
  const rows = labels.length;
  const edges = Array.from({ length: columns }, (_, j) => binEdges(values, columns, j));
  const bins = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) bins[i] = lowerBound(edges[i % columns], values[i]);
  const sum = new Float64Array(rows);
  const gradient = new Float64Array(rows);
  const curvature = new Float64Array(rows);
  const trees: Tree[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (let row = 0; row < rows; row++) {
      const p = 1 / (1 + Math.exp(-sum[row]));
      const drawn = random() < SHARE_PER_ROUND ? 1 : 0;
      gradient[row] = drawn * (labels[row] - p);
      curvature[row] = drawn * p * (1 - p);
    }
    const tree = grow(bins, columns, gradient, curvature);
    for (let row = 0; row < rows; row++) sum[row] += tree.leaf[leafOf(tree, bins, row * columns)];
    trees.push(tree);
  }
  const own = new Uint8Array(columns);
  return (row) => {
    for (let j = 0; j < columns; j++) own[j] = lowerBound(edges[j], row[j]);
    let score = 0;
    for (const tree of trees) score += tree.leaf[leafOf(tree, own, 0)];
    return score;
  };
}

/** Distinct ascending quantiles of a column: a value's bin is the number of edges below it. */
function binEdges(values: Float64Array, columns: number, column: number): Float64Array {
  const sorted = new Float64Array(values.length / columns);
  for (let row = 0; row < sorted.length; row++) sorted[row] = values[row * columns + column];
  sorted.sort();
  const edges = Array.from({ length: BINS - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / BINS)]);
  return Float64Array.from(new Set(edges));
}

function leafOf({ column, cut }: Tree, bins: Uint8Array, offset: number): number {
  let node = 0;
  while (node < NODES) node = 2 * node + (bins[offset + column[node]] <= cut[node] ? 1 : 2);
  return node - NODES;
}

/** Grows a tree level by level: one histogram of gradient and curvature per node and column finds the best cut. */
function grow(bins: Uint8Array, columns: number, gradient: Float64Array, curvature: Float64Array): Tree {
  const rows = gradient.length;
  const column = new Uint16Array(NODES);
  const cut = new Uint8Array(NODES).fill(BINS);
  const node = new Uint16Array(rows);
  for (let level = 0; level < DEPTH; level++) {
    const first = 2 ** level - 1;
    const width = 2 ** level;
    const g = new Float64Array(width * columns * BINS);
    const h = new Float64Array(width * columns * BINS);
    for (let row = 0; row < rows; row++) {
      if (curvature[row] === 0) continue;
      let at = (node[row] - first) * columns * BINS;
      for (let j = 0; j < columns; j++, at += BINS) {
        const cell = at + bins[row * columns + j];
        g[cell] += gradient[row];
        h[cell] += curvature[row];
      }
    }
    for (let i = 0; i < width; i++) {
      const best = bestCut(g, h, i * columns * BINS, columns);
      column[first + i] = best.column;
      cut[first + i] = best.cut;
    }
    for (let row = 0; row < rows; row++) {
      const at = node[row];
      node[row] = 2 * at + (bins[row * columns + column[at]] <= cut[at] ? 1 : 2);
    }
  }
  const g = new Float64Array(LEAVES);
  const h = new Float64Array(LEAVES);
  for (let row = 0; row < rows; row++) {
    g[node[row] - NODES] += gradient[row];
    h[node[row] - NODES] += curvature[row];
  }
  return { column, cut, leaf: g.map((sum, leaf) => (LEARNING_RATE * sum) / (h[leaf] + RIDGE)) };
}

function bestCut(g: Float64Array, h: Float64Array, offset: number, columns: number): { column: number; cut: number } {
  let [totalG, totalH] = [0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    totalG += g[offset + bin];
    totalH += h[offset + bin];
  }
  let best = { column: 0, cut: BINS };
  let bestGain = (totalG * totalG) / (totalH + RIDGE);
  for (let j = 0; j < columns; j++) {
    let [leftG, leftH] = [0, 0];
    for (let bin = 0; bin + 1 < BINS; bin++) {
      leftG += g[offset + j * BINS + bin];
      leftH += h[offset + j * BINS + bin];
      const rightH = totalH - leftH;
      if (leftH < LEAF_CURVATURE_MIN || rightH < LEAF_CURVATURE_MIN) continue;
      const gain = leftG ** 2 / (leftH + RIDGE) + (totalG - leftG) ** 2 / (rightH + RIDGE);
      if (gain > bestGain) {
        bestGain = gain;
        best = { column: j, cut: bin };
      }
    }
  }
  return best;
}
