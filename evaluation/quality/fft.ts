/** Complex numbers, real and imaginary parts apart; the length is a power of two. */
export interface Spectrum {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * The discrete Fourier transform, in place: iterative radix 2 (Cooley and Tukey, 1965), O(n log n), unscaled.
 * Exchange `re` and `im` to get the inverse, n times too large.
 */
export function transform({ re, im }: Spectrum): void {
  const n = re.length;
  if (n < 1 || (n & (n - 1)) !== 0 || im.length !== n) {
    throw new RangeError(`re and im must share a length that is a power of two, not ${n} and ${im.length}`);
  }
  reverseBits(re);
  reverseBits(im);
  const cos = new Float64Array(n / 2).map((_, k) => Math.cos((-2 * Math.PI * k) / n));
  const sin = new Float64Array(n / 2).map((_, k) => Math.sin((-2 * Math.PI * k) / n));
  for (let half = 1; half < n; half *= 2) {
    const turn = n / 2 / half;
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const a = start + k;
        const b = a + half;
        const oddRe = re[b] * cos[k * turn] - im[b] * sin[k * turn];
        const oddIm = re[b] * sin[k * turn] + im[b] * cos[k * turn];
        re[b] = re[a] - oddRe;
        im[b] = im[a] - oddIm;
        re[a] += oddRe;
        im[a] += oddIm;
      }
    }
  }
}

/** Moves each element to the index whose bits are those of its own, read backwards. */
function reverseBits(values: Float64Array): void {
  for (let i = 1, j = 0; i < values.length; i++) {
    let bit = values.length >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [values[i], values[j]] = [values[j], values[i]];
  }
}
