import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { AEAD_KEY_BYTES, AEAD_TAG_BYTES, Aead } from '../../../../nodes/crypto/aead.ts';
import { flipped, hex, readVectors } from '../support/vectors.ts';

interface Sealed {
  readonly row: number;
  readonly key: string;
  readonly counter: number;
  readonly additional: string;
  readonly plain: string;
  readonly sealed: string;
}

const { aead } = readVectors<{ aead: Sealed[] }>('ciphers');

/** Test cases 13 and 14 of "The Galois/Counter Mode of Operation", McGrew and Viega: a nonce of zeros is counter 0. */
const GCM_SPECIFICATION: readonly Sealed[] = [
  { row: 13, plain: '', sealed: '530f8afbc74536b9a963b4f1c4cb738b' },
  { row: 14, plain: '00'.repeat(16), sealed: 'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919' },
].map((given) => ({ ...given, key: '00'.repeat(32), counter: 0, additional: '' }));

/** What stands before and behind the sealed bytes in a larger buffer: it must stay. */
const AROUND = Buffer.from('around');

function around(bytes: Uint8Array): Buffer {
  return Buffer.concat([AROUND, bytes, AROUND]);
}

for (const [source, rows] of Object.entries({ specification: GCM_SPECIFICATION, cryptography: aead })) {
  for (const { row, key, counter, additional, plain, sealed } of rows) {
    test(`${source} row ${row}: seals and opens under counter ${counter}`, () => {
      const cipher = new Aead(hex(key));
      const extra = additional ? hex(additional) : undefined;
      const length = plain.length / 2;
      const bytes = around(Buffer.concat([hex(plain), Buffer.alloc(AEAD_TAG_BYTES)]));
      cipher.seal(bytes, AROUND.length, length, counter, extra);
      assert.equal(bytes.toString('hex'), around(hex(sealed)).toString('hex'));
      assert.equal(cipher.open(bytes, AROUND.length, length, counter, extra), true);
      assert.equal(bytes.toString('hex', AROUND.length, AROUND.length + length), plain);
    });
  }
}

test('opens nothing that differs by one bit, one counter or the additional data, and leaves it as it was', () => {
  for (const { row, key, counter, additional, plain, sealed } of aead) {
    const cipher = new Aead(hex(key));
    const length = plain.length / 2;
    const refused = (what: string, bytes: Buffer, at: number, extra: Buffer) => {
      const before = around(bytes);
      const after = Buffer.from(before);
      assert.equal(cipher.open(after, AROUND.length, length, at, extra), false, `row ${row}, ${what}`);
      assert.deepEqual(after, before, `row ${row}, ${what}: not a byte has changed`);
    };
    for (let bit = 0; bit < sealed.length * 4; bit += 1)
      refused(`bit ${bit}`, flipped(hex(sealed), bit), counter, hex(additional));
    for (const wrong of [counter + 1, counter + 2 ** 32, Math.max(0, counter - 2 ** 32) + 2 ** 33])
      refused(`counter ${wrong}`, hex(sealed), wrong, hex(additional));
    refused('additional data', hex(sealed), counter, flipped(hex(additional), 0));
    refused('no additional data', hex(sealed), counter, Buffer.alloc(0));
    assert.equal(new Aead(flipped(hex(key), 255)).open(hex(sealed), 0, length, counter, hex(additional)), false);
  }
});

test('opens what it has sealed, at any place of a buffer, under any counter below 2^53', () => {
  const bytes = (max: number) => fc.uint8Array({ maxLength: max });
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: AEAD_KEY_BYTES, maxLength: AEAD_KEY_BYTES }),
      bytes(300),
      bytes(40),
      bytes(20),
      fc.maxSafeNat(),
      (key, plain, additional, before, counter) => {
        const buffer = Buffer.concat([before, plain, Buffer.alloc(AEAD_TAG_BYTES)]);
        const cipher = new Aead(key);
        cipher.seal(buffer, before.length, plain.length, counter, additional);
        assert.equal(cipher.open(buffer, before.length, plain.length, counter, additional), true);
        assert.deepEqual(buffer.subarray(0, before.length + plain.length), Buffer.concat([before, plain]));
      },
    ),
  );
});

test('no two counters share a keystream', () => {
  const cipher = new Aead(Buffer.alloc(AEAD_KEY_BYTES, 1));
  const counters = [0, 1, 2, 2 ** 16, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 33, 2 ** 33 + 1, 2 ** 52];
  const seen = counters.map((counter) => {
    const bytes = Buffer.alloc(32 + AEAD_TAG_BYTES);
    cipher.seal(bytes, 0, 32, counter);
    return bytes.toString('hex', 0, 32);
  });
  assert.equal(new Set(seen).size, counters.length);
});

test('takes a key of 32 bytes and no other, and says how long it was', () => {
  for (const length of [0, 16, 31, 33, 64])
    assert.throws(() => new Aead(Buffer.alloc(length)), new RegExp(`key must be 32 bytes, got ${length}`));
});
