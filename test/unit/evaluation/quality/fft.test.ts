import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Spectrum, transform } from '../../../../evaluation/quality/fft.ts';

/** The slow twin: the definition of the transform, term by term. */
function byDefinition({ re, im }: Spectrum): Spectrum {
  const n = re.length;
  const out = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let k = 0; k < n; k++) {
    for (let i = 0; i < n; i++) {
      const angle = (-2 * Math.PI * k * i) / n;
      out.re[k] += re[i] * Math.cos(angle) - im[i] * Math.sin(angle);
      out.im[k] += re[i] * Math.sin(angle) + im[i] * Math.cos(angle);
    }
  }
  return out;
}

function assertNear(is: Float64Array, should: Float64Array): void {
  for (let i = 0; i < should.length; i++) assert.ok(Math.abs(is[i] - should[i]) < 1e-6, `element ${i}`);
}

const numbers = (length: number) =>
  fc.array(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: length, maxLength: length });
const signals = fc
  .integer({ min: 0, max: 6 })
  .chain((log) => fc.tuple(numbers(2 ** log), numbers(2 ** log)))
  .map(([re, im]) => ({ re: Float64Array.from(re), im: Float64Array.from(im) }));

test('equals the definition of the transform', () => {
  fc.assert(
    fc.property(signals, (signal) => {
      const expected = byDefinition(signal);
      transform(signal);
      assertNear(signal.re, expected.re);
      assertNear(signal.im, expected.im);
    }),
  );
});

test('is undone by itself with real and imaginary parts exchanged', () => {
  fc.assert(
    fc.property(signals, (signal) => {
      const original = signal.re.map((value) => value * signal.re.length);
      transform(signal);
      transform({ re: signal.im, im: signal.re });
      assertNear(signal.re, original);
    }),
  );
});

test('refuses a length that is no power of two', () => {
  assert.throws(() => transform({ re: new Float64Array(6), im: new Float64Array(6) }), /power of two, not 6 and 6/);
});
