import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from '../../../../operator/kube/bucket.ts';

const rate = { perSecond: 2, burst: 5 };

test('a bucket gives its burst at once and then its rate', () => {
  const bucket = new TokenBucket(rate);
  const taken = (nowMs: number) => {
    let count = 0;
    while (bucket.take(nowMs)) count++;
    return count;
  };
  assert.deepEqual([taken(0), taken(499), taken(500), taken(3_000), taken(1e9)], [5, 0, 1, 5, 5]);
});

test('in no stretch of time is more taken than the burst and what the stretch brings', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 3_000 }), { maxLength: 200 }), (steps) => {
      const bucket = new TokenBucket(rate);
      const takenAt: number[] = [];
      let now = 0;
      for (const step of steps) {
        now += step;
        if (bucket.take(now)) takenAt.push(now);
      }
      for (const [i, from] of takenAt.entries()) {
        const last = takenAt.length - 1;
        assert.ok(last - i + 1 <= rate.burst + ((takenAt[last]! - from) / 1000) * rate.perSecond + 1e-6);
      }
    }),
  );
});

test('reserved tokens come one after the other, and none is owed beyond the longest wait', () => {
  const bucket = new TokenBucket(rate);
  const waits = Array.from({ length: 20 }, () => bucket.reserve(0, 3_000));
  assert.deepEqual(waits.slice(0, 8), [0, 0, 0, 0, 0, 500, 1_000, 1_500]);
  assert.equal(waits.at(-1), 3_000);
  assert.equal(bucket.reserve(3_000, 3_000), 500, 'after that wait nothing is owed any more');
});
