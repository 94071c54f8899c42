import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import * as special from '../../../../evaluation/traffic/special.ts';
import { assertNear } from './near.ts';

// Reference values: SciPy 1.17.1 (gammaln, gammaincc, erfc, ndtri, betainc, stats.t).

test('the special functions equal reference values', () => {
  const rows: [name: string, is: number, should: number][] = [
    ['lnGamma(0.25)', special.lnGamma(0.25), 1.2880225246980774],
    ['lnGamma(123.4)', special.lnGamma(123.4), 469.3360974421906],
    ['Q(0.5, 0.1)', special.gammaQ(0.5, 0.1), 0.6547208460185768],
    ['Q(0.5, 30)', special.gammaQ(0.5, 30), 9.485737571073857e-15],
    ['Q(1, 2)', special.gammaQ(1, 2), 0.1353352832366127],
    ['Q(4.5, 3)', special.gammaQ(4.5, 3), 0.7399182920946538],
    ['Q(128, 100)', special.gammaQ(128, 100), 0.9960053797059645],
    ['Q(128, 160)', special.gammaQ(128, 160), 0.004013073884195662],
    ['erfc(-1.5)', special.erfc(-1.5), 1.9661051464753108],
    ['erfc(0.3)', special.erfc(0.3), 0.6713732405408726],
    ['erfc(2)', special.erfc(2), 0.004677734981047266],
    ['erfc(6)', special.erfc(6), 2.1519736712498913e-17],
    ['quantile(1e-10)', special.normalQuantile(1e-10), -6.361340902404056],
    ['quantile(0.001)', special.normalQuantile(0.001), -3.090232306167813],
    ['quantile(0.3)', special.normalQuantile(0.3), -0.5244005127080409],
    ['quantile(0.975)', special.normalQuantile(0.975), 1.959963984540054],
    ['I(2, 3, 0.4)', special.betaI(2, 3, 0.4), 0.5248],
    ['I(0.5, 0.5, 0.1)', special.betaI(0.5, 0.5, 0.1), 0.20483276469913345],
    ['I(50, 0.5, 0.99)', special.betaI(50, 0.5, 0.99), 0.3173043978741973],
    ['I(0.5, 20, 0.02)', special.betaI(0.5, 20, 0.02), 0.6283343133368391],
    ['t(5) beyond 2', special.studentTail(2, 5), 0.050969739414929174],
    ['t(3) beyond -1', special.studentTail(-1, 3), 0.8044988905221148],
    ['t(1000) beyond 4', special.studentTail(4, 1000), 3.400495960439082e-5],
    ['t(1.7) beyond 0.5', special.studentTail(0.5, 1.7), 0.3370922624621639],
    ['t(4) quantile 0.95', special.studentQuantile(0.95, 4), 2.1318467863266495],
    ['t(1000) quantile 0.975', special.studentQuantile(0.975, 1000), 1.9623390808264083],
  ];
  for (const [name, is, should] of rows) assertNear(is, should, 1e-11, name);
  assertNear(special.gammaQ(8192, 8392), 0.01405838439463404, 1e-10, 'Q(8192, 8392)');
});

test('the normal quantile undoes the distribution function', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true }), (p) => {
      assertNear(special.normalCdf(special.normalQuantile(p)), p, 1e-9);
    }),
  );
});

test('refuses arguments outside the domain', () => {
  assert.throws(() => special.gammaQ(0, 1), /gammaQ needs a > 0 and x >= 0, not 0 and 1/);
  assert.throws(() => special.gammaQ(1, Number.NaN), RangeError);
  assert.throws(() => special.normalQuantile(1), /between 0 and 1, not 1/);
});
