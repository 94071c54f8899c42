import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Schedule } from '../../../../evaluation/blocking/schedule.ts';
import { type BlockingOptions, simulateBlocking } from '../../../../evaluation/blocking/simulate.ts';
import { SeededRandom } from '../../../sim/random.ts';

const instants = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 3000 });

test('events come in the order of their instants, each once', () => {
  fc.assert(
    fc.property(instants, (times) => {
      const schedule = new Schedule();
      for (const [event, at] of times.entries()) schedule.add(at, event);
      const taken: number[] = [];
      while (!schedule.isEmpty) {
        const at = schedule.nextAt;
        const event = schedule.take();
        assert.equal(times[event], at);
        taken.push(event);
      }
      assert.deepEqual(
        taken.map((event) => times[event]),
        [...times].sort((a, b) => a - b),
      );
      assert.equal(new Set(taken).size, times.length);
    }),
  );
});

/** n = 10, k = 2, calls of 100 s that come up and end at once: nearly what the mean-field formula is about. */
function zone(mode: BlockingOptions['mode'], seed: string, change: Partial<BlockingOptions> = {}) {
  const random = new SeededRandom(seed);
  return simulateBlocking({
    clients: 2000,
    clientsPerChannel: 10,
    attachments: 2,
    superpeers: 10,
    channelsPerSuperpeer: 42,
    mode,
    seconds: 4000,
    callsPerSecond: 1,
    holdSeconds: 100,
    patienceSeconds: 0,
    ringSeconds: 0,
    ringAgainSeconds: 1,
    answerSeconds: 0,
    releaseSeconds: 0,
    calleeReleaseSeconds: 0,
    movePauseSeconds: 0,
    random: () => random.next(),
    ...change,
  });
}

test('blocking is that of the mean-field formula, x = a (1 − x²), B = x² (network.md 3.4)', () => {
  const { placed, callerBlocked, duty } = zone('random', 'field');
  // What is carried is a (1 − B) per channel: clients · duty / channels.
  const carried = (2000 * duty) / 420;
  const expected = carried ** 2;
  const measured = callerBlocked / placed;
  assert(Math.abs(measured - expected) < 0.25 * expected, `measured ${measured}, formula ${expected}`);
});

test('moves remove blocking; without moves nothing moves', () => {
  const random = zone('random', 'same');
  const ranking = zone('ranking', 'same');
  const augment = zone('augment', 'same');
  assert.equal(random.moves + ranking.moves, 0);
  assert(augment.moves > 0);
  assert(augment.callerBlocked * 10 < random.callerBlocked, `${augment.callerBlocked} of ${random.callerBlocked}`);
});

test('a long pause between two moves of one call blocks more', () => {
  const change = { callsPerSecond: 1.4 };
  const free = zone('augment', 'pause', change);
  const paused = zone('augment', 'pause', { ...change, movePauseSeconds: 1e9 });
  assert(paused.moves < free.moves, `${paused.moves} and ${free.moves} moves`);
});
