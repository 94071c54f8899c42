import assert from 'node:assert/strict';
import test from 'node:test';
import { verifyCertified } from '../../../../nodes/config/certificate.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import type { CertifiedText } from '../../../../nodes/crypto/signed.ts';
import { Signer } from '../../../../nodes/directory/signer.ts';

const EPOCH_MS = 900_000;
const DAY_MS = 86_400_000;
const SKEW_MS = 300_000;
const START_MS = 2_000_000 * EPOCH_MS;
const ROOT = new Identity(Buffer.alloc(32, 1));
const key = (number: number) => ({ number, identity: new Identity(Buffer.alloc(32, 10 + number)) });

function signer(...numbers: number[]): Signer {
  const times = { epochMs: EPOCH_MS, lifetimeMs: DAY_MS, clockSkewMs: SKEW_MS };
  return new Signer({ zone: 'eu', root: ROOT, ...times }, numbers.map(key));
}

const verify = (signed: CertifiedText, nowMs: number) =>
  verifyCertified('consensus', 'herd-consensus-v1', signed, ROOT.publicKey, 'eu', nowMs);
const signs = (by: Signer, afterMs: number) => by.sign(START_MS + afterMs, 'herd-consensus-v1', 'text');

/** The number of the key under which that is signed, by what the certificate says. */
function signedBy(by: Signer, afterMs: number): number {
  const signed = signs(by, afterMs);
  assert.deepEqual(verify(signed, START_MS + afterMs), { text: 'text' });
  const { signingKey } = JSON.parse(signed.certificate.text);
  const number = [0, 1, 2, 3].find((one) => key(one).identity.publicKey.toString('base64') === signingKey)!;
  assert.equal(by.keyNumber(START_MS + afterMs), number);
  return number;
}

test('signs under the newest key that it begins with', () => {
  assert.equal(signedBy(signer(1, 2), 0), 2);
});

test('a key that comes later signs when it has been there for a whole epoch', () => {
  const by = signer(1);
  assert.equal(by.follow(START_MS + 5, [key(1), key(2)]), true);
  assert.equal(signedBy(by, 2 * EPOCH_MS - 1), 1);
  assert.equal(signedBy(by, 2 * EPOCH_MS), 2);
  assert.equal(by.follow(START_MS + 3 * EPOCH_MS, [key(2)]), true);
  assert.equal(signedBy(by, 3 * EPOCH_MS), 2);
});

test('what was signed under a key that has gone is believed for as long as it was to be', () => {
  const by = signer(1);
  const signed = signs(by, 0);
  by.follow(START_MS, [key(2)]);
  assert.equal(signedBy(by, 1), 2);
  assert.deepEqual(verify(signed, START_MS + DAY_MS), { text: 'text' });
});

test('keys do not go back: what there was signs on', () => {
  const by = signer(1, 2);
  for (const numbers of [[1], [0, 2]]) {
    assert.equal(by.follow(START_MS, numbers.map(key)), false);
    assert.equal(signedBy(by, 0), 2);
  }
});

test('a certificate holds from a clock’s skew before its epoch until two epochs after the day that documents live', () => {
  for (const afterMs of [0, EPOCH_MS - 1]) {
    const signed = signs(signer(1), afterMs);
    assert('text' in verify(signed, START_MS - SKEW_MS));
    assert('refused' in verify(signed, START_MS - SKEW_MS - 1));
    assert('text' in verify(signed, START_MS + DAY_MS + 2 * EPOCH_MS));
    assert('refused' in verify(signed, START_MS + DAY_MS + 2 * EPOCH_MS + 1));
  }
});

test('the root key signs once an epoch, and for each key', () => {
  const by = signer(1);
  const certificate = (afterMs: number) => signs(by, afterMs).certificate;
  const first = certificate(0);
  assert.equal(certificate(EPOCH_MS - 1), first);
  assert.notEqual(certificate(EPOCH_MS).text, first.text);
  const before = certificate(EPOCH_MS);
  by.follow(START_MS + EPOCH_MS, [key(2)]);
  assert.notEqual(certificate(EPOCH_MS).text, before.text);
});
