import assert from 'node:assert/strict';
import test from 'node:test';
import { type Receipt, receiptsText, verifyReceipt } from '../../../../nodes/config/receipt.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import type { CertifiedText } from '../../../../nodes/crypto/signed.ts';
import { certified, signerOf } from '../support/certified.ts';
import { flipped, readVectors } from '../support/vectors.ts';

const ROOT = new Identity(Buffer.alloc(32, 1));
const DAY_MS = 86_400_000;
const FROM_MS = Date.parse('2030-01-01T00:00:00Z');
const RECEIPT: Receipt = {
  zone: 'eu',
  superpeer: 'garage',
  identityKey: new Identity(Buffer.alloc(32, 2)).publicKey.toString('base64'),
  from: FROM_MS,
  until: FROM_MS + DAY_MS,
  channels: 2,
  expected: 8_640_000,
  valid: 8_600_000,
  bad: 12,
  expelled: false,
  issuedAt: FROM_MS + DAY_MS + 60_000,
};
const signed = (change: object = {}): CertifiedText => {
  const receipt = { ...RECEIPT, ...change };
  return signerOf('eu', ROOT).sign(receipt.issuedAt, 'herd-receipt-v1', JSON.stringify(receipt));
};

test('a receipt is verified with the root key alone, however long ago it was issued', () => {
  assert.deepEqual(verifyReceipt(signed(), ROOT.publicKey, 'eu'), RECEIPT);
  assert.equal(receiptsText.safeParse({ receipts: [signed()] }).success, true);
});

test('what is not the zone’s word is refused with a sentence that says why', () => {
  const { text, signature, certificate } = signed();
  const rows: [CertifiedText, RegExp][] = [
    [{ text: text.replace('8600000', '8640000'), signature, certificate }, /not signed by the certified key/],
    [{ text: '{}', signature, certificate }, /malformed/],
    [signed({ channels: 65 }), /malformed/],
    [signed({ zone: 'na' }), /is of zone na, not eu/],
    [certified(ROOT, 'na', text, 'herd-receipt-v1'), /certificate is of zone na/],
    [certified(new Identity(Buffer.alloc(32, 9)), 'eu', text, 'herd-receipt-v1'), /not signed by the zone's root key/],
    [certified(ROOT, 'eu', text, 'herd-nodes-v1'), /not signed by the certified key/],
    [{ text, signature, certificate: signed({ issuedAt: FROM_MS + 9 * DAY_MS }).certificate }, /not valid yet/],
    [{ text, signature, certificate: signed({ issuedAt: FROM_MS - 9 * DAY_MS }).certificate }, /has ended/],
  ];
  for (const [document, reason] of rows) {
    const verified = verifyReceipt(document, ROOT.publicKey, 'eu');
    assert.match('refused' in verified ? verified.refused : 'taken', reason);
  }
});

interface Vectors {
  readonly zone: string;
  readonly rootKey: string;
  readonly receipts: readonly { readonly says: Receipt; readonly signed: CertifiedText }[];
}

test('receipts that another implementation has made say the same here, and nothing with a bit changed', () => {
  const { zone, rootKey, receipts } = readVectors<Vectors>('receipt');
  const key = Buffer.from(rootKey, 'base64');
  assert.equal(receipts.length, 2);
  for (const { says, signed: document } of receipts) {
    assert.deepEqual(verifyReceipt(document, key, zone), says);
    const signature = Buffer.from(document.signature, 'base64');
    for (let bit = 0; bit < 512; bit += 37) {
      const forged = { ...document, signature: flipped(signature, bit).toString('base64') };
      assert('refused' in verifyReceipt(forged, key, zone), `bit ${bit}`);
    }
  }
});
