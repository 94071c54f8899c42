import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { AEAD_TAG_BYTES, Aead } from '../../../../nodes/crypto/aead.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { Handshake, handshakeBytes, type Pattern } from '../../../../nodes/crypto/noise.ts';
import { flipped, hex, readVectors } from '../support/vectors.ts';

interface Vector {
  readonly row: number;
  readonly pattern: Pattern;
  readonly prologue: string;
  readonly secrets: {
    readonly initiatorEphemeral: string;
    readonly initiatorStatic?: string;
    readonly responderStatic: string;
    readonly responderEphemeral: string;
  };
  readonly payloads: readonly [string, string];
  readonly messages: readonly [string, string];
  readonly initiatorSends: string;
  readonly responderSends: string;
  readonly handshakeHash: string;
  readonly transport: readonly {
    readonly plain: string;
    readonly fromInitiator: string;
    readonly fromResponder: string;
  }[];
}

const { handshakes } = readVectors<{ handshakes: Vector[] }>('noise');
const IK = handshakes.find(({ pattern, payloads }) => pattern === 'IK' && payloads[0] !== '')!;
const NK = handshakes.find(({ pattern, payloads }) => pattern === 'NK' && payloads[0] !== '')!;

/** Points of small order on the curve and its twist, and their other encodings (RFC 7748 section 6.1 has them refused). */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
];

function initiator({ pattern, prologue, secrets }: Vector, remote?: Buffer): Handshake {
  return new Handshake({
    pattern,
    initiator: true,
    prologue,
    remote: remote ?? new DhKeyPair(hex(secrets.responderStatic)).publicKey,
    ...(secrets.initiatorStatic && { local: new DhKeyPair(hex(secrets.initiatorStatic)) }),
  });
}

function responder({ pattern, prologue, secrets }: Vector, secret = secrets.responderStatic): Handshake {
  return new Handshake({ pattern, initiator: false, prologue, local: new DhKeyPair(hex(secret)) });
}

/** An initiator that has written its message and waits for the second. */
function waiting(vector: Vector): Handshake {
  const handshake = initiator(vector);
  handshake.write(hex(vector.payloads[0]), hex(vector.secrets.initiatorEphemeral));
  return handshake;
}

function transported(key: Buffer, texts: readonly string[]): string[] {
  const cipher = new Aead(key);
  return texts.map((text, counter) => {
    const bytes = Buffer.concat([hex(text), Buffer.alloc(AEAD_TAG_BYTES)]);
    cipher.seal(bytes, 0, bytes.length - AEAD_TAG_BYTES, counter);
    return bytes.toString('hex');
  });
}

for (const vector of handshakes) {
  const { row, pattern, prologue, secrets, payloads, messages } = vector;
  test(`row ${row}: gives the bytes of another implementation of Noise_${pattern} with prologue "${prologue}"`, () => {
    const first = initiator(vector);
    const second = responder(vector);
    assert.equal(first.write(hex(payloads[0]), hex(secrets.initiatorEphemeral))?.toString('hex'), messages[0]);
    assert.equal(second.read(hex(messages[0]))?.toString('hex'), payloads[0]);
    assert.equal(second.write(hex(payloads[1]), hex(secrets.responderEphemeral))?.toString('hex'), messages[1]);
    assert.equal(first.read(hex(messages[1]))?.toString('hex'), payloads[1]);
    const own = secrets.initiatorStatic && new DhKeyPair(hex(secrets.initiatorStatic)).publicKey;
    assert.deepEqual(second.remoteStatic, own || undefined, 'the responder knows whom it talks to, if anyone has said');
    const bound = () => [first, second].map((end) => end.channelBinding().toString('hex'));
    assert.deepEqual(bound(), [vector.handshakeHash, vector.handshakeHash]);
    const keys = { first: first.split(), second: second.split() };
    assert.deepEqual(bound(), [vector.handshakeHash, vector.handshakeHash], 'after the split too');
    assert.equal(keys.first.send.toString('hex'), vector.initiatorSends);
    assert.equal(keys.first.receive.toString('hex'), vector.responderSends);
    assert.deepEqual(keys.second, { send: keys.first.receive, receive: keys.first.send });
    const texts = vector.transport.map(({ plain }) => plain);
    const sealed = (end: 'fromInitiator' | 'fromResponder') => vector.transport.map((message) => message[end]);
    assert.deepEqual(transported(keys.first.send, texts), sealed('fromInitiator'));
    assert.deepEqual(transported(keys.second.send, texts), sealed('fromResponder'));
  });

  test(`row ${row}: messages have the length that the wire counts on`, () => {
    for (const index of [0, 1] as const) {
      assert.equal(messages[index].length / 2 - payloads[index].length / 2, handshakeBytes(pattern, index));
    }
  });
}

test('there is no channel binding before the second message', () => {
  const first = waiting(IK);
  const second = responder(IK);
  second.read(hex(IK.messages[0]));
  for (const end of [initiator(IK), first, second]) assert.throws(() => end.channelBinding(), /both messages/);
  assert.equal(first.read(flipped(hex(IK.messages[1]), 300)), undefined);
  assert.throws(() => first.channelBinding(), /both messages/, 'one that did not verify is none');
});

