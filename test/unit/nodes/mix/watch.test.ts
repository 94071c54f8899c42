import assert from 'node:assert/strict';
import test from 'node:test';
import { Presence } from '../../../../nodes/mix/watch.ts';
import { CONTROL_WINDOW_BITS } from '../../../../nodes/wire/constants.ts';

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
