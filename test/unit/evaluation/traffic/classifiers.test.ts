import assert from 'node:assert/strict';
import test from 'node:test';
import { areaUnderCurve } from '../../../../evaluation/traffic/auc.ts';
import { trainBoosting } from '../../../../evaluation/traffic/boosting.ts';
import { type Matrix, type Model, trainLogistic } from '../../../../evaluation/traffic/logistic.ts';
import { type Random, seeded } from '../../../../evaluation/traffic/random.ts';
import { gaussian } from './links.ts';
import { assertNear } from './near.ts';

/** 2000 rows of standard normal columns, changed by `mark` where the class is 1. */
function matrix(random: Random, mark: (row: Float64Array) => void): Matrix {
  const columns = 4;
  const labels = Uint8Array.from({ length: 2000 }, () => (random() < 0.5 ? 1 : 0));
  const values = Float64Array.from({ length: labels.length * columns }, () => gaussian(random));
  labels.forEach((label, row) => {
    if (label === 1) mark(values.subarray(row * columns, (row + 1) * columns));
  });
  return { values, columns, labels };
}

function areaOf(model: Model, { values, columns, labels }: Matrix): number {
  const scores = Float64Array.from(labels, (_, row) => model(values.subarray(row * columns, (row + 1) * columns)));
  const clusters = Uint32Array.from(labels, (_, row) => row);
  return areaUnderCurve(scores, labels, clusters).auc;
}

/** The areas that both reach on fresh rows. */
function areas(mark: (row: Float64Array) => void): { logistic: number; boosting: number } {
  const random = seeded(11);
  const [training, testing] = [matrix(random, mark), matrix(random, mark)];
  return {
    logistic: areaOf(trainLogistic(training), testing),
    boosting: areaOf(trainBoosting(training, random), testing),
  };
}

test('both find a shifted mean, nearly as well as can be', () => {
  // A shift of one standard deviation gives an area of Φ(1 / √2) = 0.760.
  const { logistic, boosting } = areas((row) => {
    row[2] += 1;
  });
  assert.ok(logistic > 0.74 && logistic < 0.78, `${logistic}`);
  assert.ok(boosting > 0.72 && boosting < 0.78, `${boosting}`);
});

test('trees find a changed spread and columns that tell only together; a line does not', () => {
  const spread = areas((row) => {
    row[1] *= 2;
  });
  assert.ok(spread.boosting > 0.65 && spread.logistic < 0.55, JSON.stringify(spread));
  const together = areas((row) => {
    if (row[0] * row[3] < 0) row[0] = -row[0];
  });
  assert.ok(together.boosting > 0.65 && together.logistic < 0.55, JSON.stringify(together));
});

test('neither finds what is not there', () => {
  const { logistic, boosting } = areas(() => {});
  // Four standard errors of an area of 2000 rows at chance are 0.052.
  assert.ok(Math.abs(logistic - 0.5) < 0.052 && Math.abs(boosting - 0.5) < 0.052, `${logistic} ${boosting}`);
});

test('logistic regression gives the odds of one yes-or-no column', () => {
  // Without the column 1 : 3, with it 3 : 1; the ridge pulls by a thousandth.
  const values = Float64Array.from({ length: 4000 }, (_, i) => (i < 2000 ? 0 : 1));
  const labels = Uint8Array.from(values, (value, i) => (i % 4 < 1 + 2 * value ? 1 : 0));
  const model = trainLogistic({ values, columns: 1, labels });
  assertNear(model(Float64Array.of(0)), -Math.log(3), 0.01);
  assertNear(model(Float64Array.of(1)), Math.log(3), 0.01);
});

test('constant columns, outliers and separable classes do no harm', () => {
  const random = seeded(3);
  const hard = matrix(random, (row) => {
    row[0] += 100;
  });
  for (let i = 1; i < hard.values.length; i += 4) hard.values[i] = 284;
  hard.values[2] = 1e12;
  for (const model of [trainLogistic(hard), trainBoosting(hard, random)]) assert.ok(areaOf(model, hard) > 0.999);
});

test('a seed repeats the trees', () => {
  const data = matrix(seeded(1), (row) => {
    row[0] += 0.2;
  });
  const score = (seed: number) => trainBoosting(data, seeded(seed))(Float64Array.of(0.1, 0.2, 0.3, 0.4));
  assert.equal(score(1), score(1));
  assert.notEqual(score(1), score(2));
});
