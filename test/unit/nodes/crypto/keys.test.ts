import assert from 'node:assert/strict';
import { createCipheriv, createHash } from 'node:crypto';
import test from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { Aead } from '../../../../nodes/crypto/aead.ts';
import {
  DhKeyPair,
  derivedSeeds,
  deriveKey,
  endToEndKeyOf,
  Identity,
  nodeKeys,
  tagOf,
  verifySignature,
} from '../../../../nodes/crypto/keys.ts';
import { CodingKeystream } from '../../../../nodes/crypto/keystream.ts';
import { flipped, hex } from '../support/vectors.ts';

const seed32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** RFC 7748 section 6.1. */
const ALICE = {
  secret: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
  public: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
};
const BOB = {
  secret: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
  public: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
};
const SHARED = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';

/** RFC 8032 section 7.1, tests 1 to 3. */
const SIGNATURES = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    public: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    public: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    public: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
];

test('agrees on the shared secret of RFC 7748, section 6.1', () => {
  const alice = new DhKeyPair(hex(ALICE.secret));
  const bob = new DhKeyPair(hex(BOB.secret));
  assert.equal(alice.publicKey.toString('hex'), ALICE.public);
  assert.equal(bob.publicKey.toString('hex'), BOB.public);
  assert.equal(alice.agree(bob.publicKey)?.toString('hex'), SHARED);
  assert.equal(bob.agree(alice.publicKey)?.toString('hex'), SHARED);
});

