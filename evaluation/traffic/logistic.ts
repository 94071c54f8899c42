/** A table of numbers, row after row, whose rows have classes. */
export interface Matrix {
  readonly values: Float64Array;
  readonly columns: number;
  /** The class of each row, 0 or 1. */
  readonly labels: Uint8Array;
}

/** Scores a row; higher means class 1. */
export type Model = (row: Float64Array) => number;

/** On the sum of the losses; keeps the weights finite when the classes separate, and dead columns at 0. */
const RIDGE = 1;
const STEPS_MAX = 25;
/** Standardised values are held here, so that a single stall of the machine does not own the fit. */
const OUTLIER = 5;

/**
 * Logistic regression on standardised columns, by Newton's method with a ridge penalty: sees what shifts the mean of a
 * feature. Deterministic; O(rows · columns²) per step.
 */
export function trainLogistic({ values, columns, labels }: Matrix): Model {
  const rows = labels.length;
  const scale = standardise(values, columns, rows);
  const size = columns + 1;
  const weights = new Float64Array(size);
  const x = new Float64Array(size);
  for (let step = 0; step < STEPS_MAX; step++) {
    const gradient = weights.map((weight) => -RIDGE * weight);
    const curvature = new Float64Array(size * size);
    for (let j = 0; j < size; j++) curvature[j * size + j] = RIDGE;
    for (let row = 0; row < rows; row++) {
      scale(values.subarray(row * columns, (row + 1) * columns), x);
      const p = 1 / (1 + Math.exp(-dot(weights, x)));
      const w = p * (1 - p);
      for (let j = 0; j < size; j++) {
        gradient[j] += (labels[row] - p) * x[j];
        const wx = w * x[j];
        for (let k = 0; k <= j; k++) curvature[j * size + k] += wx * x[k];
      }
    }
    const move = solve(curvature, gradient);
    for (let j = 0; j < size; j++) weights[j] += move[j];
    if (move.every((value) => Math.abs(value) < 1e-6)) break;
  }
  return (row) => {
    scale(row, x);
    return dot(weights, x);
  };
}

/** Maps a row to mean 0 and deviation 1 per column of the training rows, and appends a 1; constant columns become 0. */
function standardise(values: Float64Array, columns: number, rows: number) {
  const mean = new Float64Array(columns);
  const sd = new Float64Array(columns);
  for (let i = 0; i < values.length; i++) mean[i % columns] += values[i] / rows;
  for (let i = 0; i < values.length; i++) sd[i % columns] += (values[i] - mean[i % columns]) ** 2 / rows;
  for (let j = 0; j < columns; j++) sd[j] = Math.sqrt(sd[j]);
  return (row: Float64Array, into: Float64Array): void => {
    for (let j = 0; j < columns; j++) {
      const z = sd[j] > 1e-12 * Math.abs(mean[j]) ? (row[j] - mean[j]) / sd[j] : 0;
      into[j] = Math.max(-OUTLIER, Math.min(OUTLIER, z));
    }
    into[columns] = 1;
  };
}

/** Solves A x = b for a positive definite A of which the lower triangle is given, by Cholesky; A is overwritten. */
function solve(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = a[i * n + j];
      for (let k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i === j ? Math.sqrt(sum) : sum / a[j * n + j];
    }
  }
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= a[i * n + k] * x[k];
    x[i] /= a[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= a[k * n + i] * x[k];
    x[i] /= a[i * n + i];
  }
  return x;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
