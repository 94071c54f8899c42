import assert from 'node:assert/strict';
import test from 'node:test';
import { History } from '../../../../nodes/superpeer/history.ts';
import { AUDIT_ROUNDS } from '../../../../nodes/wire/constants.ts';

const SLOTS = 3;
const BYTES = 8;

/** A round in which slot i has a packet filled with 16 · round + i, if it is among `slots`. */
function keep(history: History, round: number, slots: readonly number[] = [0, 1, 2]): void {
  history.begin(round);
  for (const slot of slots) history.keep(round, slot, Buffer.alloc(2 * BYTES, 16 * round + slot), BYTES);
}

/** What is shown from now on, as [slot, first byte]. */
function rest(history: History): number[][] {
  const shown: number[][] = [];
  const into = Buffer.alloc(BYTES + 1);
  for (let slot = history.next(); slot >= 0; slot = history.next()) {
    history.copy(slot, into, 1);
    shown.push([slot, into[1]!]);
  }
  return shown;
}

test('shows the packets of a round in the order of slots, and again from the first when asked again', () => {
  const history = new History(SLOTS, BYTES);
  assert.deepEqual(rest(history), []);
  keep(history, 1, [0, 2]);
  assert(history.show(1));
  assert.equal(history.next(), 0);
  assert(history.show(1));
  assert.deepEqual(rest(history), [
    [0, 16],
    [2, 18],
  ]);
  assert.deepEqual([history.shown, history.next()], [1, -1]);
});

test('keeps the last 64 rounds and shows none that it has not got', () => {
  const history = new History(SLOTS, BYTES);
  for (let round = 1; round <= AUDIT_ROUNDS + 1; round += 1) keep(history, round, [1]);
  for (const round of [0, 1, AUDIT_ROUNDS + 2, 2 + AUDIT_ROUNDS]) assert.equal(history.show(round), false, `${round}`);
  assert(history.show(2));
  assert.deepEqual(rest(history), [[1, 33]]);
});

test('a round that is being shown stays whole while later ones take its place', () => {
  const history = new History(SLOTS, BYTES);
  keep(history, 5);
  assert(history.show(5));
  assert.equal(history.next(), 0);
  for (let round = 6; round < 6 + 2 * AUDIT_ROUNDS; round += 1) keep(history, round, []);
  assert.deepEqual(rest(history), [
    [1, 81],
    [2, 82],
  ]);
  assert(history.show(5), 'also when it is asked for again');
});