test('multiplies as RFC 7748, section 5.2 does', () => {
  const pair = new DhKeyPair(hex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'));
  const point = hex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c');
  assert.equal(pair.agree(point)?.toString('hex'), 'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552');
});

test('has no shared secret with a point of small order or with what is no key', () => {
  const pair = new DhKeyPair(hex(ALICE.secret));
  for (const point of ['00'.repeat(32), '01'.padEnd(64, '0'), `ec${'ff'.repeat(30)}7f`])
    assert.equal(pair.agree(hex(point)), undefined, point);
  for (const length of [0, 31]) assert.equal(pair.agree(Buffer.alloc(length, 9)), undefined, `${length} bytes`);
});

for (const [index, { seed, public: publicKey, message, signature }] of SIGNATURES.entries()) {
  test(`signs and verifies test ${index + 1} of RFC 8032, section 7.1`, () => {
    const identity = new Identity(hex(seed));
    assert.equal(identity.publicKey.toString('hex'), publicKey);
    assert.equal(identity.sign(hex(message)).toString('hex'), signature);
    assert.equal(verifySignature(hex(publicKey), hex(message), hex(signature)), true);
    for (let bit = 0; bit < 512; bit += 7)
      assert.equal(verifySignature(hex(publicKey), hex(message), flipped(hex(signature), bit)), false, `bit ${bit}`);
    assert.equal(verifySignature(hex(publicKey), Buffer.from('else'), hex(signature)), false);
    assert.equal(verifySignature(flipped(hex(publicKey), 3), hex(message), hex(signature)), false);
  });
}

test('verifies nothing under a key or with a signature of another length', () => {
  const { public: publicKey, message, signature } = SIGNATURES[1];
  assert.equal(verifySignature(hex(publicKey).subarray(1), hex(message), hex(signature)), false);
  assert.equal(verifySignature(hex(publicKey), hex(message), hex(signature).subarray(1)), false);
  assert.equal(verifySignature(Buffer.alloc(0), hex(message), Buffer.alloc(0)), false);
});

test('derives test case 3 of RFC 5869: no salt, no purpose', () => {
  assert.equal(
    deriveKey(Buffer.alloc(22, 0x0b), '').toString('hex'),
    '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d',
  );
  assert.notDeepEqual(deriveKey(Buffer.alloc(32), 'cell'), deriveKey(Buffer.alloc(32), 'signal'));
});

test('a tag is the beginning of SHA-256 over label and data', () => {
  const whole = createHash('sha256').update('label').update('data').digest();
  assert.deepEqual(tagOf('label', Buffer.from('data'), 8), whole.subarray(0, 8));
});

/** The map of RFC 7748 section 4.1 in plain arithmetic: u = (1 + y) / (1 − y). */
function montgomery(edwards: Uint8Array): string {
  const p = 2n ** 255n - 19n;
  const power = (base: bigint, exponent: bigint): bigint => {
    let result = 1n;
    for (let [b, e] = [base, exponent]; e > 0n; e >>= 1n, b = (b * b) % p) if (e & 1n) result = (result * b) % p;
    return result;
  };
  const y = BigInt(`0x${Buffer.from(edwards).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  const u = ((1n + y) * power((1n - y + p) % p, p - 2n)) % p;
  return hex(u.toString(16).padStart(64, '0')).reverse().toString('hex');
}

test('anybody finds an identity’s end-to-end key from its public key', () => {
  fc.assert(
    fc.property(seed32, (seed) => {
      const identity = new Identity(seed);
      const found = endToEndKeyOf(identity.publicKey);
      assert.equal(found?.toString('hex'), identity.endToEnd.publicKey.toString('hex'));
      assert.equal(found?.toString('hex'), montgomery(identity.publicKey));
    }),
    { numRuns: 40 },
  );
});

test('what is no point of the curve, or one of small order, has no end-to-end key', () => {
  for (const key of [
    Buffer.alloc(32, 0xff),
    Buffer.alloc(32),
    Buffer.alloc(31),
    Buffer.alloc(0),
    hex('01'.padEnd(64, '0')),
  ])
    assert.equal(endToEndKeyOf(key), undefined, key.toString('hex'));
});

test('the keys that follow from a seed differ from each other, and follow from it again', () => {
  const seed = hex(SIGNATURES[0].seed);
  const keys = () => {
    const identity = new Identity(seed);
    const { link, circuit } = nodeKeys(derivedSeeds(seed));
    const pairs = [...link, ...circuit].map(({ number, pair }) => `${number} ${pair.publicKey.toString('hex')}`);
    return [identity.publicKey.toString('hex'), identity.endToEnd.publicKey.toString('hex'), ...pairs];
  };
  assert.deepEqual(keys(), keys());
  assert.equal(new Set(keys()).size, 4);
  for (const length of [0, 31, 33])
    assert.throws(() => new Identity(Buffer.alloc(length)), new RegExp(`seed must be 32 bytes, got ${length}`));
});

/** Any four bytes of a secret, in the ways in which JavaScript prints bytes. */
function shownIn(text: string, secret: Uint8Array): boolean {
  const plain = text.replace(/\s+/g, ' ');
  for (let at = 0; at + 4 <= secret.length; at += 1) {
    const part = [...secret.subarray(at, at + 4)];
    const asHex = part.map((byte) => byte.toString(16).padStart(2, '0'));
    const ways = [asHex.join(''), asHex.join(' '), part.join(','), part.join(', ')];
    if (ways.some((way) => plain.toLowerCase().includes(way))) return true;
  }
  const base64 = Buffer.from(secret).toString('base64').slice(0, 12);
  return plain.includes(base64) || plain.includes(base64.replaceAll('+', '-').replaceAll('/', '_'));
}

test('the search for a secret finds one that is there', () => {
  const secret = hex(ALICE.secret);
  for (const leak of [inspect(secret), JSON.stringify(secret), secret.toString('hex'), secret.toString('base64')])
    assert(shownIn(leak, secret), leak);
  assert(shownIn(inspect([...secret]), secret));
});

test('nothing that holds a key prints it', () => {
  const secret = createHash('sha256').update('a secret that must not be shown').digest();
  const scalar = createHash('sha512').update(secret).digest().subarray(0, 32);
  const derived = deriveKey(secret, 'herd link key');
  const firstSlot = createCipheriv('aes-256-ctr', secret, Buffer.alloc(16)).update(Buffer.alloc(32));
  const stream = new CodingKeystream(secret, 32);
  stream.xorInto(new Uint32Array(8), 0, 0);
  const holders = { identity: new Identity(secret), pair: new DhKeyPair(secret), aead: new Aead(secret), stream };
  for (const [name, holder] of Object.entries(holders)) {
    const shown = [
      inspect(holder, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxArrayLength: null }),
      JSON.stringify(holder),
      String(holder),
      Object.values(holder).join(),
    ].join('\n');
    for (const hidden of [secret, scalar, derived, firstSlot]) assert(!shownIn(shown, hidden), `${name}: ${shown}`);
  }
});
