import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import test from 'node:test';
import * as bits from '../../../../evaluation/traffic/bits.ts';

/** p-values as SP 800-22 rev. 1a prints them: six decimals. */
function assertPrinted(is: number, should: number, name: string): void {
  assert.ok(Math.abs(is - should) < 1e-6, `${name} is ${is}, should be ${should}`);
}

const parse = (text: string) => Uint8Array.from(text.replaceAll(' ', ''), Number);

/** The binary digits of e = 2 + 1/2! + 1/3! + ..., beginning with the two before the point: NIST's own sample. */
function digitsOfE(count: number): Uint8Array {
  const guard = 64n;
  /** Sums i = from..to-1 of from-1! / i!, as a fraction, by halving. */
  const sum = (from: bigint, to: bigint): [bigint, bigint] => {
    if (to - from === 1n) return [1n, from];
    const middle = (from + to) / 2n;
    const [p, q] = sum(from, middle);
    const [r, s] = sum(middle, to);
    return [p * s + r, q * s];
  };
  let terms = 10;
  for (let log = 0; log < count + 70; terms++) log += Math.log2(terms);
  const [p, q] = sum(1n, BigInt(terms + 10));
  const scaled = ((p + q) << (BigInt(count - 2) + guard)) / q;
  return parse((scaled >> guard).toString(2));
}

test('the worked examples of section 2 come out', () => {
  const pi = parse(
    '1100100100001111110110101010001000100001011010001100001000110100110001001100011001100010100010111000',
  );
  assertPrinted(bits.monobit(parse('1011010101')), 0.527089, '2.1.4');
  assertPrinted(bits.monobit(pi), 0.109599, '2.1.8');
  assertPrinted(bits.blockFrequency(parse('0110011010'), 3), 0.801252, '2.2.4');
  assertPrinted(bits.blockFrequency(pi, 10), 0.706438, '2.2.8');
  assertPrinted(bits.runs(parse('1001101011')), 0.147232, '2.3.4');
  assertPrinted(bits.runs(pi), 0.500798, '2.3.8');
  const [first, second] = bits.serial(parse('0011011101'), 3);
  assertPrinted(first, 0.808792, '2.11.4, first');
  assertPrinted(second, 0.67032, '2.11.4, second');
  assertPrinted(bits.approximateEntropy(parse('0100110101'), 3), 0.261961, '2.12.4');
  assertPrinted(bits.approximateEntropy(pi, 2), 0.235301, '2.12.8');
  assertPrinted(bits.cumulativeSums(parse('1011010111'))[0], 0.411659, '2.13.4');
  const [forward, backward] = bits.cumulativeSums(pi);
  assertPrinted(forward, 0.219194, '2.13.8, forward');
  assertPrinted(backward, 0.114866, '2.13.8, backward');
  const run = parse(
    '11001100 00010101 01101100 01001100 11100000 00000010 01001101 01010001 00010011 11010110 10000000 11010111 11001100 11100110 11011000 10110010',
  );
  // Printed from exact class chances; the code has the four decimals of the table, as NIST's own has.
  assert.ok(Math.abs(bits.longestRun(run) - 0.180609) < 1e-4);
});

test('a million binary digits of e give the values of appendix B', () => {
  const e = digitsOfE(1_000_000);
  assert.equal(e.length, 1_000_000);
  assertPrinted(bits.monobit(e), 0.953749, 'frequency');
  assertPrinted(bits.blockFrequency(e, 128), 0.211072, 'block frequency');
  assertPrinted(bits.cumulativeSums(e)[0], 0.669887, 'cumulative sums, forward');
  assertPrinted(bits.cumulativeSums(e)[1], 0.724266, 'cumulative sums, backward');
  assertPrinted(bits.runs(e), 0.561917, 'runs');
  assertPrinted(bits.longestRun(e), 0.718945, 'longest run');
  assertPrinted(bits.matrixRank(e), 0.306156, 'rank');
  assertPrinted(bits.approximateEntropy(e, 10), 0.700073, 'approximate entropy');
  assertPrinted(bits.serial(e, 16)[0], 0.766182, 'serial, first');
});

/** Sequences of a block cipher in counter mode, each byte passed through `spoil`. */
function sequences(count: number, spoil: (byte: number, at: number) => number = (byte) => byte): Uint8Array[] {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 5), Buffer.alloc(16));
  return Array.from({ length: count }, () => {
    const bytes = cipher.update(Buffer.alloc(bits.SEQUENCE_BITS / 8));
    return bits.unpack(Uint8Array.from(bytes, spoil));
  });
}

/** The names of the rows that fail, for bits that must not be found fair. */
function failed(of: Uint8Array[]): string[] {
  const { tests, fair } = bits.battery(of);
  assert.equal(fair, false);
  return tests.filter(({ passes }) => !passes).map(({ name }) => name);
}

test('a good cipher is found fair', () => {
  assert.equal(bits.battery(sequences(60)).fair, true);
});

test('one bit in fifty that is stuck fails the frequency', () => {
  const biased = failed(sequences(60, (byte, at) => (at % 6 === 0 ? byte | 1 : byte)));
  assert.ok(biased.includes('frequency'), biased.join());
  assert.ok(biased.includes('cumulative sums, forward'), biased.join());
});

test('balanced bits with structure fail the tests that look for structure', () => {
  // The top bit repeats the one below it: as many ones as zeros, but neighbours that agree too often.
  const structured = failed(sequences(60, (byte) => (byte & 0x7f) | ((byte << 1) & 0x80)));
  assert.ok(!structured.includes('frequency'), structured.join());
  for (const name of ['runs', 'serial, first', 'approximate entropy'])
    assert.ok(structured.includes(name), structured.join());
});

test('a repeated row of 32 bits fails the rank', () => {
  const keep = new Uint8Array(4);
  // Each 128 bytes hold a matrix of 32 rows of 4 bytes; the last row is made equal to the first.
  const linear = failed(
    sequences(60, (byte, at) => {
      const inMatrix = at % 128;
      if (inMatrix < 4) keep[inMatrix] = byte;
      return inMatrix >= 124 ? keep[inMatrix - 124] : byte;
    }),
  );
  assert.ok(linear.includes('matrix rank'), linear.join());
});

test('the rule over sequences wants the right share of failures and evenly spread values', () => {
  const even = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);
  assert.equal(bits.overSequences(even).passes, true);
  assert.equal(bits.overSequences(even.map((p) => p ** 2)).passes, false, 'too many small values');
  assert.equal(bits.overSequences(even.map((p) => 0.5 + p / 2)).passes, false, 'too good');
});

test('refuses too few sequences and wrong lengths', () => {
  assert.throws(() => bits.battery([]), /takes 55..500 sequences, not 0/);
  assert.throws(() => bits.battery([...sequences(60), new Uint8Array(8)]), /has 8 bits, not 100000/);
  assert.throws(() => bits.longestRun(new Uint8Array(127)), /needs 128 bits/);
  assert.throws(() => bits.matrixRank(new Uint8Array(1024)), /needs 38912 bits/);
});
