import { signCertificate } from '../../../../nodes/config/certificate.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { type CertifiedText, type SignedPurpose, signText } from '../../../../nodes/crypto/signed.ts';
import { CLOCK_SKEW_MS, CONSENSUS_LIFETIME_MS } from '../../../../nodes/directory/directory.ts';
import { Signer } from '../../../../nodes/directory/signer.ts';

/** The key under which documents are signed here; whoever's root key it is certifies it. */
export const SIGNING = new Identity(Buffer.alloc(32, 77));

/** A document of a zone as its directory would sign it, certified for all times. */
export function certified(
  root: Identity,
  zone: string,
  text: string,
  purpose: SignedPurpose = 'herd-consensus-v1',
): CertifiedText {
  const signingKey = SIGNING.publicKey.toString('base64');
  const certificate = signCertificate(root, { zone, signingKey, from: 0, until: Number.MAX_SAFE_INTEGER });
  return { ...signText(SIGNING, purpose, text), certificate };
}

/** A directory's signer with one signing key. */
export function signerOf(zone: string, root: Identity, epochMs = 900_000): Signer {
  const times = { epochMs, lifetimeMs: CONSENSUS_LIFETIME_MS, clockSkewMs: CLOCK_SKEW_MS };
  return new Signer({ zone, root, ...times }, [{ number: 0, identity: SIGNING }]);
}
