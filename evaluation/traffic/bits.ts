/**
 * Network.md, case 17: do ciphertexts look like coin tosses? Eight tests of NIST SP 800-22 rev. 1a, by its section
 * numbers, and its rule for many sequences (section 4.2). They catch a bias or a structure; they prove no secrecy: a
 * keystream used twice passes each of them, and only the XOR of the two ciphertexts does not.
 *
 * Bits are one per byte, 0 or 1. Each test gives p-values, uniform in 0..1 for fair bits.
 */

import { holm } from './samples.ts';
import { betaI, erfc, gammaQ, normalCdf } from './special.ts';

/** The bits of bytes, most significant first. */
export function unpack(bytes: Uint8Array): Uint8Array {
  const bits = new Uint8Array(bytes.length * 8);
  for (let i = 0; i < bits.length; i++) bits[i] = (bytes[i >> 3] >> (7 - (i & 7))) & 1;
  return bits;
}

/** 2.1 Frequency: as many ones as zeros? n ≥ 100. */
export function monobit(bits: Uint8Array): number {
  const n = bits.length;
  return erfc(Math.abs(2 * countOnes(bits) - n) / Math.sqrt(2 * n));
}

/** 2.2 Frequency within blocks of `m` bits, m ≥ 20, m > 0.01 n. A rest is left out. */
export function blockFrequency(bits: Uint8Array, m: number): number {
  const blocks = Math.floor(bits.length / m);
  let sum = 0;
  for (let b = 0; b < blocks; b++) sum += (countOnes(bits.subarray(b * m, (b + 1) * m)) / m - 0.5) ** 2;
  return gammaQ(blocks / 2, 2 * m * sum);
}

/** 2.3 Runs: do zeros and ones alternate as often as they should? n ≥ 100; 0 when the frequency is off already. */
export function runs(bits: Uint8Array): number {
  const n = bits.length;
  const share = countOnes(bits) / n;
  if (Math.abs(share - 0.5) >= 2 / Math.sqrt(n)) return 0;
  let count = 1;
  for (let i = 1; i < n; i++) if (bits[i] !== bits[i - 1]) count += 1;
  const spread = share * (1 - share);
  return erfc(Math.abs(count - 2 * n * spread) / (2 * Math.sqrt(2 * n) * spread));
}

/** Of 2.4, by the bits at hand: block length, longest runs that fall into the first and the last class, chances. */
const LONGEST_RUNS = [
  { bitsMin: 750_000, m: 10_000, low: 10, chances: [0.0882, 0.2092, 0.2483, 0.1933, 0.1208, 0.0675, 0.0727] },
  { bitsMin: 6272, m: 128, low: 4, chances: [0.1174, 0.243, 0.2493, 0.1752, 0.1027, 0.1124] },
  { bitsMin: 128, m: 8, low: 1, chances: [0.2148, 0.3672, 0.2305, 0.1875] },
];

/** 2.4 The longest run of ones in blocks whose length follows from n ≥ 128. */
export function longestRun(bits: Uint8Array): number {
  const row = LONGEST_RUNS.find(({ bitsMin }) => bits.length >= bitsMin);
  if (row === undefined) throw new RangeError(`the longest run needs 128 bits, not ${bits.length}`);
  const { m, low, chances } = row;
  const blocks = Math.floor(bits.length / m);
  const classes = new Uint32Array(chances.length);
  for (let b = 0; b < blocks; b++) {
    let [run, longest] = [0, 0];
    for (let i = b * m; i < (b + 1) * m; i++) {
      run = bits[i] === 1 ? run + 1 : 0;
      if (run > longest) longest = run;
    }
    classes[Math.min(chances.length - 1, Math.max(0, longest - low))] += 1;
  }
  return chiSquareP(classes, chances, blocks);
}

const RANK_SIZE = 32;
/** Chances of full rank, one below, and less, for random 32 × 32 matrices over GF(2): section 3.5. */
const RANK_CHANCES = [0.2887880951538411, 0.5775761901732048, 0.1336357146729541];

