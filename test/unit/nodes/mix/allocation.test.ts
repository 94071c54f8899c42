import assert from 'node:assert/strict';
import test from 'node:test';
import { MILLISECOND_US, SECOND_US } from '../../../../nodes/core/units.ts';
import type { Party } from '../../../../nodes/mix/allocation.ts';
import { ASSIGNMENT_MODES, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { Stage } from './stage.ts';

const TICK_S = TICK_US / SECOND_US;
/** Ten quiet rounds, and the one in which the party is last heard. */
const DRAIN_S = 11 * TICK_S;

// Hold, release, drain

for (const mode of ASSIGNMENT_MODES) {
  test(`${mode}: who wants a line has one that is free, keeps it while he wants it, and one only`, () => {
    const stage = new Stage(3, mode);
    const party = stage.party(0, 1, 2);
    stage.want(party);
    assert.equal(stage.mayUse(party).length, 1);
    const [line] = stage.mayUse(party);
    stage.run(10);
    stage.want(party);
    assert.deepEqual(stage.mayUse(party), [line]);
    assert.equal(stage.allocation.held, 1);
  });
}

test('the free line of the lowest rank is taken, but at random where the mode is random', () => {
  for (const mode of ['augment', 'ranking', 'paper'] as const) {
    const stage = new Stage(3, mode, [0.3, 0.1, 0.2]);
    const [one, two, three] = [stage.party(0, 1, 2), stage.party(0, 1, 2), stage.party(0, 1, 2)];
    for (const party of [one, two, three]) stage.want(party);
    assert.deepEqual(
      [one, two, three].flatMap((party) => stage.mayUse(party)),
      [1, 2, 0],
      mode,
    );
  }
  const taken = [0, 0, 0];
  const random = new SeededRandom('random mode');
  for (let run = 0; run < 3000; run += 1) {
    const stage = new Stage(3, 'random', [0.3, 0.1, 0.2], () => random.next());
    const party = stage.party(0, 1, 2);
    stage.want(party);
    taken[stage.mayUse(party)[0]!]! += 1;
  }
  // A third of 3000 each; the standard deviation is 26.
  for (const count of taken) assert(Math.abs(count - 1000) < 130, taken.join());
});

test('a released line is another’s after ten rounds without a cell, not before', () => {
  const stage = new Stage(1);
  const [one, two] = [stage.party(0), stage.party(0)];
  stage.want(one);
  stage.run(1);
  stage.want(one, false);
  assert.deepEqual(stage.mayUse(one), []);
  assert.equal(stage.allocation.draining, 1);
  for (let round = 0; round < 9; round += 1) stage.tick();
  stage.want(two);
  assert.equal(two.hold.kind, 'refused');
  stage.want(two, false);
  stage.tick();
  assert.equal(stage.allocation.draining, 0);
  stage.want(two);
  assert.deepEqual(stage.mayUse(two), [0]);
});

test('a cell in a draining round begins the ten anew', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.want(party);
  stage.want(party, false);
  for (let round = 0; round < 9; round += 1) stage.tick();
  stage.allocation.round(stage.now, stage.lines[0]!, true);
  for (let round = 0; round < 9; round += 1) stage.tick();
  assert.equal(stage.allocation.draining, 1);
  stage.tick();
  assert.equal(stage.allocation.draining, 0);
});

test('a party may have its own line back while it drains', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.want(party);
  stage.want(party, false);
  stage.tick();
  stage.want(party);
  assert.deepEqual(stage.mayUse(party), [0]);
  assert.equal(stage.allocation.draining, 0);
  stage.run(10);
  assert.deepEqual(stage.mayUse(party), [0]);
});

test('a line that is spoken on although its party was told to stop is free after five seconds', () => {
  const stage = new Stage(1);
  const [one, two] = [stage.party(0), stage.party(0)];
  stage.want(one);
  stage.deaf.set(one, stage.lines[0]!);
  stage.want(one, false);
  stage.run(4.9);
  stage.want(two);
  assert.equal(two.hold.kind, 'refused');
  stage.run(0.2);
  assert.equal(stage.allocation.draining, 0);
});

test('a line without rounds, whose superpeer is gone, is free after five seconds too', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.want(party);
  stage.silent.add(stage.lines[0]!);
  stage.want(party, false);
  stage.run(5);
  assert.equal(stage.allocation.draining, 1);
  stage.tick();
  assert.equal(stage.allocation.draining, 0);
});

