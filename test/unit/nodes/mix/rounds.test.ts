import assert from 'node:assert/strict';
import test from 'node:test';
import { Rounds } from '../../../../nodes/mix/rounds.ts';

const PERIOD_MS = 60_000;
const START_MS = 1000 * PERIOD_MS;

test('a round a tick counts, valid or bad, and no more than was expected but for a queue’s slack', () => {
  const rounds = new Rounds(START_MS, PERIOD_MS);
  for (let tick = 0; tick < 100; tick += 1) {
    rounds.expect(1, 'sp');
    rounds.expect(2, 'sp');
    rounds.came(1, 'sp', tick % 10 === 0);
    for (let again = 0; again < 3; again += 1) rounds.came(2, 'sp', false);
  }
  assert.deepEqual(rounds.report(), [{ from: START_MS, counts: [['sp', 200, 190, 10, 0]] }]);
});

test('what was not sent is not made up for later by more than a queue holds', () => {
  const rounds = new Rounds(START_MS, PERIOD_MS);
  for (let tick = 0; tick < 50; tick += 1) rounds.expect(1, 'sp');
  for (let late = 0; late < 50; late += 1) rounds.came(1, 'sp', false);
  assert.deepEqual(rounds.report()[0]!.counts, [['sp', 50, 5, 0, 0]]);
});

test('a round on a channel that is another mix’s does not count', () => {
  const rounds = new Rounds(START_MS, PERIOD_MS);
  rounds.came(1, 'sp', false);
  assert.deepEqual(rounds.report()[0]!.counts, []);
});

test('a period ends with the clock, is told of during the next, and begins anew with another length', () => {
  const rounds = new Rounds(START_MS + 1, PERIOD_MS);
  rounds.expect(1, 'sp');
  rounds.expel('sp');
  rounds.tick(START_MS + PERIOD_MS - 1);
  assert.equal(rounds.report().length, 1);
  rounds.tick(START_MS + PERIOD_MS);
  rounds.expect(1, 'sp');
  const later = { from: START_MS + PERIOD_MS, counts: [['sp', 1, 0, 0, 0]] };
  assert.deepEqual(rounds.report(), [{ from: START_MS, counts: [['sp', 1, 0, 0, 1]] }, later]);
  rounds.tick(START_MS);
  assert.deepEqual(rounds.report()[1], later, 'a clock that is set back');
  rounds.configure(START_MS + PERIOD_MS, PERIOD_MS);
  assert.equal(rounds.report().length, 2);
  rounds.configure(START_MS + PERIOD_MS, 7 * PERIOD_MS);
  assert.deepEqual(rounds.report(), [
    { from: START_MS + PERIOD_MS - ((START_MS + PERIOD_MS) % (7 * PERIOD_MS)), counts: [] },
  ]);
});

test('superpeers over the limit are not counted, the others go on', () => {
  const rounds = new Rounds(START_MS, PERIOD_MS);
  for (let channel = 1; channel <= 600; channel += 1) rounds.expect(channel, `sp-${channel}`);
  rounds.expect(1, 'sp-1');
  const { counts } = rounds.report()[0]!;
  assert.equal(counts.length, 512);
  assert.deepEqual(counts[0], ['sp-1', 2, 0, 0, 0]);
});
