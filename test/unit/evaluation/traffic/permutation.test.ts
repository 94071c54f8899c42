import assert from 'node:assert/strict';
import test from 'node:test';
import { permuteMeans, permuteRanks } from '../../../../evaluation/traffic/permutation.ts';
import { seeded } from '../../../../evaluation/traffic/random.ts';
import { andersonDarling, kolmogorovSmirnov, mannWhitney } from '../../../../evaluation/traffic/samples.ts';
import { gaussian, luckyMax } from './links.ts';

const BLOCKS = 40;
const SIZE = 20;

/** Blocks whose values share their luck; those of class 1 are `shift` larger. */
function blocks(seed: number, shift: number) {
  const random = seeded(seed);
  const labels = Uint8Array.from({ length: BLOCKS }, (_, block) => block % 2);
  const values = new Float64Array(BLOCKS * SIZE);
  for (let block = 0; block < BLOCKS; block++) {
    const luck = gaussian(random);
    for (let i = 0; i < SIZE; i++) values[block * SIZE + i] = luck + gaussian(random) + shift * labels[block];
  }
  const starts = Uint32Array.from({ length: BLOCKS + 1 }, (_, block) => block * SIZE);
  const of = (label: number) => values.filter((_, i) => labels[Math.floor(i / SIZE)] === label);
  return { random, all: { values, starts, labels }, zeros: of(0), ones: of(1) };
}

test('the statistics are those of the samples, whatever the blocks', () => {
  const { all, zeros, ones, random } = blocks(1, 0.5);
  const { ks, ad, mw } = permuteRanks(all, 1, random);
  assert.equal(ks.statistic, kolmogorovSmirnov(zeros, ones).statistic);
  assert.equal(ad.statistic, andersonDarling(zeros, ones).statistic);
  const pairs = zeros.length * ones.length;
  assert.ok(Math.abs(mw.statistic - (1 - mannWhitney(zeros, ones).statistic / pairs)) < 1e-12);
});

test('where blocks share their luck, permutations keep the level that formulas for independent values do not', (t) => {
  const wrong = { ks: 0, ad: 0, mw: 0, byFormula: 0 };
  for (let seed = 0; seed < 200; seed++) {
    const { all, zeros, ones, random } = blocks(seed, 0);
    const result = permuteRanks(all, 99, random);
    for (const name of ['ks', 'ad', 'mw'] as const) if (result[name].p <= 0.05) wrong[name] += 1;
    if (kolmogorovSmirnov(zeros, ones).p <= 0.05) wrong.byFormula += 1;
  }
  t.diagnostic(`of 200: ${JSON.stringify(wrong)}`);
  const most = luckyMax(200, 0.05);
  assert.ok(wrong.ks <= most && wrong.ad <= most && wrong.mw <= most);
  assert.ok(wrong.ks > 0 && wrong.ad > 0 && wrong.mw > 0, 'a test that never errs has no level');
  assert.ok(wrong.byFormula > 60);
});

test('a real difference is found', () => {
  const { all, random } = blocks(2, 2);
  const { ks, ad, mw } = permuteRanks(all, 199, random);
  for (const { p } of [ks, ad, mw]) assert.equal(p, 1 / 200);
});

test('refuses blocks that could be dealt in too few ways, and features that are none', () => {
  const { all, random } = blocks(1, 0);
  assert.throws(
    () => permuteRanks({ ...all, labels: new Uint8Array(BLOCKS).fill(1, 0, 5) }, 9, random),
    /needs 20 blocks of each class, not 35 and 5/,
  );
  const empty = { features: new Float64Array(0), labels: new Uint8Array(0), clusters: new Uint32Array(0) };
  assert.throws(() => permuteMeans(empty, 'colour', 9, random), /no feature begins with colour/);
});
