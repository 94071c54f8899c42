import assert from 'node:assert/strict';
import test from 'node:test';
import * as features from '../../../../evaluation/traffic/features.ts';
import { seeded } from '../../../../evaluation/traffic/random.ts';
import { gaussian, pacedLink, TICK_US } from './links.ts';
import { assertNear } from './near.ts';

const SECOND_US = 1_000_000;
const at = (row: ArrayLike<number>, name: string) => row[features.FEATURES.indexOf(name)];

/** A link on the grid but for `late(i)` µs. */
function link(packets: number, late: (i: number) => number): features.Series {
  return {
    instantsUs: Float64Array.from({ length: packets }, (_, i) => 1e12 + i * TICK_US + late(i)),
    sizes: new Uint16Array(packets).fill(284),
  };
}

const spanOf = (seconds: number, label: 0 | 1 = 0): features.Span => ({
  fromUs: 1e12,
  toUs: 1e12 + seconds * SECOND_US,
  label,
  cluster: 3,
});

test('the grid is found through skew, jitter, loss and packets of one instant', () => {
  const random = seeded(1);
  const instants: number[] = [];
  for (let k = 0; k < 100_000; k++) {
    const due = 5e14 + k * TICK_US * (1 + 8e-5);
    if (random() < 0.05) continue;
    instants.push(due + 100 * gaussian(random));
    if (random() < 0.05) instants.push(due);
  }
  const series = { instantsUs: Float64Array.from(instants).sort(), sizes: new Uint16Array(instants.length) };
  const grid = features.fitGrid(series, TICK_US);
  assertNear(grid.periodUs, TICK_US * (1 + 8e-5), 1e-9);
  const last = 5e14 + 99_999 * TICK_US * (1 + 8e-5);
  assert.ok(Math.abs(features.deviationUs(grid, 5e14)) < 3, 'the phase at the beginning');
  assert.ok(Math.abs(features.deviationUs(grid, last)) < 3, 'the phase at the end');
  assert.ok(Math.abs(features.deviationUs(grid, last + 150) - 150) < 3, 'a late packet');
});

test('a perfect link has features that can be told by heart', () => {
  const series = link(500, () => 0);
  const table = features.windowTable(series, features.fitGrid(series, TICK_US), [spanOf(10, 1)], SECOND_US);
  assert.equal(table.labels.length, 10);
  assert.deepEqual([...table.labels], new Array(10).fill(1));
  assert.deepEqual([...table.clusters], new Array(10).fill(3));
  const row = table.features.subarray(9 * features.FEATURES.length);
  assert.equal(row.length, features.FEATURES.length);
  assert.equal(at(row, 'count'), 50);
  for (const name of ['gap_mean', 'gap_min', 'gap_max', 'gap_q5', 'gap_q50', 'gap_q95'])
    assert.equal(at(row, name), TICK_US);
  for (const name of ['gap_sd', 'autocorrelation_1', 'autocorrelation_5', 'deviation_mean', 'spectrum_0', 'spectrum_5'])
    assert.ok(Math.abs(at(row, name)) < 1e-3, name);
  assert.equal(at(row, 'bytes_per_second'), 50 * 284);
  assert.equal(at(row, 'distinct_sizes'), 1);
});

test('each feature answers to what it measures', () => {
  const grid = { phaseUs: 1e12, periodUs: TICK_US };
  const row = (series: features.Series) => features.windowTable(series, grid, [spanOf(1)], SECOND_US).features;
  const alternating = row(link(50, (i) => (i % 2) * 400));
  assertNear(at(alternating, 'gap_sd'), 404, 0.01);
  assert.equal(at(alternating, 'gap_min'), TICK_US - 400);
  assert.equal(at(alternating, 'gap_max'), TICK_US + 400);
  assert.ok(at(alternating, 'autocorrelation_1') < -0.9 && at(alternating, 'autocorrelation_2') > 0.9);
  assert.equal(at(alternating, 'deviation_mean'), 200);
  assert.ok(at(alternating, 'spectrum_0') > at(alternating, 'spectrum_5') + 2, 'fast');
  const swaying = row(link(50, (i) => 400 * Math.sin((2 * Math.PI * i) / 50)));
  assert.ok(at(swaying, 'spectrum_5') > at(swaying, 'spectrum_0') + 2, 'slow');
  assert.ok(at(swaying, 'autocorrelation_1') > 0.8);
  const sizes = link(50, () => 0);
  sizes.sizes[7] = 300;
  assert.equal(at(row(sizes), 'distinct_sizes'), 2);
  assert.equal(at(row(sizes), 'bytes_per_second'), 49 * 284 + 300);
});