test('the channel binding is a copy: who changes it changes nothing else', () => {
  const first = waiting(IK);
  first.read(hex(IK.messages[1]));
  first.channelBinding().fill(0);
  assert.equal(first.channelBinding().toString('hex'), IK.handshakeHash);
});

test('wipes the ephemeral secret that it was given', () => {
  const secret = hex(IK.secrets.initiatorEphemeral);
  initiator(IK).write(Buffer.alloc(0), secret);
  assert.deepEqual(secret, Buffer.alloc(32));
});

for (const vector of [IK, NK]) {
  const { pattern, messages, secrets } = vector;

  test(`${pattern}: refuses a message with any one bit flipped`, () => {
    for (let bit = 0; bit < messages[0].length * 4; bit += 1) {
      // X25519 takes the top bit of a point as zero (RFC 7748 section 5), yet the bit is hashed, so nothing opens.
      assert.equal(responder(vector).read(flipped(hex(messages[0]), bit)), undefined, `bit ${bit} of message 1`);
    }
    for (let bit = 0; bit < messages[1].length * 4; bit += 1) {
      assert.equal(waiting(vector).read(flipped(hex(messages[1]), bit)), undefined, `bit ${bit} of message 2`);
    }
  });

  test(`${pattern}: refuses a message that is cut or has something behind it`, () => {
    for (const [index, end] of [() => responder(vector), () => waiting(vector)].entries()) {
      const whole = hex(messages[index]);
      for (let length = 0; length < whole.length; length += 1)
        assert.equal(end().read(whole.subarray(0, length)), undefined, `${length} bytes of message ${index + 1}`);
      assert.equal(end().read(Buffer.concat([whole, Buffer.of(0)])), undefined);
    }
  });

  test(`${pattern}: refuses a message for another static key, of another prologue or another pattern`, () => {
    const message = hex(messages[0]);
    assert.equal(responder(vector, secrets.responderEphemeral).read(message), undefined);
    assert.equal(responder({ ...vector, prologue: `${vector.prologue}x` }).read(message), undefined);
    assert.equal(responder({ ...vector, pattern: pattern === 'IK' ? 'NK' : 'IK' }).read(message), undefined);
    const wrongKey = initiator(vector, new DhKeyPair(hex(secrets.responderEphemeral)).publicKey);
    const misled = wrongKey.write(Buffer.alloc(0), hex(secrets.initiatorEphemeral))!;
    assert.equal(responder(vector).read(misled), undefined);
  });

  test(`${pattern}: refuses points of small order, as ephemeral and as the responder's static key`, () => {
    for (const [index, point] of SMALL_ORDER.entries()) {
      const row = `point ${index + 1}`;
      const first = Buffer.concat([hex(point), hex(messages[0]).subarray(32)]);
      assert.equal(responder(vector).read(first), undefined, `${row} in message 1`);
      const second = Buffer.concat([hex(point), hex(messages[1]).subarray(32)]);
      assert.equal(waiting(vector).read(second), undefined, `${row} in message 2`);
      const misled = initiator(vector, hex(point)).write(Buffer.alloc(0), hex(secrets.initiatorEphemeral));
      assert.equal(misled, undefined, `${row} as static key`);
    }
  });
}

test('IK: an initiator that does not hold the static key which it shows is not believed', () => {
  // Without the secret there is no `ss`: the message of another initiator with the same ephemeral must not pass.
  const other = { ...IK, secrets: { ...IK.secrets, initiatorStatic: IK.secrets.responderEphemeral } };
  const forged = initiator(other).write(Buffer.alloc(0), hex(IK.secrets.initiatorEphemeral))!;
  const shown = hex(IK.messages[0]).subarray(32, 80);
  shown.copy(forged, 32);
  assert.equal(responder(IK).read(forged), undefined);
});

test('two ends that finish have each other’s keys, whatever the secrets and payloads', () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const payload = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(
      fc.constantFrom<Pattern>('IK', 'NK'),
      fc.tuple(key, key, key, key),
      payload,
      payload,
      (pattern, keys, one, two) => {
        const [a, b] = [new DhKeyPair(keys[0]), new DhKeyPair(keys[1])];
        const options = { pattern, prologue: 'any' };
        const first = new Handshake({
          ...options,
          initiator: true,
          remote: b.publicKey,
          ...(pattern === 'IK' && { local: a }),
        });
        const second = new Handshake({ ...options, initiator: false, local: b });
        const messages = [first.write(one, keys[2])!];
        assert.deepEqual(second.read(messages[0]), Buffer.from(one));
        messages.push(second.write(two, keys[3])!);
        assert.deepEqual(first.read(messages[1]), Buffer.from(two));
        assert.equal(messages[0].length, handshakeBytes(pattern, 0) + one.length);
        assert.equal(messages[1].length, handshakeBytes(pattern, 1) + two.length);
        assert.deepEqual(first.channelBinding(), second.channelBinding());
        const [mine, theirs] = [first.split(), second.split()];
        assert.deepEqual([mine.send, mine.receive], [theirs.receive, theirs.send]);
        assert.notDeepEqual(mine.send, mine.receive);
      },
    ),
    { numRuns: 50 },
  );
});
