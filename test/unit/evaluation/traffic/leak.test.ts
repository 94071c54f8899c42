import assert from 'node:assert/strict';
import test from 'node:test';
import { distinguish, split } from '../../../../evaluation/traffic/classifier.ts';
import { compareClasses } from '../../../../evaluation/traffic/compare.ts';
import * as features from '../../../../evaluation/traffic/features.ts';
import { plantDelay } from '../../../../evaluation/traffic/leak.ts';
import { seeded } from '../../../../evaluation/traffic/random.ts';
import { dealtSpans, luckyMax, pacedLink, TICK_US } from './links.ts';

const SECOND_US = 1_000_000;
const LEAK_US = 200;

interface Experiment {
  readonly seed: number;
  readonly packets: number;
  readonly bursts: boolean;
  /** Of the packets of class 1 that come 0.2 ms late. */
  readonly leakShare: number;
  readonly windowSeconds?: number;
  readonly spanSeconds?: number;
}

/** The whole way from packets to what a judge takes. */
function observe({ seed, packets, bursts, leakShare, windowSeconds = 1, spanSeconds = 20 }: Experiment) {
  const random = seeded(seed);
  const link = pacedLink(packets, random, { bursts });
  const spans = dealtSpans(link, spanSeconds * SECOND_US, random);
  const series = plantDelay(link, spans, LEAK_US, leakShare, random);
  const grid = features.fitGrid(series, TICK_US);
  return {
    random,
    windows: features.windowTable(series, grid, spans, windowSeconds * SECOND_US),
    gaps: features.gapsOf(series, spans),
    deviations: features.deviationsOf(series, grid, spans),
  };
}

test('plants the delay into the share of the packets of class 1, and nowhere else', () => {
  const random = seeded(1);
  const link = pacedLink(20_000, random, { bursts: false });
  const spans = dealtSpans(link, SECOND_US, random);
  const planted = plantDelay(link, spans, LEAK_US, 0.3, random);
  const moved = { 0: 0, 1: 0 };
  let ones = 0;
  for (const { fromUs, toUs, label } of spans) {
    for (let i = 0; i < link.instantsUs.length; i++) {
      if (link.instantsUs[i] < fromUs || link.instantsUs[i] >= toUs) continue;
      const by = planted.instantsUs[i] - link.instantsUs[i];
      assert.ok(by === 0 || by === LEAK_US);
      if (by > 0) moved[label] += 1;
      ones += label;
    }
  }
  assert.equal(moved[0], 0);
  assert.ok(Math.abs(moved[1] / ones - 0.3) < 0.03);
});

test('no cluster is on both sides of the split, and both sides have both classes', () => {
  const { windows, random } = observe({ seed: 1, packets: 50_000, bursts: false, leakShare: 0 });
  const { training, testing } = split(windows, random);
  const clusters = (rows: Uint32Array) => new Set([...rows].map((row) => windows.clusters[row]));
  const trained = clusters(training);
  assert.ok([...clusters(testing)].every((cluster) => !trained.has(cluster)));
  assert.equal(training.length + testing.length, windows.labels.length);
  for (const rows of [training, testing]) {
    const ones = rows.reduce((sum, row) => sum + windows.labels[row], 0);
    assert.ok(Math.abs(ones / rows.length - 0.5) < 0.05, `${ones} of ${rows.length}`);
  }
});

test('an observer is caught who sees 0.2 ms: all packets of the active spans, or one in ten', () => {
  for (const bursts of [false, true]) {
    for (const leakShare of [1, 0.1]) {
      const { windows, random } = observe({ seed: 5, packets: 250_000, bursts, leakShare });
      for (const { classifier, interval, leaks, passes } of distinguish(windows, random).attempts) {
        assert.ok(
          leaks && !passes && interval[0] > 0.52,
          `${classifier} at ${leakShare}, bursts ${bursts}: ${interval}`,
        );
      }
    }
  }
});

test('without a leak no classifier passes 0.52 and nobody is accused', () => {
  const { windows, random } = observe({ seed: 7, packets: 1_500_000, bursts: true, leakShare: 0 });
  const { attempts, passes, leaks } = distinguish(windows, random);
  assert.ok(passes && !leaks, JSON.stringify(attempts));
});