test('no packet lies in two windows, and none outside its span', () => {
  const series = link(1000, (i) => (i % 7) * 1000);
  const spans = [
    { ...spanOf(3.5), cluster: 1 },
    { fromUs: 1e12 + 5 * SECOND_US, toUs: 1e12 + 9 * SECOND_US, label: 1 as const, cluster: 2 },
  ];
  const table = features.windowTable(series, { phaseUs: 1e12, periodUs: TICK_US }, spans, SECOND_US);
  assert.deepEqual([...table.clusters], [1, 1, 1, 2, 2, 2, 2]);
  assert.deepEqual([...table.labels], [0, 0, 0, 1, 1, 1, 1]);
  for (let r = 0; r < 7; r++) assert.equal(at(table.features.subarray(r * features.FEATURES.length), 'count'), 50);
});

test('an empty window is all zero', () => {
  const empty = features.windowTable(
    link(2, () => 0),
    { phaseUs: 0, periodUs: TICK_US },
    [spanOf(3)],
    SECOND_US,
  );
  assert.ok(empty.features.subarray(features.FEATURES.length).every((value) => value === 0));
});

test('gaps and deviations come in the blocks of their spans', () => {
  const series = link(20, (i) => (i === 12 ? 300 : 0));
  const spans: features.Span[] = [
    { fromUs: 1e12, toUs: 1e12 + 5 * TICK_US, label: 0, cluster: 0 },
    { fromUs: 1e12 + 10 * TICK_US, toUs: 1e12 + 14 * TICK_US, label: 1, cluster: 1 },
  ];
  const gaps = features.gapsOf(series, spans);
  assert.deepEqual([...gaps.starts], [0, 4, 7]);
  assert.deepEqual([...gaps.labels], [0, 1]);
  assert.deepEqual([...gaps.values.subarray(4)], [TICK_US, TICK_US + 300, TICK_US - 300]);
  const deviations = features.deviationsOf(series, { phaseUs: 1e12, periodUs: TICK_US }, spans);
  assert.deepEqual([...deviations.starts], [0, 5, 9]);
  assert.deepEqual([...deviations.values.subarray(5)], [0, 0, 300, 0]);
});

test('joining keeps rows and blocks apart and in order', () => {
  const grid = { phaseUs: 1e12, periodUs: TICK_US };
  const series = link(100, () => 0);
  const table = features.windowTable(series, grid, [spanOf(2)], SECOND_US);
  const joined = features.joinTables([table, table]);
  assert.equal(joined.labels.length, 4);
  assert.deepEqual(joined.features.subarray(2 * features.FEATURES.length), table.features);
  const part = features.gapsOf(series, [spanOf(1), spanOf(2, 1)]);
  const blocks = features.joinBlocks([part, part]);
  assert.deepEqual([...blocks.starts], [0, 49, 148, 197, 296]);
  assert.deepEqual([...blocks.labels], [0, 1, 0, 1]);
  assert.equal(blocks.values.length, 296);
});

test('a million packets become features in seconds', () => {
  const series = pacedLink(1_000_000, seeded(2), { bursts: true });
  const span = { fromUs: series.instantsUs[0], toUs: series.instantsUs[999_999], label: 0 as const, cluster: 0 };
  const start = performance.now();
  const grid = features.fitGrid(series, TICK_US);
  const rows = [1, 10, 60].map((s) => features.windowTable(series, grid, [span], s * SECOND_US).labels.length);
  assert.ok(performance.now() - start < 15_000);
  assert.deepEqual(
    rows.map((count) => Math.round(count / 100)),
    [200, 20, 3],
  );
});
