import assert from 'node:assert/strict';
import test from 'node:test';
import { Client } from '../../../nodes/client/client.ts';
import { Aead } from '../../../nodes/crypto/aead.ts';
import { CodingKeystream } from '../../../nodes/crypto/keystream.ts';
import { watchNonces } from '../../sim/nonces.ts';

const KEY = Buffer.alloc(32, 7);
const OTHER = Buffer.alloc(32, 8);

test('one key, two machines: a nonce used by both is found out, one used under another key is not', () => {
  const { uses, reused } = watchNonces(() => {
    const bytes = Buffer.alloc(64);
    new Aead(KEY).seal(bytes, 0, 8, 1);
    new Aead(OTHER).seal(bytes, 0, 8, 1);
    new Aead(KEY).seal(bytes, 0, 8, 2);
    new Aead(KEY).seal(bytes, 0, 8, 1);
  });
  assert.deepEqual({ uses, reused }, { uses: 4, reused: 1 });
});

test('a slot of a keystream that a client uses twice is found out, the mix’s use of it is not', (context) => {
  const words = new Uint32Array(59);
  const use = () => new CodingKeystream(KEY, 236).xorInto(words, 0, 5);
  context.mock.method(Client.prototype, 'tick', use);
  const tick = () => Client.prototype.tick.call(undefined as never, 0, undefined as never, undefined as never);
  assert.deepEqual(
    watchNonces(() => [tick(), use()]),
    { uses: 1, reused: 0 },
  );
  assert.deepEqual(
    watchNonces(() => [tick(), use(), tick()]),
    { uses: 2, reused: 1 },
  );
});

test('watching changes nothing: what is sealed and the keystream stay as they were', () => {
  const make = () => {
    const bytes = Buffer.alloc(64);
    const words = new Uint32Array(59);
    const [aead, coding] = [new Aead(KEY), new CodingKeystream(KEY, 236)];
    for (const s of [3, 4, 40]) {
      aead.seal(bytes, 0, 8, s);
      coding.xorInto(words, 0, s);
    }
    return [bytes, Buffer.from(words.buffer)];
  };
  let watched: Buffer[] = [];
  watchNonces(() => {
    watched = make();
  });
  assert.deepEqual(watched, make());
});