test('who says nothing for five seconds has lost his line', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.want(party);
  stage.run(1);
  stage.mute.add(party);
  stage.run(5);
  assert.deepEqual(stage.mayUse(party), [0]);
  stage.tick();
  assert.deepEqual(stage.mayUse(party), []);
  stage.run(DRAIN_S);
  assert.equal(stage.allocation.held + stage.allocation.draining, 0);
});

// Calls that come in

test('a line is reserved for what goes down, and the older "no" of the party does not take it away', () => {
  const stage = new Stage(2);
  const party = stage.party(0, 1);
  assert.equal(stage.allocation.reserve(stage.now, party), stage.lines[0]);
  stage.want(party, false);
  assert.deepEqual(stage.mayUse(party), [0]);
  assert.equal(stage.allocation.reserve(stage.now, party), stage.lines[0], 'the same again');
  stage.want(party);
  stage.run(4);
  assert.deepEqual(stage.mayUse(party), [0], 'it has been claimed');
  stage.want(party, false);
  assert.deepEqual(stage.mayUse(party), []);
});

test('a reservation is claimed by a cell as well', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.allocation.reserve(stage.now, party);
  stage.tick();
  stage.want(party, false);
  assert.deepEqual(stage.mayUse(party), []);
});

test('what nobody claims is free after three seconds, and each time it is longer until the next', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.mute.add(party);
  const secondsUntilNext = () => {
    stage.run(3);
    assert.deepEqual(stage.mayUse(party), [0]);
    stage.tick();
    assert.deepEqual(stage.mayUse(party), []);
    const since = stage.now;
    while (!stage.allocation.reserve(stage.now, party)) stage.tick();
    return (stage.now - since) / SECOND_US;
  };
  stage.allocation.reserve(stage.now, party);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => secondsUntilNext()),
    [5, 10, 10, 10],
  );
  stage.want(party);
  stage.want(party, false);
  stage.allocation.reserve(stage.now, party);
  assert.equal(secondsUntilNext(), 5, 'a call that is taken makes up for those that were not');
});

test('nothing is reserved where no line is free, and nobody is told', () => {
  for (const mode of ASSIGNMENT_MODES) {
    const stage = new Stage(1, mode);
    const [one, two] = [stage.party(0), stage.party(0)];
    stage.want(one);
    stage.changed.length = 0;
    assert.equal(stage.allocation.reserve(stage.now, two), undefined);
    assert.equal(two.hold.kind, 'none');
    assert.deepEqual(stage.changed, []);
  }
});

// Refusal

test('who is refused and still wants is looked after again a second later, not before', () => {
  const stage = new Stage(1);
  const [one, two] = [stage.party(0), stage.party(0)];
  stage.want(one);
  stage.want(two);
  assert.equal(two.hold.kind, 'refused');
  assert(stage.changed.includes(two));
  stage.want(one, false);
  stage.run(1);
  stage.want(two);
  assert.equal(two.hold.kind, 'refused');
  stage.tick();
  stage.want(two);
  assert.deepEqual(stage.mayUse(two), [0]);
});

test('who is refused and wants no more is not refused any more', () => {
  const stage = new Stage(0);
  const party = stage.party();
  stage.want(party);
  assert.equal(party.hold.kind, 'refused');
  stage.want(party, false);
  assert.equal(party.hold.kind, 'none');
});

test('a refusal for another reason takes nobody’s line', () => {
  const stage = new Stage(2);
  const [one, two] = [stage.party(0), stage.party(1)];
  stage.want(one);
  for (const party of [one, two]) stage.allocation.refuse(stage.now, party);
  assert.deepEqual([one.hold.kind, two.hold.kind], ['holding', 'refused']);
});

test('a place that is silent, deaf or shunned is no place', () => {
  const stage = new Stage(4);
  const party = stage.party(0, 1, 2, 3);
  stage.silent.add(stage.lines[0]!);
  stage.run(0.08);
  party.places[1]!.hears = false;
  stage.lines[2]!.shunned = true;
  stage.want(party);
  assert.deepEqual(stage.mayUse(party), [3]);
});

// Moves for the sake of others

/**
 * A row of calls: party i is on line i and could be on line i + 1 as well; the last line is free. One more party, which
 * can be on line 0 only, so that `steps` calls have to move for it.
 */
function row(steps: number, stage = new Stage(steps + 1)): { stage: Stage; movers: Party[]; last: Party } {
  const movers = Array.from({ length: steps }, (_, index) => {
    const mover = stage.party(index, index + 1);
    stage.want(mover);
    return mover;
  });
  stage.run(0.1);
  return { stage, movers, last: stage.party(0) };
}

