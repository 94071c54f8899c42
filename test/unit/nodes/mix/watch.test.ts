import assert from 'node:assert/strict';
import test from 'node:test';
import { type Carried, Presence, Service } from '../../../../nodes/mix/watch.ts';
import { CONTROL_WINDOW_BITS, HEARD_WINDOW } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';

const WINDOW = 2 ** CONTROL_WINDOW_BITS;

interface Second {
  readonly named?: number;
  readonly heard?: number;
  readonly signals?: number;
  readonly rounds?: number;
  readonly otherWell?: boolean;
  readonly mostWell?: boolean;
}

/** The seconds after which there was a mark. */
function marks(seconds: readonly Second[]): number[] {
  const presence = new Presence();
  return seconds.flatMap(
    ({ named = 50, heard = 50, signals = 5, rounds = 50, otherWell = true, mostWell = true }, at) => {
      for (let i = 0; i < signals; i += 1) presence.told(heard, 0, 0);
      presence.named = named;
      return presence.close(rounds, otherWell, mostWell) ? [at + 1] : [];
    },
  );
}

const times = (count: number, second: Second) => new Array<Second>(count).fill(second);

test('five bad seconds in a row are a mark; one good one between them begins anew', () => {
  for (const bad of [{ named: 24 }, { heard: 24 }, { signals: 0 }]) {
    assert.deepEqual(marks(times(12, bad)), [5, 10]);
    assert.deepEqual(marks([...times(4, bad), {}, ...times(4, bad)]), []);
  }
  assert.deepEqual(marks(times(20, { named: 25, heard: 25, signals: 1 })), []);
});

test('no mark while the client does not do well elsewhere, or the rounds do not come: that is an outage', () => {
  assert.deepEqual(marks(times(20, { named: 10, otherWell: false })), []);
  assert.deepEqual(marks(times(20, { named: 10, rounds: 30 })), []);
});

test('one that is not heard at all is a mark only while most others of the channel are', () => {
  assert.deepEqual(marks(times(20, { named: 0, mostWell: false })), []);
  assert.deepEqual(marks(times(5, { named: 0 })), [5]);
  assert.deepEqual(marks(times(5, { named: 1, mostWell: false })), [5]);
});

test('control cells that do not open make deaf, by the client’s word for a window that is over', () => {
  const down = 77 * WINDOW + 3;
  const presence = new Presence();
  for (let d = down; d < down + 3 * WINDOW; d += 20) presence.addressed(d);
  const over = ((down + 3 * WINDOW - 20) >>> CONTROL_WINDOW_BITS) - 1;
  presence.told(50, (over - 1) & 0xff, 0);
  assert.equal(presence.deaf, false, 'of another window');
  presence.told(50, over & 0xff, 12);
  assert.equal(presence.deaf, true);
  presence.told(50, over & 0xff, 13);
  assert.equal(presence.deaf, false);
});

test('the first window, which began before the attachment did, tells nothing', () => {
  const presence = new Presence();
  const down = 5 * WINDOW - 100;
  for (let d = down; d < 5 * WINDOW + 40; d += 10) presence.addressed(d);
  presence.told(50, 4, 0);
  assert.equal(presence.deaf, false);
});

test('what an attachment has carried is told once it was named in a window before', () => {
  const presence = new Presence();
  presence.told(48, 0, 0);
  assert.equal(presence.carried, undefined);
  presence.close(50, true, true);
  assert.equal(presence.carried, undefined, 'it has never been named');
  presence.named = 20;
  presence.close(50, true, true);
  presence.named = 49;
  assert.deepEqual(presence.carried, { up: 49, down: 48 });
});

/** After how many windows it is found unserviceable; Infinity if not within the limit. */
function foundAfter(limit: number, window: (at: number) => readonly Carried[]): number {
  const service = new Service();
  for (let at = 1; at <= limit; at += 1) if (service.close(window(at))) return at;
  return Infinity;
}

const both = (count: number): Carried => ({ up: count, down: count });
const HOUR = 3600;

test('a superpeer that carries nothing is unserviceable after a minute, one that carries seven tenths after fifteen', () => {
  const three = (carried: Carried) => () => [carried, carried, carried];
  assert.equal(foundAfter(HOUR, three(both(0))), 61);
  for (const carried of [both(35), { up: 35, down: 50 }, { up: 50, down: 35 }])
    assert.equal(foundAfter(HOUR, three(carried)), 901);
  assert.equal(foundAfter(HOUR, three(both(38))), Infinity);
});

test('a fifth lost at random is never too little, three tenths always are within twenty minutes', () => {
  const random = new SeededRandom('service');
  const count = (share: number) => {
    let carried = 0;
    for (let tick = 0; tick < HEARD_WINDOW; tick += 1) if (random.next() < share) carried += 1;
    return carried;
  };
  const losing = (share: number) => () =>
    Array.from({ length: 5 }, () => ({ up: count(1 - share), down: count(1 - share) }));
  for (let trial = 0; trial < 5; trial += 1) {
    assert.equal(foundAfter(2 * HOUR, losing(0.2)), Infinity);
    assert(foundAfter(1200, losing(0.3)) <= 1200);
  }
});

test('outages of ten seconds are paid for by half a minute of good service', () => {
  const outage = (period: number) => (at: number) =>
    new Array<Carried>(4).fill(both(at % period < 10 ? 0 : HEARD_WINDOW));
  assert.equal(foundAfter(24 * HOUR, outage(40)), Infinity);
  assert(foundAfter(HOUR, outage(30)) < HOUR);
});

test('half of the judges can say what they like, and two or fewer judge nobody', () => {
  const liar = both(0);
  const honest = both(HEARD_WINDOW);
  for (const judges of [[liar, liar], [liar], [], [liar, honest, honest], [liar, liar, honest, honest]])
    assert.equal(
      foundAfter(HOUR, () => judges),
      Infinity,
      `${judges.length}`,
    );
  assert.equal(
    foundAfter(HOUR, () => [liar, liar, honest]),
    61,
  );
});
