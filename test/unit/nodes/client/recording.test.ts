import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MULAW_SILENCE } from '../../../../nodes/client/g711.ts';
import { Recording } from '../../../../nodes/client/recording.ts';
import { MILLISECOND_US } from '../../../../nodes/core/units.ts';
import { TICK_US } from '../../../../nodes/wire/constants.ts';

const VOICE_BYTES = 4;
const FIRST_US = 1_000_000_000;
const JITTER_US = 60 * MILLISECOND_US;

/** Frame n is filled with n + 1. */
const frame = (counter: number) => new Uint8Array(VOICE_BYTES).fill(counter + 1);

interface Arrival {
  readonly counter: number;
  /** Behind the instant at which it would have come had it been as fast as frame 0. */
  readonly lateUs?: number;
  readonly oneWayUs?: number;
  readonly roundTripUs?: number;
}

function record(seconds: number, arrivals: readonly Arrival[]): Recording {
  const recording = new Recording(VOICE_BYTES, seconds);
  for (const { counter, lateUs = 0, oneWayUs = 100_000, roundTripUs } of arrivals)
    recording.heard(FIRST_US + counter * TICK_US + lateUs, counter, frame(counter), { oneWayUs, roundTripUs });
  return recording;
}

const counters = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ counter: from + i }));
/** What is heard in each frame: the byte that fills it. */
const heard = (recording: Recording) => [...recording.voice()].filter((_byte, at) => at % VOICE_BYTES === 0);

test('puts frames into their places whatever the order in which they come', () => {
  const order = fc.shuffledSubarray(
    counters(0, 50).map(({ counter }) => counter),
    { minLength: 50 },
  );
  fc.assert(
    fc.property(order, (arriving) => {
      const recording = new Recording(VOICE_BYTES, 1);
      recording.heard(FIRST_US, 0, frame(0), { oneWayUs: 1, roundTripUs: undefined });
      for (const counter of arriving)
        if (counter > 0)
          recording.heard(FIRST_US + JITTER_US, counter, frame(counter), { oneWayUs: 1, roundTripUs: undefined });
      assert.deepEqual(
        heard(recording),
        counters(0, 50).map(({ counter }) => counter + 1),
      );
    }),
    { numRuns: 20 },
  );
});

test('a frame in its last microsecond is played, one a microsecond later is late and counts as lost', () => {
  const inTime = record(1, [{ counter: 0 }, { counter: 1, lateUs: JITTER_US }]);
  assert.deepEqual(inTime.report().frames, { expected: 50, received: 2, late: 0 });
  const late = record(1, [{ counter: 0 }, { counter: 1, lateUs: JITTER_US + 1 }]);
  assert.deepEqual(late.report().frames, { expected: 50, received: 1, late: 1 });
  assert.equal(late.report().lossRatio, 49 / 50);
});

test('one lost frame is hidden by the one before it, a longer gap falls silent', () => {
  const all = counters(0, 50).filter(({ counter }) => ![0, 5, 10, 11, 12].includes(counter));
  const got = heard(record(1, all));
  assert.deepEqual(got.slice(0, 14), [MULAW_SILENCE, 2, 3, 4, 5, 5, 7, 8, 9, 10, 10, MULAW_SILENCE, MULAW_SILENCE, 14]);
});

test('a late frame is hidden as a lost one is', () => {
  assert.deepEqual(
    heard(record(1, [{ counter: 0 }, { counter: 1, lateUs: 1_000_000 }, { counter: 2 }])).slice(0, 3),
    [1, 1, 3],
  );
});

test('after a late frame playing is put off, so that those that are as late are heard', () => {
  const later = counters(2, 50).map((arrival) => ({ ...arrival, lateUs: 80_000 }));
  const recording = record(1, [{ counter: 0 }, { counter: 1, lateUs: 80_000 }, ...later]);
  assert.deepEqual(recording.report().frames, { expected: 50, received: 49, late: 1 });
  assert.equal(recording.report().playoutDelayMs, 40, 'the delay is what was waited for');
});

test('when frames come too early for two seconds, one is left out to catch up, and no more than that', () => {
  const early = counters(1, 600).map((arrival) => ({ ...arrival, lateUs: -30_000 }));
  const { frames, playoutDelayMs } = record(12, [{ counter: 0 }, ...early]).report();
  assert.deepEqual(frames, { expected: 600, received: 599, late: 1 });
  assert.equal(playoutDelayMs, 70);
});

test('the first frame that comes sets the clock, whichever it is', () => {
  const recording = record(1, [{ counter: 3 }, { counter: 2, lateUs: 30_000 }, { counter: 1, lateUs: 61_000 }]);
  assert.deepEqual(recording.report().frames, { expected: 50, received: 2, late: 1 });
});

test('frames behind the end are nobody’s', () => {
  const recording = record(1, [{ counter: 50 }, { counter: 1000 }]);
  assert.deepEqual(recording.report().frames, { expected: 50, received: 0, late: 0 });
  assert.equal(recording.complete(Number.MAX_SAFE_INTEGER), false, 'and they do not start the clock');
});

test('is whole once the last frame’s instant has passed, and not before the first frame', () => {
  assert.equal(new Recording(VOICE_BYTES, 1).complete(Number.MAX_SAFE_INTEGER), false);
  const recording = record(2, [{ counter: 0 }]);
  const end = FIRST_US + JITTER_US + 100 * TICK_US;
  assert.equal(recording.complete(end), false);
  assert.equal(recording.complete(end + 1), true);
});

test('reports medians and loss of every second by itself, and null where nothing came', () => {
  const first = [90, 100, 110].map((ms, i) => ({ counter: i, oneWayUs: ms * 1000, roundTripUs: ms * 2000 }));
  const third = counters(100, 150).map((arrival) => ({ ...arrival, oneWayUs: 120_000 }));
  const report = record(3, [...first, ...third]).report();
  assert.deepEqual(report.seconds, [
    { oneWayMs: 100, rttMs: 200, lossRatio: 1 - 3 / 50 },
    { oneWayMs: null, rttMs: null, lossRatio: 1 },
    { oneWayMs: 120, rttMs: null, lossRatio: 0 },
  ]);
  assert.equal(report.oneWayMsMedian, 120);
  assert.equal(report.lossRatio, 1 - 53 / 150);
  assert.equal(report.playoutDelayMs, 60);
});

test('the playout delay is what the buffer adds: less for frames that came later than the first', () => {
  const arrivals = counters(0, 50).map(({ counter }) => ({ counter, lateUs: counter === 0 ? 0 : 15_000 }));
  assert.equal(record(1, arrivals).report().playoutDelayMs, 45);
});

test('an empty recording is silence and says so', () => {
  const recording = new Recording(VOICE_BYTES, 1);
  assert(recording.voice().every((byte) => byte === MULAW_SILENCE));
  assert.equal(recording.report().lossRatio, 1);
});
