import assert from 'node:assert/strict';
import test from 'node:test';
import { type Certificate, signCertificate, verifyCertified } from '../../../../nodes/config/certificate.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { type CertifiedText, type SignedText, signText } from '../../../../nodes/crypto/signed.ts';

const [ROOT, OTHER, SIGNING] = [1, 2, 3].map((fill) => new Identity(Buffer.alloc(32, fill)));
const NOW_MS = 1_900_000_000_000;
const CERTIFICATE: Certificate = {
  zone: 'eu',
  signingKey: SIGNING.publicKey.toString('base64'),
  from: NOW_MS - 1000,
  until: NOW_MS + 1000,
};
const DOCUMENT = signText(SIGNING, 'herd-consensus-v1', 'what the zone says');
const under = (certificate: SignedText, document = DOCUMENT): CertifiedText => ({ ...document, certificate });
const GOOD = under(signCertificate(ROOT, CERTIFICATE));

const verify = (signed: CertifiedText, nowMs = NOW_MS, zone = 'eu') =>
  verifyCertified('consensus', 'herd-consensus-v1', signed, ROOT.publicKey, zone, nowMs);
const refusal = (...given: Parameters<typeof verify>) => (verify(...given) as { refused?: string }).refused;

test('a document under a certified key is believed in every millisecond of the certificate, and in no other', () => {
  for (const nowMs of [CERTIFICATE.from, NOW_MS, CERTIFICATE.until])
    assert.deepEqual(verify(GOOD, nowMs), { text: 'what the zone says' });
  assert.equal(refusal(GOOD, CERTIFICATE.from - 1), 'the certificate of zone eu is not valid yet');
  assert.equal(refusal(GOOD, CERTIFICATE.until + 1), 'the certificate of zone eu has ended');
});

test('nobody but the root certifies, and what it signs for something else is no certificate', () => {
  const wrong = "the certificate of zone eu is not signed by the zone's root key";
  const text = JSON.stringify(CERTIFICATE);
  assert.equal(refusal(under(signCertificate(OTHER, CERTIFICATE))), wrong);
  assert.equal(refusal(under(signCertificate(SIGNING, CERTIFICATE))), wrong, 'a signing key makes no other');
  assert.equal(refusal(under(signText(ROOT, 'herd-consensus-v1', text))), wrong);
  const changed = text.replace(`${CERTIFICATE.until}`, `${CERTIFICATE.until + 1}`);
  assert.equal(refusal(under({ ...GOOD.certificate, text: changed })), wrong);
});

test('a certificate is for one zone', () => {
  assert.equal(refusal(GOOD, NOW_MS, 'na'), 'the certificate is of zone eu, not na');
});

test('the document has to be signed under the certified key, for this purpose', () => {
  const wrong = 'the consensus of zone eu is not signed by the certified key';
  for (const document of [
    signText(ROOT, 'herd-consensus-v1', DOCUMENT.text),
    signText(OTHER, 'herd-consensus-v1', DOCUMENT.text),
    signText(SIGNING, 'herd-verdict-v1', DOCUMENT.text),
    { ...DOCUMENT, text: 'what somebody else says' },
  ])
    assert.equal(refusal(under(GOOD.certificate, document)), wrong);
});

const MALFORMED: readonly object[] = [
  /* 1 */ { zone: 7 },
  /* 2 */ { signingKey: 'AAAA' },
  /* 3 */ { signingKey: undefined },
  /* 4 */ { from: undefined },
  /* 5 */ { from: -1 },
  /* 6 */ { until: undefined },
  /* 7 */ { until: '2099-01-01' },
  /* 8 */ { until: null },
];

test('a certificate that is signed and yet malformed is refused, row by row', () => {
  const signed = (text: string) => under(signText(ROOT, 'herd-signing-v1', text));
  for (const [index, change] of MALFORMED.entries()) {
    const text = JSON.stringify({ ...CERTIFICATE, ...change });
    assert.equal(refusal(signed(text)), 'the certificate of zone eu is malformed', `row ${index + 1}`);
  }
  for (const text of ['', '{', 'null', '[]']) assert.match(refusal(signed(text))!, /malformed$/, text);
});
