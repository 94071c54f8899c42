/** What a zone's directory says, believed only under the zone's root key. */
import { createPublicKey, verify } from 'node:crypto';
import { z } from 'zod';

export type Consensus =
  | { kind: 'unasked' }
  /** The problem is worded without times or counts, so that a status that shows it stays the same. */
  | { kind: 'unreachable'; problem: string }
  | { kind: 'verified'; epoch: number; registered: ReadonlySet<string> };

const Answer = z.object({ own: z.object({ consensus: z.string(), signature: z.string() }) });
const Document = z.object({
  zone: z.string(),
  epoch: z.int(),
  validUntil: z.string(),
  nodes: z.array(z.object({ id: z.string() })),
});

/** Domain separation: a signature over anything else that the key signs is none over a consensus. */
const context = 'herd-consensus-v1';

/** @param rootKey base64 of the zone's Ed25519 public key */
export function readConsensus(answer: unknown, zone: string, rootKey: string, nowMs: number): Consensus {
  const unreachable = (problem: string): Consensus => ({ kind: 'unreachable', problem });
  const parsed = Answer.safeParse(answer);
  if (!parsed.success) return unreachable('the directory answers something that is not a view');
  const { consensus, signature } = parsed.data.own;
  if (!signedByRoot(context, consensus, signature, rootKey))
    return unreachable('the consensus is not signed with the zone’s root key');
  const document = Document.safeParse(parseJson(consensus));
  if (!document.success) return unreachable('the signed consensus can’t be read');
  if (document.data.zone !== zone) return unreachable(`the consensus is of zone ${document.data.zone}`);
  if (!(Date.parse(document.data.validUntil) > nowMs)) return unreachable('the consensus has expired');
  const registered = new Set(document.data.nodes.map((n) => n.id));
  return { kind: 'verified', epoch: document.data.epoch, registered };
}

/** Ed25519, with the context before the text. */
export function signedByRoot(context: string, text: string, signature: string, rootKey: string): boolean {
  const x = Buffer.from(rootKey, 'base64').toString('base64url');
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  return verify(null, Buffer.from(`${context}\n${text}`), key, Buffer.from(signature, 'base64'));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