/** 2.5 The rank of 32 × 32 matrices over GF(2): linear dependence. n ≥ 38 912; a rest is left out. */
export function matrixRank(bits: Uint8Array): number {
  const matrices = Math.floor(bits.length / RANK_SIZE ** 2);
  if (matrices < 38) throw new RangeError(`the rank needs ${38 * RANK_SIZE ** 2} bits, not ${bits.length}`);
  const classes = new Uint32Array(3);
  const rows = new Uint32Array(RANK_SIZE);
  for (let i = 0; i < matrices; i++) {
    rows.fill(0);
    for (let k = 0; k < RANK_SIZE ** 2; k++) {
      const row = Math.floor(k / RANK_SIZE);
      rows[row] = (rows[row] << 1) | bits[i * RANK_SIZE ** 2 + k];
    }
    classes[Math.min(2, RANK_SIZE - rankOverGf2(rows))] += 1;
  }
  return chiSquareP(classes, RANK_CHANCES, matrices);
}

/** Gauss' elimination, in place. */
function rankOverGf2(rows: Uint32Array): number {
  let rank = 0;
  for (let column = 0; column < RANK_SIZE; column++) {
    const bit = (1 << column) >>> 0;
    let pivot = rank;
    while (pivot < rows.length && (rows[pivot] & bit) === 0) pivot += 1;
    if (pivot === rows.length) continue;
    [rows[rank], rows[pivot]] = [rows[pivot], rows[rank]];
    for (let i = rank + 1; i < rows.length; i++) if ((rows[i] & bit) !== 0) rows[i] ^= rows[rank];
    rank += 1;
  }
  return rank;
}

/** 2.11 Serial: are all patterns of m bits, 2 ≤ m < log2(n) - 2, equally frequent? Two p-values. */
export function serial(bits: Uint8Array, m: number): readonly [number, number] {
  const psi = (length: number) => {
    if (length === 0) return 0;
    const counts = patternCounts(bits, length);
    let squares = 0;
    for (let i = 0; i < counts.length; i++) squares += counts[i] ** 2;
    return (counts.length * squares) / bits.length - bits.length;
  };
  const [a, b, c] = [psi(m), psi(m - 1), psi(m - 2)];
  return [gammaQ(2 ** (m - 2), Math.max(0, a - b) / 2), gammaQ(2 ** (m - 3), Math.max(0, a - 2 * b + c) / 2)];
}

/** 2.12 Approximate entropy: what does a bit add to the m, m < log2(n) - 5, before it? */
export function approximateEntropy(bits: Uint8Array, m: number): number {
  const phi = (length: number) => {
    const counts = patternCounts(bits, length);
    let sum = 0;
    for (let i = 0; i < counts.length; i++) {
      if (counts[i] > 0) sum += (counts[i] / bits.length) * Math.log(counts[i] / bits.length);
    }
    return sum;
  };
  const entropy = phi(m) - phi(m + 1);
  return gammaQ(2 ** (m - 1), Math.max(0, bits.length * (Math.LN2 - entropy)));
}

/** How often each pattern of m bits occurs, the sequence taken as a ring. */
function patternCounts(bits: Uint8Array, m: number): Uint32Array {
  const n = bits.length;
  const counts = new Uint32Array(2 ** m);
  let pattern = 0;
  for (let i = 0; i < m - 1; i++) pattern = (pattern << 1) | bits[i % n];
  for (let i = 0; i < n; i++) {
    pattern = ((pattern << 1) | bits[(i + m - 1) % n]) & (counts.length - 1);
    counts[pattern] += 1;
  }
  return counts;
}

/** 2.13 Cumulative sums: how far does the walk of ±1 stray, from the front and from the back? n ≥ 100. */
export function cumulativeSums(bits: Uint8Array): readonly [number, number] {
  const n = bits.length;
  let [sum, low, high] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    sum += 2 * bits[i] - 1;
    low = Math.min(low, sum);
    high = Math.max(high, sum);
  }
  return [strayP(Math.max(high, -low), n), strayP(Math.max(sum - low, high - sum), n)];
}

function strayP(z: number, n: number): number {
  const phi = (k: number) => normalCdf((k * z) / Math.sqrt(n));
  let p = 1;
  for (let k = Math.ceil((-n / z + 1) / 4); k <= Math.floor((n / z - 1) / 4); k++) {
    p -= phi(4 * k + 1) - phi(4 * k - 1);
  }
  for (let k = Math.ceil((-n / z - 3) / 4); k <= Math.floor((n / z - 1) / 4); k++) {
    p += phi(4 * k + 3) - phi(4 * k + 1);
  }
  return Math.min(1, Math.max(0, p));
}

/** P of Pearson's χ² of classes with the given chances. */
function chiSquareP(classes: Uint32Array, chances: readonly number[], total: number): number {
  let sum = 0;
  classes.forEach((count, i) => {
    sum += (count - total * chances[i]) ** 2 / (total * chances[i]);
  });
  return gammaQ((chances.length - 1) / 2, sum / 2);
}

