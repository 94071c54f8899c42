import assert from 'node:assert/strict';
import test from 'node:test';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { Checker } from '../../sim/scenario.ts';
import { Listener } from '../../sim/talk.ts';
import { World } from '../../sim/world.ts';

/** A listener to whom frame n comes at n · 20 ms after `start`, but for the ones that `lost` names. */
function heard(seconds: number, lost: (counter: number) => boolean): { listener: Listener; start: Micros } {
  const world = new World('listener', () => assert.fail('nothing is sent'));
  const listener = new Listener(world);
  const start = world.now;
  for (let counter = 0; counter < seconds * 50; counter += 1) {
    const timing = { oneWayUs: 100 * MILLISECOND_US, roundTripUs: undefined };
    if (!lost(counter)) listener.voice.heard(world.now, counter, Buffer.alloc(160, counter % 251), timing);
    world.run(world.now + 20 * MILLISECOND_US);
  }
  return { listener, start };
}

const at = (start: Micros, seconds: number) => start + seconds * SECOND_US;

test('a listener who hears everything has no gaps', () => {
  const { listener, start } = heard(10, () => false);
  assert.equal(listener.missing, 0);
  assert.equal(listener.longestGapMs(), 0);
  assert.equal(listener.framesPerSecond(at(start, 2), at(start, 4)), 50);
  assert.equal(listener.lossBetween(start, at(start, 10)), 0);
  assert.equal(listener.longestSilenceMs(start, at(start, 10)), 20);
  assert.equal(listener.resumedAfterMs(at(start, 3)), 0);
  assert.equal(listener.moments.get(50), at(start, 1));
});

test('an outage is a gap, a silence and a loss, and ends when audio is back', () => {
  // Frames 100 … 149 are missing, but for one that strays.
  const { listener, start } = heard(10, (counter) => counter >= 100 && counter < 150 && counter !== 120);
  assert.equal(listener.missing, 49);
  assert.equal(listener.longestGapMs(), 29 * 20);
  assert.equal(listener.longestGapMs(at(start, 4)), 0);
  assert.equal(listener.longestSilenceMs(at(start, 1), at(start, 5)), 30 * 20);
  assert(Math.abs(listener.lossBetween(at(start, 2), at(start, 3)) - 49 / 50) < 1e-9);
  assert.equal(listener.framesPerSecond(at(start, 2), at(start, 3)), 1);
  assert.equal(listener.resumedAfterMs(at(start, 2)), 1000);
});

test('audio that does not come back has not resumed', () => {
  const { listener, start } = heard(5, (counter) => counter >= 100);
  assert.equal(listener.resumedAfterMs(at(start, 2)), undefined);
  assert.equal(listener.lossBetween(at(start, 3), at(start, 4)), 1);
  assert.equal(listener.longestSilenceMs(at(start, 1), at(start, 5)), 3020);
});

test('a frame out of place is seen', () => {
  const { listener } = heard(1, () => false);
  const check = new Checker();
  listener.checkNames(check);
  assert.deepEqual(check.violations, []);
  listener.frames.set(7, 8);
  listener.checkNames(check);
  assert.equal(check.violations.length, 1);
});
