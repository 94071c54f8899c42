import assert from 'node:assert/strict';
import test from 'node:test';
import { type Random, seeded } from '../../../../evaluation/traffic/random.ts';
import { matchedFilter, watermarkVerdict } from '../../../../evaluation/traffic/watermark.ts';
import { gaussian } from './links.ts';

const TICKS = 200;
const LAGS = 10;
const TRIALS = 4000;
/** On for ten ticks or so, off for ten or so. */
const pattern = (() => {
  const random = seeded(9);
  let on = 0;
  return Float64Array.from({ length: TICKS }, () => {
    if (random() < 0.1) on = 1 - on;
    return on;
  });
})();

/** What passes the mix, deviations in µs: timer noise, and the pattern at `strengthUs` and an unknown delay. */
function seen(random: Random, strengthUs: number): Float64Array {
  const lag = Math.floor(random() * (LAGS + 1));
  return Float64Array.from({ length: TICKS + LAGS }, (_, i) => {
    const mark = i >= lag && i < lag + TICKS ? pattern[i - lag] : 0;
    return 100 * gaussian(random) + strengthUs * mark;
  });
}

const outputs = (random: Random, strengthUs: number) =>
  Float64Array.from({ length: TRIALS }, () => matchedFilter(seen(random, strengthUs), pattern, LAGS));

test('the pattern itself correlates fully, late, scaled, turned around or on an offset', () => {
  const late = new Float64Array(TICKS + LAGS).fill(5e11);
  pattern.forEach((value, i) => {
    late[i + 7] -= 40 * value;
  });
  assert.ok(matchedFilter(late, pattern, LAGS) > 0.999);
  assert.equal(matchedFilter(new Float64Array(TICKS + LAGS), pattern, LAGS), 0, 'a constant');
});

test('a watermark of a quarter of the noise is detected past the mix', (t) => {
  const random = seeded(1);
  const verdict = watermarkVerdict(outputs(random, 25), outputs(random, 0));
  t.diagnostic(`area ${verdict.auc}`);
  assert.ok(verdict.leaks && verdict.interval[0] > 0.6, `${verdict.interval}`);
});

test('a mix that sends on its own clock leaves nothing to detect', () => {
  // The interval of 4000 trials reaches 0.013 to each side: under the bar of 0.52 luck alone would fail one seed in three.
  const random = seeded(2);
  const verdict = watermarkVerdict(outputs(random, 0), outputs(random, 0), 0.54);
  assert.ok(verdict.passes && !verdict.leaks, `${verdict.interval}`);
});

test('refuses too few trials and too short series', () => {
  assert.throws(() => watermarkVerdict(new Float64Array(100), new Float64Array(100)), /takes 1602 of each class/);
  assert.throws(() => matchedFilter(new Float64Array(TICKS), pattern, 1), /200 ticks are too few/);
});
