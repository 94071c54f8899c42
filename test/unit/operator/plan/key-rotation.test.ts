import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { durationMs } from '../../../../operator/api/fields.ts';
import {
  firstExpiries,
  keyKinds,
  type MadeKey,
  planRotation,
  type RotationTimes,
} from '../../../../operator/plan/key-rotation.ts';
import { bornMs } from '../samples.ts';

const epochMs = 900_000;
const hourMs = 3_600_000;
const times: RotationTimes = {
  epochMs,
  lifetimeMs: { link: 720 * hourMs, circuit: 24 * hourMs, signing: 168 * hourMs },
  notBeforeMs: 0,
};
const key = (kind: MadeKey['kind'], number: number, madeMs = bornMs): MadeKey => ({ kind, number, madeMs });

test('a node begins with a first key of each kind', () => {
  assert.deepEqual(planRotation(keyKinds.node, [], times, bornMs), {
    make: [
      { kind: 'link', number: 1 },
      { kind: 'circuit', number: 1 },
    ],
    remove: [],
  });
});

test('a key that has lived its time gets a successor, and goes when that has been in force for two epochs', () => {
  const old = key('circuit', 7);
  const at = (keys: MadeKey[], ms: number) => planRotation(['circuit'], keys, times, bornMs + ms);
  assert.deepEqual(at([old], 24 * hourMs - 1), { make: [], remove: [] });
  assert.deepEqual(at([old], 24 * hourMs).make, [{ kind: 'circuit', number: 8 }]);
  const both = [old, key('circuit', 8, bornMs + 24 * hourMs)];
  assert.deepEqual(at(both, 24 * hourMs + 4 * epochMs - 1), { make: [], remove: [] });
  assert.deepEqual(at(both, 24 * hourMs + 4 * epochMs), { make: [], remove: [old] });
});

test('who asks gets other keys once, not before the time that he names', () => {
  const asked = { ...times, notBeforeMs: bornMs + hourMs };
  assert.deepEqual(planRotation(['link'], [key('link', 1)], asked, bornMs + hourMs - 1).make, []);
  assert.deepEqual(planRotation(['link'], [key('link', 1)], asked, bornMs + hourMs).make, [
    { kind: 'link', number: 2 },
  ]);
  const after = [key('link', 2, bornMs + hourMs)];
  assert.deepEqual(planRotation(['link'], after, asked, bornMs + 2 * hourMs), { make: [], remove: [] });
});

test('whenever it is looked at and whatever is asked, there is a key in force, at most two of a kind, and numbers only grow', () => {
  const step = fc.record({ waitMs: fc.integer({ min: 1, max: 30 * hourMs }), asks: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let now = bornMs;
      let keys: MadeKey[] = [];
      let notBeforeMs = 0;
      let newest = 0;
      const look = () => {
        const { make, remove } = planRotation(['circuit'], keys, { ...times, notBeforeMs }, now);
        keys = [
          ...keys.filter((one) => !remove.includes(one)),
          ...make.map(({ kind, number }) => key(kind, number, now)),
        ];
        for (const { number } of make) assert.equal(number, newest + 1);
        newest = Math.max(...keys.map(({ number }) => number));
        assert.ok(keys.length <= 2);
        // In force for certain: made two epochs ago; the first of all is in force at once.
        assert.ok(keys.some(({ number, madeMs }) => number === 1 || now - madeMs >= 2 * epochMs));
      };
      look();
      for (const { waitMs, asks } of steps) {
        now += waitMs;
        if (asks) notBeforeMs = now;
        look();
      }
    }),
  );
});

test('durations are read as the schema’s pattern has them', () => {
  for (const [text, ms] of [
    ['720h', 720 * hourMs],
    ['1h30m', 5_400_000],
    ['90s', 90_000],
    ['1h2m3s', 3_723_000],
  ] as const)
    assert.equal(durationMs(text), ms);
});

test('the first key to be due is the newest of some node, not one that has a successor', () => {
  const state = (name: string, expires: string) => ({ name, made: '2026-01-01T00:00:00Z', expires });
  const first = firstExpiries([
    { keys: [state('link-9', '2026-01-02T00:00:00Z'), state('link-10', '2026-02-02T00:00:00Z')] },
    { keys: [state('link-1', '2026-02-01T00:00:00Z'), state('circuit-1', '2026-01-03T00:00:00Z')] },
    {},
  ]);
  assert.deepEqual(
    [...first],
    [
      ['link', Date.parse('2026-02-01T00:00:00Z') / 1000],
      ['circuit', Date.parse('2026-01-03T00:00:00Z') / 1000],
    ],
  );
});
