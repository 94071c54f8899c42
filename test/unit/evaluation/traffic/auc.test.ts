import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import * as auc from '../../../../evaluation/traffic/auc.ts';
import { seeded } from '../../../../evaluation/traffic/random.ts';
import { gaussian, luckyMax } from './links.ts';

const own = (count: number) => Uint32Array.from({ length: count }, (_, i) => i);

/** DeLong's area and variance as defined: every pair is compared. */
function byDefinition(scores: Float64Array, labels: Uint8Array): { area: number; variance: number } {
  const of = (label: number) => [...scores].filter((_, i) => labels[i] === label);
  const [zeros, ones] = [of(0), of(1)];
  const psi = (one: number, zero: number) => (one > zero ? 1 : one === zero ? 0.5 : 0);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const spread = (values: number[]) => {
    const m = mean(values);
    return values.reduce((sum, value) => sum + (value - m) ** 2, 0) / (values.length - 1);
  };
  const v10 = ones.map((one) => mean(zeros.map((zero) => psi(one, zero))));
  const v01 = zeros.map((zero) => mean(ones.map((one) => psi(one, zero))));
  return { area: mean(v10), variance: spread(v10) / ones.length + spread(v01) / zeros.length };
}

test('area and error equal the definition of DeLong, pair by pair', () => {
  const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 1 })), {
    minLength: 24,
    maxLength: 60,
  });
  fc.assert(
    fc.property(rows, (pairs) => {
      const scores = Float64Array.from(pairs, ([score]) => score);
      const labels = Uint8Array.from(pairs, ([, label]) => label);
      labels.set([0, 0, 1, 1]);
      const { area, variance } = byDefinition(scores, labels);
      const is = auc.areaUnderCurve(scores, labels, own(labels.length));
      assert.ok(Math.abs(is.auc - area) < 1e-12);
      // Obuchowski's correction n / (n - 1) counts clusters per class, which without clusters is DeLong's own.
      assert.ok(Math.abs(is.standardError ** 2 - variance) < 1e-12);
    }),
  );
});

/** How many of 400 intervals of scores without a difference miss 0.5, when `size` values share a cluster's luck. */
function misses(size: number, clustered: boolean): number {
  const random = seeded(size);
  let missed = 0;
  for (let trial = 0; trial < 400; trial++) {
    const labels = Uint8Array.from({ length: 300 }, (_, i) => Math.floor(i / size) % 2);
    let luck = 0;
    const scores = Float64Array.from(labels, (_, i) => {
      if (i % size === 0) luck = gaussian(random);
      return luck + 0.5 * gaussian(random);
    });
    const clusters = clustered ? own(300).map((i) => Math.floor(i / size)) : own(300);
    const [low, high] = auc.areaUnderCurve(scores, labels, clusters).interval;
    if (low > 0.5 || high < 0.5) missed += 1;
  }
  return missed;
}

test('of intervals at 95 %, one in twenty misses', (t) => {
  const missed = misses(1, false);
  t.diagnostic(`${missed} of 400`);
  assert.ok(missed <= luckyMax(400, 0.05) && missed >= 5, `${missed} of 400`);
});

test('values that share their luck need clusters', (t) => {
  const [told, ignored] = [misses(5, true), misses(5, false)];
  t.diagnostic(`${told} of 400 with clusters, ${ignored} without`);
  assert.ok(told <= luckyMax(400, 0.05), `${told} of 400 with clusters`);
  assert.ok(ignored > 80, `${ignored} of 400 without`);
});

test('clusters that hold both classes alike are paired', () => {
  const random = seeded(4);
  const labels = Uint8Array.from({ length: 400 }, (_, i) => i % 2);
  let luck = 0;
  const scores = Float64Array.from(labels, (label, i) => {
    if (i % 2 === 0) luck = 10 * gaussian(random);
    return luck + gaussian(random) + label;
  });
  const paired = auc.areaUnderCurve(
    scores,
    labels,
    own(400).map((i) => i >> 1),
  );
  const apart = auc.areaUnderCurve(scores, labels, own(400));
  assert.ok(paired.standardError < apart.standardError / 2, `${paired.standardError} and ${apart.standardError}`);
});

test('the values needed follow from the half width', () => {
  assert.equal(auc.valuesNeeded(0.02), 1602);
  assert.ok(auc.halfWidthAtChance(1602, 1602) < 0.02 && auc.halfWidthAtChance(1601, 1601) >= 0.02);
  assert.equal(auc.valuesNeeded(0.01), 6403);
});

test('refuses to judge what could not pass, and says what it takes', () => {
  const labels = Uint8Array.from({ length: 3000 }, (_, i) => i % 2);
  const scores = new Float64Array(3000);
  assert.throws(() => auc.judge(scores, labels, own(3000)), /1500 and 1500 test values.*it takes 1602 of each class/);
  assert.throws(() => auc.judge(scores, new Uint8Array(3000), own(3000)), /3000 and 0 test values/);
  assert.throws(() => auc.areaUnderCurve(scores, labels, new Uint32Array(3000)), /needs 20 clusters, not 1/);
});

test('a score that is always wrong leaks as much as one that is always right', () => {
  const random = seeded(3);
  const labels = Uint8Array.from({ length: 8000 }, (_, i) => i % 2);
  const right = Float64Array.from(labels, (label) => 0.3 * label + gaussian(random));
  const fair = right.map(() => gaussian(random));
  const wrong = auc.judge(
    right.map((score) => -score),
    labels,
    own(8000),
  );
  assert.ok(wrong.leaks && !wrong.passes && wrong.auc < 0.45 && wrong.distance > 0.05);
  assert.ok(auc.judge(right, labels, own(8000)).leaks);
  const clean = auc.judge(fair, labels, own(8000));
  assert.ok(!clean.leaks && clean.distance < 0.03);
});