function countOnes(bits: Uint8Array): number {
  let ones = 0;
  for (let i = 0; i < bits.length; i++) ones += bits[i];
  return ones;
}

/** The parameters that SP 800-22 allows for sequences of {@link SEQUENCE_BITS} and its example uses. */
const BLOCK_BITS = 2000;
const SERIAL_BITS = 10;
const ENTROPY_BITS = 8;
/** The shortest sequence that all tests accept, with room: 12.5 kB. */
export const SEQUENCE_BITS = 100_000;
/** The level of each test on each sequence: SP 800-22's own. */
const ALPHA = 0.01;
/** With fewer sequences the ten classes of p-values are too empty: section 4.2.2. */
const SEQUENCES_MIN = 55;
/** With more, it shows that the rank of 97 matrices has few values, so that its p-values cannot be spread evenly. */
const SEQUENCES_MAX = 500;
const UNIFORMITY_P_MIN = 0.0001;
const FAIR_P_MIN = 0.001;

export interface BitTest {
  readonly name: string;
  /** Of the sequences with p ≥ 0.01, 0..1. */
  readonly proportion: number;
  /** The chance that fair bits have a proportion as low: the binomial distribution's tail. */
  readonly proportionP: number;
  /** The chance that fair bits spread their p-values as unevenly over ten equal classes. */
  readonly uniformityP: number;
  /** SP 800-22's rule: proportion within 0.99 ± 3 √(0.99 · 0.01 / sequences), and uniformityP of at least 0.0001. */
  readonly passes: boolean;
}

export interface Battery {
  readonly tests: readonly BitTest[];
  /**
   * No p-value of the ten rows is below 0.001 after Holm: fair bits fail in one battery of a thousand. Not the same as
   * ten times `passes`: that rule is for a row, and one row or another of fair bits fails it in every sixth battery or so.
   */
  readonly fair: boolean;
}

/**
 * The battery over many sequences of {@link SEQUENCE_BITS}, one bit per byte.
 * @throws {RangeError} for fewer than 55 sequences, more than 500, or one of another length.
 */
export function battery(sequences: readonly Uint8Array[]): Battery {
  if (sequences.length < SEQUENCES_MIN || sequences.length > SEQUENCES_MAX) {
    throw new RangeError(`the battery takes ${SEQUENCES_MIN}..${SEQUENCES_MAX} sequences, not ${sequences.length}`);
  }
  const wrong = sequences.find((bits) => bits.length !== SEQUENCE_BITS);
  if (wrong !== undefined) throw new RangeError(`a sequence has ${wrong.length} bits, not ${SEQUENCE_BITS}`);
  const rows = sequences.map((bits) => [
    monobit(bits),
    blockFrequency(bits, BLOCK_BITS),
    runs(bits),
    longestRun(bits),
    matrixRank(bits),
    ...serial(bits, SERIAL_BITS),
    approximateEntropy(bits, ENTROPY_BITS),
    ...cumulativeSums(bits),
  ]);
  const tests = TESTS.map((name, column) => ({ name, ...overSequences(rows.map((row) => row[column])) }));
  const ps = holm(tests.flatMap(({ proportionP, uniformityP }) => [proportionP, uniformityP]));
  return { tests, fair: ps.every((p) => p >= FAIR_P_MIN) };
}

const TESTS = [
  'frequency',
  'block frequency',
  'runs',
  'longest run',
  'matrix rank',
  'serial, first',
  'serial, second',
  'approximate entropy',
  'cumulative sums, forward',
  'cumulative sums, backward',
] as const;

/** Section 4.2: proportion and uniformity of the p-values of one test over many sequences. */
export function overSequences(ps: readonly number[]): Omit<BitTest, 'name'> {
  const failed = ps.filter((p) => p < ALPHA).length;
  const proportion = 1 - failed / ps.length;
  const reach = 3 * Math.sqrt((ALPHA * (1 - ALPHA)) / ps.length);
  const classes = new Uint32Array(10);
  for (const p of ps) classes[Math.min(9, Math.floor(p * 10))] += 1;
  const uniformityP = chiSquareP(classes, new Array<number>(10).fill(0.1), ps.length);
  return {
    proportion,
    proportionP: failed === 0 ? 1 : betaI(failed, ps.length - failed + 1, ALPHA),
    uniformityP,
    passes: Math.abs(proportion - (1 - ALPHA)) <= reach && uniformityP >= UNIFORMITY_P_MIN,
  };
}
