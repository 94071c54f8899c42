import assert from 'node:assert/strict';
import test from 'node:test';
import { seeded, shuffle, xoshiro } from '../../../../evaluation/traffic/random.ts';

test('xoshiro128** gives the first outputs of its authors program for the state 1, 2, 3, 4', () => {
  const next = xoshiro([1, 2, 3, 4]);
  assert.deepEqual(
    Array.from({ length: 10 }, next),
    [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
  );
});

test('a seed repeats its numbers and another has others', () => {
  const first = (seed: number) => Array.from({ length: 4 }, seeded(seed));
  assert.deepEqual(first(7), first(7));
  assert.notDeepEqual(first(7), first(8));
  assert.ok(first(0).every((value) => value > 0 && value < 1));
});

test('a shuffle keeps the values and puts each of them everywhere', () => {
  const random = seeded(1);
  const seen = new Uint32Array(9);
  for (let i = 0; i < 9000; i++) {
    const values = [0, 1, 2];
    shuffle(values, random);
    assert.deepEqual(values.toSorted(), [0, 1, 2]);
    values.forEach((value, at) => {
      seen[value * 3 + at] += 1;
    });
  }
  // 3000 each; five standard deviations are 224.
  for (const count of seen) assert.ok(Math.abs(count - 3000) < 224, `${count}`);
});
