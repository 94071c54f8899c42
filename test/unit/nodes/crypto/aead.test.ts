import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  AEAD_KEY_BYTES,
  AEAD_TAG_BYTES,
  AEAD_TEXT_BYTES_MAX,
  type Aead,
  NodeAead,
} from '../../../../nodes/crypto/aead.ts';
import { loadNative } from '../../../../nodes/native/load.ts';
import { buildNative, NATIVE_FOLDER } from '../support/native.ts';
import { flipped, hex, readVectors } from '../support/vectors.ts';

/** One suite for both implementations; the last tests hold one against the other. */
const NativeAead: new (key: Uint8Array) => Aead = loadNative(buildNative(NATIVE_FOLDER)).Aead;
const IMPLEMENTATIONS = { native: NativeAead, 'node:crypto': NodeAead };

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

/** Any key; what it is does not matter. */
const KEY = Buffer.alloc(AEAD_KEY_BYTES, 1);

function around(bytes: Uint8Array): Buffer {
  return Buffer.concat([AROUND, bytes, AROUND]);
}

for (const [name, Implementation] of Object.entries(IMPLEMENTATIONS)) {
  for (const [source, rows] of Object.entries({ specification: GCM_SPECIFICATION, cryptography: aead })) {
    for (const { row, key, counter, additional, plain, sealed } of rows) {
      test(`${name}: ${source} row ${row}: seals and opens under counter ${counter}`, () => {
        const cipher = new Implementation(hex(key));
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

  test(`${name}: opens nothing that differs by one bit, one counter or the additional data, and leaves it as it was`, () => {
    for (const { row, key, counter, additional, plain, sealed } of aead) {
      const cipher = new Implementation(hex(key));
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
      assert.equal(
        new Implementation(flipped(hex(key), 255)).open(hex(sealed), 0, length, counter, hex(additional)),
        false,
      );
    }
  });

  test(`${name}: opens what it has sealed, at any place of a buffer, under any counter below 2^53`, () => {
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
          const cipher = new Implementation(key);
          cipher.seal(buffer, before.length, plain.length, counter, additional);
          assert.equal(cipher.open(buffer, before.length, plain.length, counter, additional), true);
          assert.deepEqual(buffer.subarray(0, before.length + plain.length), Buffer.concat([before, plain]));
        },
      ),
    );
  });

  test(`${name}: no two counters share a keystream`, () => {
    const cipher = new Implementation(KEY);
    const counters = [0, 1, 2, 2 ** 16, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 33, 2 ** 33 + 1, 2 ** 52];
    const seen = counters.map((counter) => {
      const bytes = Buffer.alloc(32 + AEAD_TAG_BYTES);
      cipher.seal(bytes, 0, 32, counter);
      return bytes.toString('hex', 0, 32);
    });
    assert.equal(new Set(seen).size, counters.length);
  });

  test(`${name}: takes a key of 32 bytes and no other, and says how long it was`, () => {
    for (const length of [0, 16, 31, 33, 64])
      assert.throws(() => new Implementation(Buffer.alloc(length)), new RegExp(`key must be 32 bytes, got ${length}`));
  });

  test(`${name}: an empty text and empty additional data are like any other`, () => {
    const cipher = new Implementation(KEY);
    const bytes = Buffer.alloc(AEAD_TAG_BYTES);
    cipher.seal(bytes, 0, 0, 7, Buffer.alloc(0));
    assert.equal(cipher.open(bytes, 0, 0, 7), true);
    assert.equal(cipher.open(bytes, 0, 0, 7, Buffer.alloc(1)), false);
  });

  test(`${name}: takes as much as a datagram holds, and not a byte more`, () => {
    const cipher = new Implementation(KEY);
    const bytes = Buffer.alloc(AEAD_TEXT_BYTES_MAX + 1 + AEAD_TAG_BYTES, 3);
    const additional = bytes.subarray(0, AEAD_TEXT_BYTES_MAX);
    cipher.seal(bytes, 0, AEAD_TEXT_BYTES_MAX, 0, Buffer.from(additional));
    assert.equal(cipher.open(bytes, 0, AEAD_TEXT_BYTES_MAX, 0, Buffer.alloc(AEAD_TEXT_BYTES_MAX, 3)), true);
    assert.deepEqual(additional, Buffer.alloc(AEAD_TEXT_BYTES_MAX, 3));
    for (const call of [cipher.seal, cipher.open]) {
      assert.throws(() => call.call(cipher, bytes, 0, AEAD_TEXT_BYTES_MAX + 1, 0), RangeError);
      assert.throws(() => call.call(cipher, bytes, 0, 1, 0, Buffer.alloc(AEAD_TEXT_BYTES_MAX + 1)), RangeError);
    }
  });

  test(`${name}: what does not fit is not sealed and does not open`, () => {
    const cipher = new Implementation(KEY);
    const bytes = Buffer.alloc(40 + AEAD_TAG_BYTES, 5);
    const cases = [
      [0, 41],
      [1, 40],
      [41, 0],
      [bytes.length, 0],
      [bytes.length + 1, 0],
      [2 ** 32, 8],
      [Number.MAX_SAFE_INTEGER, 8],
    ] as const;
    for (const [offset, length] of cases) {
      assert.equal(cipher.open(bytes, offset, length, 0), false, `${offset}, ${length}`);
      assert.throws(() => cipher.seal(bytes, offset, length, 0), RangeError, `${offset}, ${length}`);
    }
    assert.deepEqual(bytes, Buffer.alloc(bytes.length, 5));
  });

  test(`${name}: a number that is none of its range is the caller's fault`, () => {
    const cipher = new Implementation(KEY);
    const bytes = Buffer.alloc(64, 5);
    const good = { offset: 8, length: 16, counter: 1 };
    for (const argument of ['offset', 'length', 'counter'] as const) {
      for (const value of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, -Number.MIN_VALUE]) {
        const { offset, length, counter }: typeof good = { ...good, [argument]: value };
        const what = { name: 'RangeError', message: /out of range/ };
        assert.throws(() => cipher.seal(bytes, offset, length, counter), what, `${argument} ${value}`);
        assert.throws(() => cipher.open(bytes, offset, length, counter), what, `${argument} ${value}`);
      }
    }
    assert.deepEqual(bytes, Buffer.alloc(64, 5));
  });
}