for (const steps of [1, 2, 3]) {
  test(`a line comes free by ${steps} call(s) that move, each make-before-break`, () => {
    const { stage, movers, last } = row(steps);
    assert.deepEqual(
      movers.flatMap((mover) => stage.mayUse(mover)),
      Array.from({ length: steps }, (_, index) => index),
    );
    stage.want(last);
    assert.equal(last.hold.kind, 'waiting');
    assert.deepEqual(stage.mayUse(movers.at(-1)!), [steps - 1, steps], 'on both until it is heard on the new one');
    const since = stage.now;
    while (stage.mayUse(last).length === 0 && stage.now < since + 2 * SECOND_US) {
      stage.tick();
      for (const mover of movers) assert(stage.mayUse(mover).length > 0, 'no call is without a line');
    }
    assert.deepEqual(stage.mayUse(last), [0]);
    assert(stage.now - since <= (steps + 1) * 12 * TICK_US, `after ${(stage.now - since) / MILLISECOND_US} ms`);
    assert.deepEqual(
      movers.flatMap((mover) => stage.mayUse(mover)),
      Array.from({ length: steps }, (_, index) => index + 1),
    );
  });
}

for (const mode of ['paper', 'ranking', 'random'] as const) {
  test(`${mode}: no call moves for another`, () => {
    const stage = new Stage(2, mode, [0.1, 0.2], () => 0.999);
    const { movers, last } = row(1, stage);
    assert.deepEqual(stage.mayUse(movers[0]!), [0]);
    stage.want(last);
    assert.equal(last.hold.kind, 'refused');
    stage.run(3);
    assert.deepEqual(stage.mayUse(movers[0]!), [0]);
  });
}

test('for a call that comes in others move as well, and the next cell finds the line', () => {
  const { stage, last } = row(1);
  assert.equal(stage.allocation.reserve(stage.now, last), undefined);
  stage.run(2 * DRAIN_S);
  assert.equal(stage.allocation.reserve(stage.now, last), stage.lines[0]);
});

test('cells that keep coming in for a call start one row of moves, not one each', () => {
  const stage = new Stage(4, 'augment', [0.1, 0.2, 0.3, 0.4]);
  const movers = [stage.party(0, 2), stage.party(1, 3)];
  for (const mover of movers) stage.want(mover);
  const last = stage.party(0, 1);
  for (let cell = 0; cell < 5; cell += 1) stage.allocation.reserve(stage.now, last);
  assert.deepEqual(
    movers.map((mover) => stage.mayUse(mover).length),
    [2, 1],
  );
});

test('a line that does not come free in two seconds is waited for no longer, and the mover stays where it is', () => {
  const { stage, movers, last } = row(1);
  const [mover] = movers as [Party];
  stage.want(last);
  // It hears that it may and speaks, but not there.
  stage.mute.add(mover);
  stage.deaf.set(mover, stage.lines[0]!);
  stage.run(2);
  assert.equal(last.hold.kind, 'waiting');
  stage.run(2 * TICK_S);
  assert.equal(last.hold.kind, 'refused');
  stage.run(1);
  assert.deepEqual(stage.mayUse(mover), [0], 'the move is cancelled');
  stage.run(DRAIN_S);
  assert.equal(stage.allocation.draining, 0, 'and the line that it did not use is free');
});

test('a promise that has run out is in nobody’s way', () => {
  const { stage, movers, last } = row(1);
  const [mover] = movers as [Party];
  stage.want(last);
  stage.mute.add(mover);
  stage.deaf.set(mover, stage.lines[0]!);
  stage.run(4);
  stage.mute.clear();
  stage.deaf.clear();
  stage.want(last);
  assert.equal(last.hold.kind, 'waiting', 'the same path is tried again');
  stage.run(1);
  assert.deepEqual(stage.mayUse(last), [0]);
});

test('who waits takes any line of his that comes free first', () => {
  const stage = new Stage(3);
  const [mover, other] = [stage.party(0, 2), stage.party(1)];
  for (const party of [mover, other]) stage.want(party);
  const last = stage.party(0, 1);
  stage.want(last);
  assert.equal(last.hold.kind, 'waiting');
  stage.mute.add(mover);
  stage.want(other, false);
  stage.run(DRAIN_S);
  assert.deepEqual(stage.mayUse(last), [1]);
});

