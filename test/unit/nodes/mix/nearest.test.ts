import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { nearestSequence } from '../../../../nodes/mix/mix.ts';
import { MANIFEST_PRESENT, MANIFEST_SEQUENCE_MASK } from '../../../../nodes/wire/constants.ts';

const manifestByte = (s: number) => MANIFEST_PRESENT | (s & MANIFEST_SEQUENCE_MASK);

const last = fc.oneof(
  fc.integer({ min: -1, max: 300 }),
  fc.integer({ min: 2 ** 31 - 300, max: 2 ** 31 + 300 }),
  fc.integer({ min: 2 ** 32 - 500, max: 2 ** 32 - 70 }),
  fc.nat(2 ** 32 - 70),
);

test('finds the sequence number that is up to 60 before or behind the expected one', () => {
  fc.assert(
    fc.property(last, fc.integer({ min: -60, max: 60 }), (heard, offset) => {
      const s = heard + 1 + offset;
      fc.pre(s >= 0);
      assert.equal(nearestSequence(heard, manifestByte(s)), s);
    }),
    { numRuns: 2000 },
  );
});

test('never finds one that is further away than half of 128, or whose low bits are others', () => {
  fc.assert(
    fc.property(last, fc.integer({ min: MANIFEST_PRESENT, max: 255 }), (heard, byte) => {
      const s = nearestSequence(heard, byte);
      assert(Math.abs(s - (heard + 1)) <= 64);
      if (s >= 0) assert.equal(manifestByte(s), byte);
    }),
    { numRuns: 2000 },
  );
});

test('finds none for a slot that is not in the round, and none before the first of all', () => {
  for (const byte of [0, 1, 127]) assert.equal(nearestSequence(1000, byte), -1);
  assert(nearestSequence(-1, manifestByte(127)) < 0);
});
