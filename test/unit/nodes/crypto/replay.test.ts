import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { REPLAY_WINDOW, ReplayWindow } from '../../../../nodes/crypto/replay.ts';

const LAST = 2 ** 32 - 1;
const W = REPLAY_WINDOW;

/** One window, in this order: the counter that comes and whether it is taken. */
const TABLE: readonly (readonly [counter: number, taken: boolean])[] = [
  /*  1 */ [0, true],
  /*  2 */ [0, false],
  /*  3 */ [1, true],
  /*  4 */ [1, false],
  /*  5 */ [9, true],
  /*  6 */ [8, true],
  /*  7 */ [7, true],
  /*  8 */ [7, false],
  /*  9 */ [31, true],
  /* 10 */ [32, true],
  /* 11 */ [31, false],
  /* 12 */ [32, false],
  /* 13 */ [W, true],
  /* 14 */ [0, false],
  /* 15 */ [2, true],
  /* 16 */ [W + 2, true],
  /* 17 */ [2, false],
  /* 18 */ [1, false],
  /* 19 */ [3, true],
  /* 20 */ [W + 4, true],
  /* 21 */ [3, false],
  /* 22 */ [4, true],
  /* 23 */ [W * 5, true],
  /* 24 */ [W * 4 - 1, false],
  /* 25 */ [W * 4, true],
  /* 26 */ [W * 4, false],
  /* 27 */ [W * 4 + 1, true],
  /* 28 */ [W * 5 + 256, true],
  /* 29 */ [W * 5, false],
  /* 30 */ [W * 5 + 255, true],
  /* 31 */ [2 ** 31 - 1, true],
  /* 32 */ [2 ** 31, true],
  /* 33 */ [2 ** 31 - 1, false],
  /* 34 */ [2 ** 31 - 2, true],
  /* 35 */ [W * 5 + 254, false],
  /* 36 */ [LAST, true],
  /* 37 */ [LAST - 1, true],
  /* 38 */ [LAST - W, true],
  /* 39 */ [LAST - W - 1, false],
  /* 40 */ [LAST, false],
];

test('takes and refuses, row by row', () => {
  const window = new ReplayWindow();
  for (const [index, [counter, taken]] of TABLE.entries()) {
    assert.equal(window.isFresh(counter), taken, `row ${index + 1}: ${counter}`);
    if (taken) window.mark(counter);
  }
});

test('looking does not mark', () => {
  const window = new ReplayWindow();
  assert(window.isFresh(5) && window.isFresh(5));
  window.mark(5);
  assert(!window.isFresh(5));
});

test('agrees with a set of all counters seen, of which those too far behind are refused', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) },
    { weight: 4, arbitrary: fc.integer({ min: -W - 3, max: 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 3 * W }) },
  );
  const start = fc.constantFrom(0, 1, 31, 32, 255, 2 ** 31 - 50, 2 ** 32 - 5 * W);
  fc.assert(
    fc.property(start, fc.array(step, { maxLength: 400, size: 'max' }), (first, steps) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = -1;
      let at = first;
      for (const [index, by] of [0, ...steps].entries()) {
        at = Math.min(LAST, Math.max(0, (by < 0 ? highest : at) + by));
        const fresh = !seen.has(at) && at >= highest - W;
        assert.equal(window.isFresh(at), fresh, `step ${index}: ${at}, highest ${highest}`);
        if (!fresh) continue;
        window.mark(at);
        seen.add(at);
        highest = Math.max(highest, at);
      }
    }),
  );
});