test('what one implementation seals the other opens, and both refuse the same', () => {
  const additional = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: AEAD_KEY_BYTES, maxLength: AEAD_KEY_BYTES }),
      fc.uint8Array({ maxLength: 1300 }),
      fc.maxSafeNat(),
      additional,
      fc.nat(),
      (key, plain, counter, extra, anyBit) => {
        const ciphers = [new NativeAead(key), new NodeAead(key)] as const;
        const [one, other] = ciphers.map((cipher) => {
          const bytes = around(Buffer.concat([plain, Buffer.alloc(AEAD_TAG_BYTES)]));
          cipher.seal(bytes, AROUND.length, plain.length, counter, extra);
          return bytes;
        });
        assert.deepEqual(one, other);
        const sealedBits = 8 * (plain.length + AEAD_TAG_BYTES);
        for (const cipher of ciphers) {
          const wrong = flipped(one!, 8 * AROUND.length + (anyBit % sealedBits));
          const before = Buffer.from(wrong);
          assert.equal(cipher.open(wrong, AROUND.length, plain.length, counter, extra), false);
          assert.deepEqual(wrong, before);
          const right = Buffer.from(one!);
          assert.equal(cipher.open(right, AROUND.length, plain.length, counter, extra), true);
          assert.deepEqual(
            right,
            around(Buffer.concat([plain, other!.subarray(-AROUND.length - AEAD_TAG_BYTES, -AROUND.length)])),
          );
        }
      },
    ),
  );
});

test('native: each object has a key of its own, and one that failed to open opens the next', () => {
  const [one, two] = [new NativeAead(KEY), new NativeAead(flipped(KEY, 0))];
  const bytes = Buffer.alloc(48);
  one.seal(bytes, 0, 32, 1);
  assert.equal(two.open(bytes, 0, 32, 1), false);
  assert.equal(one.open(bytes, 0, 32, 2), false);
  assert.equal(one.open(bytes, 0, 32, 1), true);
  assert.deepEqual(bytes.subarray(0, 32), Buffer.alloc(32));
});

test('native: methods take no other receiver, and the class is made with new', () => {
  const { seal } = NativeAead.prototype;
  for (const receiver of [undefined, {}, Object.create(NativeAead.prototype), new NodeAead(KEY), seal])
    assert.throws(() => seal.call(receiver as Aead, Buffer.alloc(32), 0, 16, 0), TypeError);
  assert.throws(() => (NativeAead as unknown as (key: Uint8Array) => void)(KEY), TypeError);
});
