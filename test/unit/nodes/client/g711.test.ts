import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeMulaw, encodeMulaw, MULAW_SILENCE } from '../../../../nodes/client/g711.ts';
import { readVectors } from '../support/vectors.ts';

interface Tables {
  readonly decoded: readonly number[];
  /** Runs of equal codes: first sample, code. */
  readonly positive: readonly (readonly [number, number])[];
  readonly negativeMultiplesOf4: readonly (readonly [number, number])[];
}

const tables = readVectors<Tables>('mulaw');
const BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const encode = (sample: number) => encodeMulaw(Int16Array.of(sample))[0];

/** The code that a table of runs gives to a sample, the table running away from zero. */
function codeIn(runs: readonly (readonly [number, number])[], sample: number): number {
  return runs.findLast(([first]) => Math.abs(first) <= Math.abs(sample))![1];
}

test('decodes all 256 bytes as another implementation does', () => {
  assert.deepEqual([...decodeMulaw(BYTES)], tables.decoded);
});

test('encodes every sample from 0 to 32767 as another implementation does', () => {
  const codes = encodeMulaw(Int16Array.from({ length: 32768 }, (_, sample) => sample));
  const runs: [number, number][] = [];
  for (const [sample, code] of codes.entries()) if (runs.at(-1)?.[1] !== code) runs.push([sample, code]);
  assert.deepEqual(runs, tables.positive);
});

test('encodes the negative samples on which another implementation can be asked', () => {
  for (let sample = -4; sample >= -32768; sample -= 4)
    assert.equal(encode(sample), codeIn(tables.negativeMultiplesOf4, sample), `sample ${sample}`);
});

test('a sample and its negative differ in the sign bit alone', () => {
  for (let sample = 1; sample < 32768; sample += 1) assert.equal(encode(sample) ^ encode(-sample), 0x80, `${sample}`);
});

test('every byte but negative zero survives decoding and encoding', () => {
  const again = encodeMulaw(decodeMulaw(BYTES));
  for (const byte of BYTES) assert.equal(again[byte], byte === 0x7f ? 0xff : byte, `byte ${byte}`);
});

test('a sample comes back within half a step of its segment, or of the last code above the clip', () => {
  for (let sample = -32768; sample < 32768; sample += 1) {
    const magnitude = Math.min(Math.abs(sample), 32635) + 0x84;
    const halfStep = 2 ** (Math.floor(Math.log2(magnitude)) - 7 + 3) / 2;
    const [back] = decodeMulaw(encodeMulaw(Int16Array.of(sample)));
    const clipped = Math.max(0, Math.abs(sample) - 32635);
    assert(Math.abs(back - sample) <= halfStep + clipped, `${sample} comes back as ${back}`);
  }
});

test('silence is the byte of sample 0', () => {
  assert.equal(encode(0), MULAW_SILENCE);
  assert.deepEqual([...decodeMulaw(Uint8Array.of(MULAW_SILENCE))], [0]);
});
