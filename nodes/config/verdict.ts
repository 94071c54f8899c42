import { z } from 'zod';
import type { Identity } from '../crypto/keys.ts';
import { type SignedText, signText, verifyText } from '../crypto/signed.ts';

/** The one reason that is no guilt (mix/watch.ts): it carries too little, and nobody knows whose fault that is. */
export const UNSERVICEABLE = 'unserviceable';

/**
 * A mix's word that a superpeer is not to be used, signed with the mix's identity, for the directory of its zone.
 *
 * It names no client and no round: what the audit was made of stays at the mix.
 */
const verdictText = z.object({
  zone: z.string().max(63),
  /** Ids of the roster. */
  mix: z.string().max(63),
  superpeer: z.string().max(63),
  /** As in mix/audit.ts, or UNSERVICEABLE. */
  reason: z.string().max(63),
  issuedAt: z.int().min(0),
});
export type ZoneVerdict = z.infer<typeof verdictText>;

export function signVerdict(identity: Identity, verdict: ZoneVerdict): SignedText {
  return signText(identity, 'herd-verdict-v1', JSON.stringify(verdict));
}

/** What a verdict says, without a look at who says it; undefined if it is none. */
export function claimedVerdict(signed: SignedText): ZoneVerdict | undefined {
  try {
    return verdictText.safeParse(JSON.parse(signed.text)).data;
  } catch {
    return undefined;
  }
}

export function verifyVerdict(identityKey: Uint8Array, signed: SignedText): ZoneVerdict | undefined {
  const text = verifyText(identityKey, 'herd-verdict-v1', signed);
  return text === undefined ? undefined : claimedVerdict(signed);
}
