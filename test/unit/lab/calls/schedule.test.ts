import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { rounds } from '../../../../lab/calls/schedule.ts';

test('twelve calls between four zones take six rounds of two', () => {
  assert.deepEqual(
    rounds(['eu', 'na', 'sa', 'au']).map((pairs) => pairs.length),
    [2, 2, 2, 2, 2, 2],
  );
});

test('every ordered pair of zones calls once, and no zone is twice in a round', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 9 }), (zones) => {
      const schedule = rounds(zones);
      for (const pairs of schedule) {
        const busy = pairs.flatMap(({ from, to }) => [from, to]);
        assert.equal(new Set(busy).size, busy.length);
      }
      const calls = schedule.flat().map(({ from, to }) => JSON.stringify([from, to]));
      const all = zones.flatMap((from) => zones.filter((to) => to !== from).map((to) => JSON.stringify([from, to])));
      assert.deepEqual(calls.toSorted(), all.toSorted());
    }),
  );
});

test('as many calls run at once as can', () => {
  for (let n = 2; n < 10; n++) {
    const zones = Array.from({ length: n }, (_, i) => `z${i}`);
    assert.ok(rounds(zones).every((pairs) => pairs.length === Math.floor(n / 2)));
  }
});

test('refuses a zone that is named twice', () => {
  assert.throws(() => rounds(['eu', 'na', 'eu', 'na']), /named twice: eu, na/);
});
