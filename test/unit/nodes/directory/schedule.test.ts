import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { keyAt } from '../../../../nodes/config/consensus.ts';
import { type KnownKey, scheduled } from '../../../../nodes/directory/schedule.ts';
import { publishing } from '../support/keys.ts';

const EPOCH_MS = 900_000;
const START_MS = 2_000_000 * EPOCH_MS;
const keys = (...numbers: number[]) => publishing(...numbers).linkKeys;

/** A node's publications, each at an instant after the start. */
function follow(...publications: readonly (readonly [afterMs: number, numbers: readonly number[]])[]) {
  let known: readonly KnownKey[] | undefined;
  for (const [afterMs, numbers] of publications)
    known = scheduled(START_MS + afterMs, EPOCH_MS, known, keys(...numbers)) ?? assert.fail('refused');
  return known!;
}

/** The number of the key that initiators use. */
function inForce(known: readonly KnownKey[], afterMs: number): number {
  const listed = known.map(({ key, from }) => ({ key: Buffer.from(key, 'base64'), from }));
  const key = keyAt((START_MS + afterMs) * 1000, listed).toString('base64');
  return known.find((one) => one.key === key)!.number;
}

test('of a node that is new, the newest key is in force at once', () => {
  assert.equal(inForce(follow([0, [4, 5]]), 0), 5);
});

test('a key that is first seen in an epoch is in force from the start of the one after the next', () => {
  for (const seenMs of [0, 1, EPOCH_MS - 1]) {
    const known = follow([0, [1]], [seenMs, [1, 2]]);
    assert.equal(inForce(known, 2 * EPOCH_MS - 1), 1, `seen after ${seenMs} ms`);
    assert.equal(inForce(known, 2 * EPOCH_MS), 2, `seen after ${seenMs} ms`);
  }
  assert.equal(inForce(follow([0, [1]], [EPOCH_MS, [1, 2]]), 3 * EPOCH_MS - 1), 1);
});

test('what is published again keeps its instant, also beside a newer one and when the old one has gone', () => {
  const seen = follow([0, [1]], [10, [1, 2]]);
  assert.deepEqual(follow([0, [1]], [10, [1, 2]], [EPOCH_MS, [1, 2]]), seen);
  assert.deepEqual(follow([0, [1]], [10, [1, 2]], [EPOCH_MS, [1, 2, 3]]).slice(0, 2), seen);
  assert.deepEqual(follow([0, [1]], [10, [1, 2]], [3 * EPOCH_MS, [2]]), seen.slice(1));
});

test('a node that has lost its key in force is met under what it has, although that is early', () => {
  assert.equal(inForce(follow([0, [1]], [10, [2]]), 10), 2);
});

/** What a node is known to have, and what it must not publish then. */
const ROLLBACKS: readonly (readonly [what: string, known: readonly number[], published: readonly number[]])[] = [
  /* 1 */ ['the key before the newest alone', [1, 2], [1]],
  /* 2 */ ['a key that has gone, beside the newest', [2], [1, 2]],
  /* 3 */ ['a number between two that are known', [1, 3], [1, 2, 3]],
  /* 4 */ ['a key that has gone, beside a newer one', [2], [1, 3]],
];

test('keys do not come back, row by row', () => {
  for (const [index, [what, known, published]] of ROLLBACKS.entries()) {
    const before = follow([0, known]);
    assert.equal(scheduled(START_MS, EPOCH_MS, before, keys(...published)), undefined, `row ${index + 1}: ${what}`);
  }
});

test('another key under a number that is known is refused', () => {
  const [one] = keys(1);
  const other = { number: 1, key: keys(9)[0].key };
  assert.equal(scheduled(START_MS, EPOCH_MS, [{ ...one, from: 0 }], [other]), undefined);
});

test('however keys come and go, one is in force a whole epoch after it was first seen, and the number never falls', () => {
  const step = fc.tuple(fc.integer({ min: 1, max: 2 * EPOCH_MS }), fc.boolean(), fc.boolean());
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let held = [0];
      let known = follow([0, held]);
      let atMs = 0;
      let before = 0;
      const firstSeen = new Map([[0, Number.NEGATIVE_INFINITY]]);
      for (const [laterMs, makes, drops] of steps) {
        atMs += laterMs;
        if (makes && held.length < 4) held = [...held, held.at(-1)! + 1];
        // As the operator does: the old one goes when the next is in force.
        if (drops && held.length > 1 && inForce(known, atMs) > held[0]!) held = held.slice(1);
        for (const number of held) if (!firstSeen.has(number)) firstSeen.set(number, atMs);
        known = scheduled(START_MS + atMs, EPOCH_MS, known, keys(...held))!;
        const now = inForce(known, atMs);
        assert(now >= before, 'back to an older key');
        assert(held.includes(now), 'a key that the node does not have');
        const seenEpoch = Math.floor(firstSeen.get(now)! / EPOCH_MS);
        assert(Math.floor(atMs / EPOCH_MS) >= seenEpoch + 2, 'in force before everybody can know it');
        before = now;
      }
    }),
  );
});
