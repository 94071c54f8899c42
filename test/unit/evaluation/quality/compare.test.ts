import assert from 'node:assert/strict';
import test from 'node:test';
import { compareRecordings } from '../../../../evaluation/quality/compare.ts';
import { delayed, noise, speechLike, throughMuLaw, withLoss } from './signals.ts';

const SENT = speechLike(10, 7);

test('a recording that arrives unchanged scores the most there is', () => {
  assert.deepEqual(compareRecordings(SENT, SENT), { lagMs: 0, segmentalSnrDb: 35, framesPresent: 1 });
});

for (const lagMs of [-200, 0.125, 60, 333, 1800, 4900]) {
  test(`finds a recording that lies ${lagMs} ms later`, () => {
    const result = compareRecordings(SENT, delayed(SENT, lagMs));
    assert.equal(result.lagMs, lagMs);
    assert.ok(result.segmentalSnrDb > (lagMs < 0 ? 33 : 34.99), `${result.segmentalSnrDb} dB`);
  });
}

test('µ-law coding and a constant gain leave more than 30 dB and every frame', () => {
  for (const gain of [0.25, 1, 1.4]) {
    const heard = throughMuLaw(delayed(SENT, 120).map((sample) => Math.round(gain * sample)));
    const result = compareRecordings(SENT, heard);
    assert.equal(result.lagMs, 120);
    assert.ok(result.segmentalSnrDb > 30, `${result.segmentalSnrDb} dB at gain ${gain}`);
    assert.equal(result.framesPresent, 1);
  }
});

for (const share of [0.01, 0.05, 0.2]) {
  test(`${100 * share} % of lost frames are counted, and each costs its own 35 dB and no other frame's`, () => {
    const result = compareRecordings(SENT, withLoss(SENT, share, 3));
    const lost = 1 - result.framesPresent;
    assert.ok(lost > share / 3 && lost < share * 2, `${lost} lost`);
    assert.ok(Math.abs(result.segmentalSnrDb - 35 * (1 - lost)) < 0.1, `${result.segmentalSnrDb} dB`);
  });
}

test('a call that breaks off keeps the part that was heard', () => {
  const result = compareRecordings(SENT, SENT.subarray(0, SENT.length / 2));
  assert.ok(result.framesPresent > 0.4 && result.framesPresent < 0.6, `${result.framesPresent} present`);
});

for (const [what, heard] of [
  ['silence', new Int16Array(12 * 8000)],
  ['nothing at all', new Int16Array(0)],
  ['noise', noise(12, 5)],
  ['another recording', speechLike(12, 8)],
  ['a recording backwards', SENT.slice().reverse()],
  ['a constant tone', Int16Array.from({ length: 96000 }, (_, i) => Math.round(8000 * Math.sin(i / 5)))],
] as const) {
  test(`${what} is no call`, () => {
    const result = compareRecordings(SENT, heard);
    assert.ok(result.segmentalSnrDb < 0.5, `${result.segmentalSnrDb} dB`);
    assert.ok(result.framesPresent < 0.05, `${result.framesPresent} present`);
  });
}

test('a playout that shifts by 5 ms in the middle costs the half after it', () => {
  const half = SENT.length / 2;
  const heard = Int16Array.of(...SENT.subarray(0, half), ...new Int16Array(40), ...SENT.subarray(half));
  const { segmentalSnrDb } = compareRecordings(SENT, heard);
  assert.ok(segmentalSnrDb < 20, `${segmentalSnrDb} dB`);
});

test('two recordings of 15 s are compared in less than a second', () => {
  const sent = speechLike(15, 9);
  const heard = delayed(sent, 700);
  const start = process.cpuUsage();
  compareRecordings(sent, heard);
  const { user, system } = process.cpuUsage(start);
  assert.ok(user + system < 1e6, `${(user + system) / 1000} ms of processor time`);
});

test('a silent original cannot be compared with', () => {
  assert.throws(() => compareRecordings(new Int16Array(8000), SENT), /sent holds no sound/);
  assert.throws(() => compareRecordings(new Int16Array(0), SENT), /sent holds no sound/);
});
