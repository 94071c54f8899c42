import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { PacketRing, xorWords } from '../../../../nodes/core/ring.ts';
import { type Endpoint, parseEndpoint } from '../../../../nodes/core/units.ts';

const FROM: Endpoint = parseEndpoint('10.0.0.1:7000')!;

test('holds what was written, slot by slot, until it is cleared', () => {
  const ring = new PacketRing(3, 16);
  for (let i = 0; i < 3; i += 1) {
    const offset = ring.reserve();
    assert.equal(offset, 16 * i);
    ring.bytes.fill(i + 1, offset, offset + 16);
    ring.push(FROM, 10 + i);
  }
  assert.deepEqual([...ring.lengths], [10, 11, 12]);
  assert.deepEqual([...ring.endpoints], [FROM, FROM, FROM]);
  assert.equal(ring.bytes[16], 2);
  ring.clear();
  assert.equal(ring.count, 0);
  assert.equal(ring.reserve(), 0);
});

test('refuses when it is full, and takes nothing before push', () => {
  const ring = new PacketRing(1, 8);
  assert.equal(ring.reserve(), 0);
  assert.equal(ring.reserve(), 0);
  ring.push(FROM, 8);
  assert.equal(ring.reserve(), -1);
  assert.throws(() => ring.push(FROM, 1), /push follows a reserve/);
});

test('takes no datagram that is longer than a slot, and no slot that is not aligned', () => {
  assert.throws(() => new PacketRing(2, 8).push(FROM, 9), /fits the slot/);
  assert.throws(() => new PacketRing(2, 12), /multiple of 8/);
  assert.throws(() => new PacketRing(2, 65536), /16 bits/);
});

test('words are the same memory as bytes', () => {
  const ring = new PacketRing(2, 8);
  ring.words[2] = 0xffff_ffff;
  assert.deepEqual([...ring.bytes.subarray(8, 12)], [255, 255, 255, 255]);
});

test('XOR by words equals XOR by bytes and leaves the rest alone', () => {
  const words = (length: number) => fc.uint32Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(words(12), words(12), fc.nat(4), fc.nat(4), fc.nat(8), (target, source, to, from, count) => {
      const expected = target.map((word, i) =>
        i >= to && i < to + count ? (word ^ source[i - to + from]) >>> 0 : word,
      );
      const got = target.slice();
      xorWords(got, to, source, from, count);
      assert.deepEqual(got, expected);
    }),
  );
});
