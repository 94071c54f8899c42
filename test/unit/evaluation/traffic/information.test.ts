import assert from 'node:assert/strict';
import test from 'node:test';
import { dependence, discretise, mutualInformation, shifted } from '../../../../evaluation/traffic/information.ts';
import { type Random, seeded } from '../../../../evaluation/traffic/random.ts';
import { gaussian, luckyMax } from './links.ts';
import { assertNear } from './near.ts';

/** A day in steps of 5 minutes; calls of an hour or so begin at random. */
const STEPS = 288;
function schedule(random: Random): Uint8Array {
  let on = 0;
  return Uint8Array.from({ length: STEPS }, () => {
    if (random() < 1 / 12) on = 1 - on;
    return on;
  });
}

/** The rate of a mesh: a slow walk, as any load has, plus `follow` while the user called two steps ago. */
function rates(random: Random, calls: Uint8Array, follow: number): Uint8Array {
  let walk = 0;
  const values = Float64Array.from(calls, (_, i) => {
    walk = 0.97 * walk + gaussian(random);
    return walk + follow * (calls[i - 2] ?? 0);
  });
  return discretise(values, 4);
}

test('the information of known tables', () => {
  const x = Uint8Array.of(0, 0, 1, 1);
  assertNear(mutualInformation(x, Uint8Array.of(7, 7, 9, 9)), 1, 1e-12);
  assert.equal(mutualInformation(x, Uint8Array.of(0, 1, 0, 1)), 0);
  // H(1/4) less H(1/2)/2.
  assertNear(mutualInformation(x, Uint8Array.of(0, 0, 0, 1)), 0.31127812445913283, 1e-12);
  assert.throws(() => mutualInformation(x, new Uint8Array(3)), /share a length above 0, not 4 and 3/);
});

test('cuts values into filled bins, and a constant into one', () => {
  const bins = discretise(
    Float64Array.from({ length: 100 }, (_, i) => (i * 37) % 100),
    4,
  );
  assert.deepEqual(
    [0, 1, 2, 3].map((bin) => bins.filter((value) => value === bin).length),
    [26, 25, 25, 24],
  );
  assert.equal(new Set(discretise(new Float64Array(50).fill(3), 4)).size, 1);
  assert.throws(() => discretise(new Float64Array(5), 1), /bins must be 2..256, not 1/);
});

test('of 200 days of rates that do not listen, one in twenty intervals leaves out zero', (t) => {
  let left = 0;
  for (let seed = 0; seed < 200; seed++) {
    const random = seeded(seed);
    const calls = schedule(random);
    const result = dependence(calls, rates(random, calls, 0), 3, () => schedule(random), 199);
    if (!result.includesZero) left += 1;
  }
  t.diagnostic(`${left} of 200`);
  assert.ok(left <= luckyMax(200, 0.05) && left > 0, `${left} of 200`);
});

test('rates that follow the calls with a delay are seen', () => {
  const random = seeded(1);
  const calls = schedule(random);
  for (const draw of [() => schedule(random), () => shifted(calls, random)]) {
    const { bits, interval, p, includesZero } = dependence(calls, rates(random, calls, 8), 3, draw);
    assert.ok(!includesZero && p < 0.02 && interval[0] > 0 && bits > 0.1, `${p} ${interval}`);
  }
});

test('a rate that never changes says nothing', () => {
  const random = seeded(1);
  const { bits, p, includesZero } = dependence(
    schedule(random),
    discretise(new Float64Array(STEPS).fill(2), 4),
    3,
    () => schedule(random),
  );
  assert.deepEqual({ bits, p, includesZero }, { bits: 0, p: 1, includesZero: true });
});

test('refuses too few draws', () => {
  const calls = new Uint8Array(STEPS);
  assert.throws(() => dependence(calls, calls, 0, () => calls, 50), /needs 199 draws, not 50/);
});
