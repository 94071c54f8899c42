/** Uniform in [0, 1). Everything here that draws takes one, so that a seed repeats a verdict. */
export type Random = () => number;

/**
 * xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), 32 bits per call: for
 * experiments, not for keys. The state is four words, not all zero.
 */
export function xoshiro(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state;
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
}

/** A generator from any integer; its state is spread by the finalizer of MurmurHash3. */
export function seeded(seed: number): Random {
  const word = (i: number) => {
    let h = Math.imul(seed | 0, 0x9e3779b1) + Math.imul(i + 1, 0x85ebca77);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 16);
  };
  const next = xoshiro([word(0), word(1), word(2), word(3) | 1]);
  return () => next() / 2 ** 32;
}

/** Shuffles in place (Fisher and Yates). */
export function shuffle(values: { [index: number]: number; readonly length: number }, random: Random): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const value = values[i];
    values[i] = values[j];
    values[j] = value;
  }
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}