test('too few windows are refused', () => {
  const { windows, random } = observe({ seed: 6, packets: 200_000, bursts: false, leakShare: 0, windowSeconds: 10 });
  assert.throws(() => distinguish(windows, random), /it takes 1602 of each class/);
});

// The bar is wider than the real one, so that fewer windows suffice and there is time for 200 repetitions.
const WIDE_BAR = 0.56;
const REPETITIONS = 200;

test('of 200 clean experiments, one in twenty intervals misses 0.5 and none crosses the bar', (t) => {
  let missed = 0;
  let crossed = 0;
  for (let seed = 0; seed < REPETITIONS; seed++) {
    const { windows, random } = observe({ seed, packets: 36_000, bursts: true, leakShare: 0 });
    for (const { interval, leaks } of distinguish(windows, random, WIDE_BAR).attempts) {
      if (interval[0] > 0.5 || interval[1] < 0.5) missed += 1;
      if (leaks) crossed += 1;
    }
  }
  t.diagnostic(`${missed} of ${2 * REPETITIONS} intervals miss, ${crossed} cross the bar`);
  assert.ok(missed <= luckyMax(2 * REPETITIONS, 0.05), `${missed} of ${2 * REPETITIONS} intervals miss`);
  assert.ok(crossed <= luckyMax(2 * REPETITIONS, 0.001), `${crossed} cross the bar`);
});

test('of 200 clean experiments, the family of tests accuses one in twenty', (t) => {
  let accused = 0;
  for (let seed = 0; seed < REPETITIONS; seed++) {
    const seen = observe({ seed, packets: 22_000, bursts: true, leakShare: 0, spanSeconds: 10 });
    if (compareClasses(seen, 239, seen.random).differs) accused += 1;
  }
  t.diagnostic(`${accused} of ${REPETITIONS} accused`);
  assert.ok(accused <= luckyMax(REPETITIONS, 0.05), `${accused} of ${REPETITIONS}`);
});

test('the family of tests sees one late packet in ten, which equivalence of means does not', () => {
  const seen = observe({ seed: 1, packets: 100_000, bursts: true, leakShare: 0.1 });
  const { tests, differs, meanGap, meanDeviation } = compareClasses(seen, 499, seen.random);
  const p = (name: string) => tests.find((row) => row.name === name)?.p ?? 1;
  assert.ok(differs);
  assert.ok(p('gaps, Anderson-Darling') < 0.05 && p('deviations, Mann-Whitney') < 0.05 && p('spectrum') < 0.05);
  assert.ok(meanGap.equivalent && meanDeviation.equivalent);
});

test('equivalence of means is refused where packets of class 1 come 0.3 ms late', () => {
  const random = seeded(1);
  const link = pacedLink(100_000, random, { bursts: false });
  const spans = dealtSpans(link, 20 * SECOND_US, random);
  const series = plantDelay(link, spans, 300, 1, random);
  const grid = features.fitGrid(series, TICK_US);
  const { meanGap, meanDeviation } = compareClasses(
    {
      gaps: features.gapsOf(series, spans),
      deviations: features.deviationsOf(series, grid, spans),
      windows: features.windowTable(series, grid, spans, SECOND_US),
    },
    299,
    random,
  );
  assert.equal(meanDeviation.equivalent, false);
  assert.equal(meanGap.equivalent, true, 'a constant delay is in no gap');
});

test('sizes that depend on the class are seen', () => {
  const seen = observe({ seed: 2, packets: 100_000, bursts: true, leakShare: 0 });
  const column = features.FEATURES.indexOf('distinct_sizes');
  seen.windows.labels.forEach((label, row) => {
    seen.windows.features[row * features.FEATURES.length + column] += row % 5 === 0 ? label : 0;
  });
  const { tests } = compareClasses(seen, 299, seen.random);
  assert.deepEqual(
    tests.filter(({ p }) => p < 0.05).map(({ name }) => name),
    ['distinct sizes'],
  );
});

test('refuses permutations that could not show anything', () => {
  const seen = observe({ seed: 2, packets: 50_000, bursts: true, leakShare: 0 });
  assert.throws(() => compareClasses(seen, 99, seen.random), /99 permutations are too few: 11 tests at level 0.05/);
  const short = observe({ seed: 2, packets: 20_000, bursts: true, leakShare: 0 });
  assert.throws(() => compareClasses(short, 299, short.random), /needs 20 blocks of each class, not 9 and 9/);
});
