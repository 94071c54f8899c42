import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { CodingKeystream } from '../../../../nodes/crypto/keystream.ts';
import { GEOMETRY } from '../../../../nodes/wire/constants.ts';
import { hex, readVectors } from '../support/vectors.ts';

interface Slots {
  readonly key: string;
  readonly cellBytes: number;
  readonly slots: readonly { readonly row: number; readonly sequence: number; readonly keystream: string }[];
}

const { keystream: vectors } = readVectors<{ keystream: Slots }>('ciphers');
const KEY = hex(vectors.key);
const CELLS = [GEOMETRY.A.mix, GEOMETRY.B.mix, 4, 16, 20];

/** The slow twin: a cipher of its own for every slot, whose counter is the number of the slot's first block. */
function slotOf(key: Uint8Array, cellBytes: number, s: number): Buffer {
  const block = BigInt(s) * BigInt(Math.ceil(cellBytes / 16));
  const counter = hex(block.toString(16).padStart(32, '0'));
  return createCipheriv('aes-256-ctr', key, counter).update(Buffer.alloc(cellBytes));
}

function pull(stream: CodingKeystream, cellBytes: number, s: number): Buffer {
  const words = new Uint32Array(cellBytes / 4);
  stream.xorInto(words, 0, s);
  return Buffer.from(words.buffer);
}

for (const { row, sequence, keystream } of vectors.slots) {
  test(`row ${row}: slot ${sequence} is what another implementation gives, asked first or after others`, () => {
    const fresh = new CodingKeystream(KEY, vectors.cellBytes);
    assert.equal(pull(fresh, vectors.cellBytes, sequence).toString('hex'), keystream);
    const used = new CodingKeystream(KEY, vectors.cellBytes);
    for (const s of [Math.max(0, sequence - 40), sequence + 3, Math.max(0, sequence - 1)])
      pull(used, vectors.cellBytes, s);
    assert.equal(pull(used, vectors.cellBytes, sequence).toString('hex'), keystream);
  });
}

/** Where a sequence begins, and the steps it takes: on, skipping, back, far away and the same again. */
const walk = fc.record({
  start: fc.oneof(
    fc.nat(200),
    fc.integer({ min: 2 ** 31 - 100, max: 2 ** 31 + 100 }),
    fc.constant(286_331_153), // 2^32 / 15: the block counter leaves 32 bits
    fc.integer({ min: 2 ** 32 - 500, max: 2 ** 32 - 400 }),
  ),
  steps: fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(1) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 70 }) },
      { weight: 2, arbitrary: fc.integer({ min: -70, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: -100_000, max: 100_000 }) },
    ),
    { maxLength: 120, size: 'max' },
  ),
});

test('equals the slow twin whatever the order in which slots are asked for', () => {
  fc.assert(
    fc.property(fc.constantFrom(...CELLS), walk, (cellBytes, { start, steps }) => {
      const stream = new CodingKeystream(KEY, cellBytes);
      let s = start;
      for (const step of [0, ...steps]) {
        s = Math.max(0, s + step);
        assert.deepEqual(pull(stream, cellBytes, s), slotOf(KEY, cellBytes, s), `slot ${s}`);
      }
    }),
    { numRuns: 60 },
  );
});

test('no block of one slot comes again in another', () => {
  const stream = new CodingKeystream(KEY, GEOMETRY.A.mix);
  const blocks = new Set<string>();
  let pulled = 0;
  for (const start of [0, 286_331_100, 2 ** 31 - 60]) {
    for (let s = start; s < start + 120; s += 1) {
      const slot = pull(stream, GEOMETRY.A.mix, s);
      for (let at = 0; at + 16 <= slot.length; at += 16) {
        blocks.add(slot.toString('hex', at, at + 16));
        pulled += 1;
      }
    }
  }
  assert.equal(blocks.size, pulled);
});

test('XORs into its place and nowhere else, and cancels itself', () => {
  const cellBytes = GEOMETRY.A.mix;
  const before = Uint32Array.from({ length: cellBytes / 4 + 6 }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
  const words = before.slice();
  const stream = new CodingKeystream(KEY, cellBytes);
  stream.xorInto(words, 3, 7);
  assert.deepEqual(words.slice(0, 3), before.slice(0, 3));
  assert.deepEqual(words.slice(-3), before.slice(-3));
  assert.notDeepEqual(words, before);
  new CodingKeystream(KEY, cellBytes).xorInto(words, 3, 7);
  assert.deepEqual(words, before);
});
