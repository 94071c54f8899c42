import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { BANDS, bandOf, delayMsAtR, meanOpinionScore, rFactor } from '../../../../evaluation/quality/emodel.ts';

// Computed from the published formulas by hand; Figure 7 of the paper draws its bands at these delays.
const CROSSINGS = [
  { r: 90, delayMs: 175.0 },
  { r: 80, delayMs: 251.5 },
  { r: 70, delayMs: 326.1 },
  { r: 60, delayMs: 400.8 },
  { r: 50, delayMs: 475.4 },
];

for (const { r, delayMs } of CROSSINGS) {
  test(`a path without loss falls to R = ${r} at ${delayMs.toFixed(1)} ms`, () => {
    assert.equal(delayMsAtR(r).toFixed(1), delayMs.toFixed(1));
    assert.ok(rFactor({ delayMs: delayMs - 0.1, lossRatio: 0 }) > r);
    assert.ok(rFactor({ delayMs: delayMs + 0.1, lossRatio: 0 }) < r);
  });
}

test('the delay at an R is the inverse of R', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 2000, noNaN: true }), (delayMs) => {
      assert.ok(Math.abs(delayMsAtR(rFactor({ delayMs, lossRatio: 0 })) - delayMs) < 1e-6);
    }),
  );
});

const SCORES = [
  { r: -1, mos: '1.00' },
  { r: 3, mos: '1.00' },
  { r: 50, mos: '2.58' },
  { r: 60, mos: '3.10' },
  { r: 70, mos: '3.60' },
  { r: 80, mos: '4.02' },
  { r: 90, mos: '4.34' },
  { r: 93.2, mos: '4.41' },
  { r: 101, mos: '4.50' },
];

for (const { r, mos } of SCORES) {
  test(`R = ${r} is an opinion score of ${mos}`, () => assert.equal(meanOpinionScore(r).toFixed(2), mos));
}

const LOSS_COSTS = [
  { percent: 1, cost: '4.2' },
  { percent: 3, cost: '11.1' },
  { percent: 5, cost: '16.8' },
  { percent: 10, cost: '27.5' },
  { percent: 20, cost: '41.6' },
];

for (const { percent, cost } of LOSS_COSTS) {
  test(`${percent} % of random loss costs ${cost} points of R`, () => {
    const lossless = rFactor({ delayMs: 100, lossRatio: 0 });
    assert.equal((lossless - rFactor({ delayMs: 100, lossRatio: percent / 100 })).toFixed(1), cost);
  });
}

test('neither more delay nor more loss ever makes a call better', () => {
  const delay = fc.double({ min: 0, max: 2000, noNaN: true });
  const loss = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(delay, delay, loss, loss, (d1, d2, e1, e2) => {
      const better = rFactor({ delayMs: Math.min(d1, d2), lossRatio: Math.min(e1, e2) });
      const worse = rFactor({ delayMs: Math.max(d1, d2), lossRatio: Math.max(e1, e2) });
      assert.ok(worse <= better);
      assert.ok(meanOpinionScore(worse) <= meanOpinionScore(better));
    }),
  );
});

test('a lower bound belongs to its band, and what is just below to the next', () => {
  for (const [i, band] of BANDS.slice(0, -1).entries()) {
    assert.equal(bandOf(band.rMin), band.name);
    assert.equal(bandOf(band.rMin - 1e-9), BANDS[i + 1].name);
  }
  assert.equal(bandOf(-20), 'not recommended');
});

test('names every argument that is out of range', () => {
  assert.throws(
    () => rFactor({ delayMs: -1, lossRatio: 1.5 }),
    /delayMs must be .* not -1; lossRatio must be .* not 1.5/,
  );
  assert.throws(() => rFactor({ delayMs: Number.NaN, lossRatio: 0 }), /delayMs/);
  assert.throws(() => bandOf(Number.NaN), /r must be a number/);
  assert.throws(() => delayMsAtR(95), /at most 94.2, not 95/);
});