test('who hangs up while he waits leaves the line that comes free to others', () => {
  const { stage, last } = row(1);
  stage.want(last);
  stage.want(last, false);
  assert.equal(last.hold.kind, 'none');
  stage.run(2 * DRAIN_S);
  assert.deepEqual(stage.mayUse(last), []);
  const next = stage.party(0);
  stage.want(next);
  assert.deepEqual(stage.mayUse(next), [0]);
});

test('a line that comes free for somebody who is rung is kept for the next ring', () => {
  const { stage, last } = row(1);
  assert.equal(stage.allocation.reserve(stage.now, last), undefined);
  stage.run(2 * DRAIN_S);
  const stranger = stage.party(0);
  stage.want(stranger);
  assert.deepEqual(stage.mayUse(stranger), []);
  assert.equal(stage.allocation.reserve(stage.now, last), stage.lines[0]);
});

test('a mover that hangs up on its way leaves both lines, and who waits has his', () => {
  const { stage, movers, last } = row(1);
  stage.want(last);
  stage.want(movers[0]!, false);
  assert.equal(stage.allocation.draining, 2);
  stage.run(DRAIN_S);
  assert.deepEqual(stage.mayUse(last), [0]);
  assert.equal(stage.allocation.draining, 0);
});

test('a call moves for others at most once in two seconds', () => {
  const stage = new Stage(2);
  const mover = stage.party(0, 1);
  stage.want(mover);
  const first = stage.party(0);
  stage.want(first);
  stage.run(2 * DRAIN_S);
  assert.deepEqual([stage.mayUse(mover), stage.mayUse(first)], [[1], [0]]);
  stage.want(first, false);
  stage.run(DRAIN_S);
  const second = stage.party(1);
  stage.want(second);
  assert.equal(second.hold.kind, 'refused', 'it has moved half a second ago');
  stage.run(2);
  stage.want(second);
  stage.run(2 * DRAIN_S);
  assert.deepEqual([stage.mayUse(mover), stage.mayUse(second)], [[0], [1]]);
});

test('a line that was promised to a call comes too late if that has moved away from a dead one meanwhile', () => {
  const stage = new Stage(4);
  const [party, next, other] = [stage.party(0, 1, 3), stage.party(1, 2), stage.party(3)];
  for (const one of [party, next, other]) stage.want(one);
  stage.run(0.1);
  stage.want(stage.party(0));
  assert.deepEqual(stage.mayUse(next), [1, 2]);
  stage.mute.add(next);
  party.places[0]!.hears = false;
  stage.want(other, false);
  stage.run(0.5);
  assert.deepEqual(stage.mayUse(party), [3]);
  stage.mute.clear();
  for (let tick = 0; tick < 50; tick += 1) {
    stage.tick();
    assert.deepEqual(stage.mayUse(party), [3]);
  }
});

test('a reservation that nobody has claimed does not move for others', () => {
  const stage = new Stage(2);
  const called = stage.party(0, 1);
  stage.mute.add(called);
  stage.allocation.reserve(stage.now, called);
  const party = stage.party(0);
  stage.want(party);
  assert.equal(party.hold.kind, 'refused');
});

// Moves away from what does not work

for (const what of ['silent', 'deaf', 'shunned'] as const) {
  test(`a call leaves a line that is ${what} for it, in every mode but the paper’s`, () => {
    for (const mode of ASSIGNMENT_MODES) {
      const stage = new Stage(2, mode, [0.1, 0.2], () => 0.999);
      const party = stage.party(0, 1);
      stage.want(party);
      stage.run(1);
      const since = stage.now;
      if (what === 'silent') stage.silent.add(stage.lines[0]!);
      else if (what === 'deaf') party.places[0]!.hears = false;
      else stage.lines[0]!.shunned = true;
      while (!stage.mayUse(party).includes(1) && stage.now < since + SECOND_US) stage.tick();
      const tookMs = (stage.now - since) / MILLISECOND_US;
      if (mode === 'paper') assert.deepEqual(stage.mayUse(party), [0]);
      else assert(tookMs <= (what === 'silent' ? 80 : 20), `${mode}: ${tookMs} ms`);
      stage.run(1);
      if (mode !== 'paper') assert.deepEqual(stage.mayUse(party), [1]);
    }
  });
}

test('a call whose only line falls silent stays on it until five seconds are over', () => {
  const stage = new Stage(1);
  const party = stage.party(0);
  stage.want(party);
  stage.run(1);
  stage.silent.add(stage.lines[0]!);
  stage.run(4.9);
  assert.deepEqual(stage.mayUse(party), [0]);
  stage.run(0.2);
  assert.deepEqual(stage.mayUse(party), []);
});

