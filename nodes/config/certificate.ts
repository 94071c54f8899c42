import { z } from 'zod';
import type { Identity } from '../crypto/keys.ts';
import { type CertifiedText, type SignedPurpose, type SignedText, signText, verifyText } from '../crypto/signed.ts';
import { keyText } from './key-text.ts';

/**
 * A zone's root key signs nothing but certificates: short-lived words that another key signs the zone's documents.
 *
 * Property: whoever trusts a root key believes a document if, and only if, it is signed under a key that this root key
 * certifies for that zone at that time. There is one function that says so, for nodes, clients and the operator.
 */
const certificateText = z.object({
  zone: z.string().max(63),
  signingKey: keyText,
  /** Milliseconds since 1970, both inclusive. */
  from: z.int().min(0),
  until: z.int().min(0),
});
export type Certificate = z.infer<typeof certificateText>;

const CERTIFICATE_CHARS_MAX = 512;
export const signedCertificate = z.object({
  text: z.string().max(CERTIFICATE_CHARS_MAX),
  signature: z.string().max(128),
});

/** A document with its certificate, as it travels where nothing else is said. */
export const certifiedText = z.object({
  text: z.string().max(4_000_000),
  signature: z.string().max(128),
  certificate: signedCertificate,
});

export function signCertificate(root: Identity, certificate: Certificate): SignedText {
  return signText(root, 'herd-signing-v1', JSON.stringify(certificate));
}

/** The text of a document of `zone`, if it is to be believed at `nowMs`; else one sentence saying why not, about `what`. */
export function verifyCertified(
  what: string,
  purpose: SignedPurpose,
  signed: CertifiedText,
  rootKey: Uint8Array,
  zone: string,
  nowMs: number,
): { readonly text: string } | { readonly refused: string } {
  const certificateSigned = verifyText(rootKey, 'herd-signing-v1', signed.certificate);
  if (certificateSigned === undefined)
    return { refused: `the certificate of zone ${zone} is not signed by the zone's root key` };
  const certificate = parse(certificateSigned);
  if (!certificate) return { refused: `the certificate of zone ${zone} is malformed` };
  if (certificate.zone !== zone) return { refused: `the certificate is of zone ${certificate.zone}, not ${zone}` };
  if (nowMs < certificate.from) return { refused: `the certificate of zone ${zone} is not valid yet` };
  if (nowMs > certificate.until) return { refused: `the certificate of zone ${zone} has ended` };
  const text = verifyText(Buffer.from(certificate.signingKey, 'base64'), purpose, signed);
  return text === undefined ? { refused: `the ${what} of zone ${zone} is not signed by the certified key` } : { text };
}

function parse(text: string): Certificate | undefined {
  try {
    return certificateText.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
