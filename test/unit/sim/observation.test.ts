import assert from 'node:assert/strict';
import test from 'node:test';
import { seeded } from '../../../evaluation/traffic/random.ts';
import { balanced, compareLinks, Recorder, type WatchedLink, windowsOf, withLeak } from '../../sim/observation.ts';
import { gaussian } from '../evaluation/traffic/links.ts';

const SECOND_US = 1_000_000;
const TICK_US = 20_000;
const SECONDS = 120;
const LINKS = 30;
const CLUSTER_S = 3;

/** Links of one machine, each with noise of its own; `later` says by how much more a second's packets are late, `share` how likely a call is then. */
function links(
  seed: number,
  later: (second: number, isBusy: boolean) => number,
  share: (second: number) => number = () => 0.4,
): WatchedLink[] {
  const random = seeded(seed);
  return Array.from({ length: LINKS }, () => {
    const recorder = new Recorder();
    const busy = Array.from(
      { length: SECONDS / CLUSTER_S },
      (_value, cluster) => random() < share(cluster * CLUSTER_S),
    );
    const isBusy = (second: number) => busy[Math.floor(second / CLUSTER_S)]!;
    const noise = 50 + 100 * random();
    for (let tick = 0; tick < (SECONDS * SECOND_US) / TICK_US; tick += 1) {
      const second = Math.floor((tick * TICK_US) / SECOND_US);
      recorder.add(
        Math.round(5000 + tick * TICK_US + noise * Math.abs(gaussian(random)) + later(second, isBusy(second))),
        300,
      );
    }
    const spans = Array.from({ length: SECONDS }, (_value, second) => second).flatMap((second) => {
      const stretch = { from: second * SECOND_US, to: (second + 1) * SECOND_US };
      return windowsOf(stretch, SECOND_US, isBusy(second) ? 1 : 0, (at) => Math.floor(at / CLUSTER_S / SECOND_US));
    });
    return balanced({ series: recorder.series(), spans });
  });
}

const compare = (watched: readonly WatchedLink[], machines: 'one machine' | 'a machine each') =>
  compareLinks('link', 'busy, quiet', watched, SECOND_US, seeded(7), machines);

test('a link is balanced by the windows nearest in time', () => {
  const span = (second: number, label: 0 | 1) => ({
    fromUs: second * SECOND_US,
    toUs: (second + 1) * SECOND_US,
    label,
    cluster: 0,
  });
  const series = { instantsUs: new Float64Array(), sizes: new Uint16Array() };
  const spans = [span(1, 0), span(5, 0), span(6, 1), span(8, 0), span(20, 1), span(22, 0), span(50, 0)];
  const { spans: left } = balanced({ series, spans });
  assert.deepEqual(
    left.map(({ fromUs, label }) => [fromUs / SECOND_US, label]),
    [
      [5, 0],
      [6, 1],
      [20, 1],
      [22, 0],
    ],
  );
});

test('links that do not care about calls do not leak, and the same with 0.2 ms planted do', () => {
  const watched = links(1, () => 0);
  const row = compare(watched, 'one machine');
  assert.notEqual(row.verdict, 'leaks');
  assert.ok(row.equivalent && row.p > 0.05);
  assert.deepEqual(row.sizes, [[300], [300]]);
  const planted = compare(withLeak(watched, 200, seeded(1)), 'one machine');
  assert.equal(planted.verdict, 'leaks');
  assert.ok(planted.p < 0.05);
});

const isNoisy = (second: number) => Math.floor(second / 9) % 2 === 0;

test('what disturbs a whole machine is not taken for calls, though it keeps calls from coming about', () => {
  const watched = links(
    3,
    (second) => (isNoisy(second) ? 400 : 0),
    (second) => (isNoisy(second) ? 0.2 : 0.6),
  );
  assert.notEqual(compare(watched, 'one machine').verdict, 'leaks');
  assert.equal(compare(watched, 'a machine each').verdict, 'leaks');
});

test('a leak shows through a disturbance of the whole machine', () => {
  const watched = links(3, (second, isBusy) => (isNoisy(second) ? 400 : 0) + (isBusy ? 100 : 0));
  assert.equal(compare(watched, 'one machine').verdict, 'leaks');
});

test('packets that were recorded out of order are put in order with their lengths', () => {
  const recorder = new Recorder();
  for (const [at, size] of [
    [30, 3],
    [10, 1],
    [20, 2],
  ] as const)
    recorder.add(at, size);
  const { instantsUs, sizes } = recorder.series();
  assert.deepEqual([...instantsUs], [10, 20, 30]);
  assert.deepEqual([...sizes], [1, 2, 3]);
});