test('others make room for a call whose line has failed', () => {
  const stage = new Stage(3);
  const party = stage.party(0, 1);
  const other = stage.party(1, 2);
  for (const one of [party, other]) stage.want(one);
  stage.run(3);
  assert.deepEqual([stage.mayUse(party), stage.mayUse(other)], [[0], [1]]);
  stage.silent.add(stage.lines[0]!);
  stage.run(1);
  assert.deepEqual([stage.mayUse(party), stage.mayUse(other)], [[1], [2]]);
});

test('a move to a line that fails meanwhile goes on to another one', () => {
  const stage = new Stage(3);
  const party = stage.party(0, 1, 2);
  stage.want(party);
  stage.run(1);
  stage.silent.add(stage.lines[0]!);
  while (!stage.mayUse(party).includes(1)) stage.tick();
  stage.silent.add(stage.lines[1]!);
  stage.run(0.5);
  assert.deepEqual(stage.mayUse(party), [2]);
});

// Leaving and closing

test('a call whose line is gone goes on over another one of its lines, or is over', () => {
  const stage = new Stage(2);
  const party = stage.party(0, 1);
  stage.want(party);
  stage.run(1);
  stage.allocation.leave(stage.now, party, 0);
  assert.deepEqual(stage.mayUse(party), [1]);
  assert.equal(stage.allocation.draining, 1);
  stage.allocation.leave(stage.now, party, 1);
  assert.equal(party.hold.kind, 'none');
  stage.run(DRAIN_S);
  assert.equal(stage.allocation.held + stage.allocation.draining, 0);
});

test('in the paper’s mode a call does not outlive its line', () => {
  const stage = new Stage(2, 'paper');
  const party = stage.party(0, 1);
  stage.want(party);
  stage.allocation.leave(stage.now, party, 0);
  assert.equal(party.hold.kind, 'none');
});

test('a place that no call is on can be left without a trace', () => {
  const stage = new Stage(2);
  const party = stage.party(0, 1);
  stage.want(party);
  stage.changed.length = 0;
  stage.allocation.leave(stage.now, party, 1);
  assert.deepEqual([stage.mayUse(party), stage.changed, stage.allocation.draining], [[0], [], 0]);
});

/** In the middle of a move from line 0 to line 1. */
function moving(): { stage: Stage; party: Party } {
  const stage = new Stage(3);
  const party = stage.party(0, 1);
  stage.want(party);
  stage.run(1);
  stage.want(stage.party(0));
  assert.deepEqual(stage.mayUse(party), [0, 1]);
  return { stage, party };
}

test('a mover that loses the place it goes to stays where it was', () => {
  const { stage, party } = moving();
  stage.allocation.leave(stage.now, party, 1);
  assert.deepEqual(stage.mayUse(party), [0]);
  stage.run(3);
  assert.deepEqual([stage.mayUse(party), stage.allocation.draining], [[0], 0]);
});

test('a mover that loses the place it leaves is there already', () => {
  const { stage, party } = moving();
  stage.allocation.leave(stage.now, party, 0);
  assert.deepEqual(stage.mayUse(party), [1]);
  stage.run(3);
  assert.deepEqual([stage.mayUse(party), stage.allocation.draining], [[1], 0]);
});

test('a call that has to go back to a line of its own that drains holds that line', () => {
  const { stage, party } = moving();
  const [waits] = stage.parties.slice(1) as [Party];
  stage.want(waits, false);
  stage.mute.add(party);
  stage.deaf.set(party, stage.lines[0]!);
  while (stage.mayUse(party).length === 2) stage.tick();
  // The move was cancelled: line 1 drains from this party.
  stage.allocation.leave(stage.now, party, 0);
  stage.deaf.clear();
  stage.mute.clear();
  assert.deepEqual(stage.mayUse(party), [1]);
  stage.run(6);
  const other = stage.party(1);
  stage.want(other);
  assert.deepEqual([stage.mayUse(party), stage.mayUse(other)], [[1], []]);
});

test('a line that is closed has nobody on it, and nobody comes', () => {
  const { stage, party } = moving();
  for (const line of [0, 1]) stage.allocation.close(stage.now, stage.lines[line]!);
  assert.deepEqual(stage.mayUse(party), []);
  assert.deepEqual([stage.allocation.held, stage.allocation.draining], [0, 0]);
  stage.want(party);
  assert.equal(party.hold.kind, 'refused');
});
