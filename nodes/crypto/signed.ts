import { type Identity, verifySignature } from './keys.ts';

/**
 * Text and an Ed25519 signature over it. The signature covers the exact text that travels, so nobody has to agree on a
 * canonical form; the purpose in front keeps a signature made for one kind of document from being shown as another.
 */
export type SignedPurpose =
  | 'herd-consensus-v1'
  | 'herd-descriptor-v1'
  | 'herd-nodes-v1'
  | 'herd-receipt-v1'
  | 'herd-signing-v1'
  | 'herd-verdict-v1';

export interface SignedText {
  readonly text: string;
  /** base64 */
  readonly signature: string;
}

/** A document of a zone, and by whose word its key may sign it (config/certificate.ts). */
export interface CertifiedText extends SignedText {
  readonly certificate: SignedText;
}

export function signText(identity: Identity, purpose: SignedPurpose, text: string): SignedText {
  return { text, signature: identity.sign(message(purpose, text)).toString('base64') };
}

/** The text, if it carries a signature of `publicKey` for that purpose. */
export function verifyText(publicKey: Uint8Array, purpose: SignedPurpose, signed: SignedText): string | undefined {
  const signature = Buffer.from(signed.signature, 'base64');
  return verifySignature(publicKey, message(purpose, signed.text), signature) ? signed.text : undefined;
}

function message(purpose: SignedPurpose, text: string): Buffer {
  return Buffer.from(`${purpose}\n${text}`, 'utf8');
}
