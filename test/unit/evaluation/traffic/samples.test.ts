import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import * as samples from '../../../../evaluation/traffic/samples.ts';
import { assertNear } from './near.ts';

// Reference values: SciPy 1.17.1 (ks_2samp 'asymp', mannwhitneyu 'asymptotic', kolmogorov, t), and for Anderson-Darling
// and Ljung-Box their definitions, written out in NumPy.
const a = Float64Array.from({ length: 60 }, (_, i) => ((i * 37) % 101) / 10);
const b = Float64Array.from({ length: 80 }, (_, i) => ((i * 53) % 97) / 9 + 0.8);
const tiedA = a.map(Math.floor);
const tiedB = b.map(Math.floor);

test('the statistics equal reference values, without ties and with', () => {
  assertNear(samples.kolmogorovSmirnov(a, b).statistic, 0.14583333333333326, 1e-12);
  assertNear(samples.kolmogorovSmirnov(tiedA, tiedB).statistic, 0.125, 1e-12);
  assertNear(samples.andersonDarling(a, b).statistic, 2.445730904801681, 1e-12);
  assertNear(samples.andersonDarling(tiedA, tiedB).statistic, 2.334048729755759, 1e-12);
  const [u, tiedU] = [samples.mannWhitney(a, b), samples.mannWhitney(tiedA, tiedB)];
  assertNear(u.statistic, 1943, 1e-12);
  assertNear(tiedU.statistic, 1954, 1e-12);
  assertNear(u.p, 0.05457911769670819, 1e-10);
  assertNear(tiedU.p, 0.05961753850955643, 1e-10);
});

test('the limiting distributions equal tables', () => {
  for (const [x, p] of [
    [0.5, 0.9639452436648751],
    [1, 0.26999967167735456],
    [1.36, 0.049485876755377876],
    [2, 0.0006709252557796953],
  ] as const) {
    assertNear(samples.kolmogorovTail(x), p, 1e-9);
  }
  // Stephens' percentage points of A².
  for (const [z, p] of [
    [1.933, 0.1],
    [2.492, 0.05],
    [3.07, 0.025],
    [3.857, 0.01],
  ] as const) {
    assertNear(samples.andersonDarlingTail(z), p, 0.03);
  }
  assert.ok(samples.andersonDarlingTail(40) < 1e-15 && samples.andersonDarlingTail(0) === 1);
});

const values = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 });

test('the walk through the ranks equals the definitions, term by term', () => {
  fc.assert(
    fc.property(values, values, (first, second) => {
      const x = Float64Array.from(first);
      const y = Float64Array.from(second);
      const all = [...first, ...second];
      const share = (of: number[], z: number) => of.filter((value) => value <= z).length / of.length;
      const ks = Math.max(...all.map((z) => Math.abs(share(first, z) - share(second, z))));
      assert.ok(Math.abs(samples.kolmogorovSmirnov(x, y).statistic - ks) < 1e-12);
      const pairs = first.flatMap((p) => second.map((q) => (p > q ? 1 : p === q ? 0.5 : 0)));
      const u = pairs.reduce((sum: number, value) => sum + value, 0);
      assert.ok(Math.abs(samples.mannWhitney(x, y).statistic - u) < 1e-9);
    }),
  );
});

test('Ljung and Box see that a sequence of residues depends on itself', () => {
  const { statistic, p } = samples.ljungBox(a, 5);
  assertNear(statistic, 41.53527438907678, 1e-12);
  assertNear(p, 7.313902787964056e-8, 1e-9);
  assert.throws(() => samples.ljungBox(a, 60), /lags must lie in 1..59, not 60/);
});

test('equivalence equals Welch and is not what a failed difference test is', () => {
  const shiftedB = b.map((value) => value - 0.8);
  const wide = samples.equivalence(a, shiftedB, 1.5);
  assertNear(wide.difference, 0.24833333333333307, 1e-9);
  assertNear(wide.p, 0.008508427050924871, 1e-9);
  assertNear(wide.interval[0], -0.6094846055797775, 1e-9);
  assertNear(wide.interval[1], 1.1061512722464437, 1e-9);
  assert.equal(wide.equivalent, true);
  assert.equal(samples.equivalence(a, shiftedB, 1.05).equivalent, false, 'the interval reaches beyond the margin');
  assert.equal(samples.equivalence(a, b, 0.5).equivalent, false);
});

test('equivalence of constants is decided by their difference', () => {
  const constant = (value: number) => new Float64Array(9).fill(value);
  assert.equal(samples.equivalence(constant(3), constant(4), 2).equivalent, true);
  assert.equal(samples.equivalence(constant(3), constant(4), 1).equivalent, false);
});

test('Holm multiplies by what is left, and never lets a larger p pass a smaller one', () => {
  const adjusted = samples.holm([0.01, 0.04, 0.03, 0.5]);
  [0.04, 0.09, 0.09, 0.5].forEach((should, i) => {
    assertNear(adjusted[i], should, 1e-12);
  });
});

test('refuses an empty sample', () => {
  assert.throws(() => samples.andersonDarling(a, new Float64Array(0)), /a sample is empty/);
});
