/** What a zone's directory says, believed only under the zone's root key. */
import { z } from 'zod';
import { verifyCertified } from '../../nodes/config/certificate.ts';
import { opened } from '../../nodes/config/consensus.ts';
import { parseJson } from './json.ts';

export type Consensus =
  | { kind: 'unasked' }
  /** The problem is worded without times or counts, so that a status that shows it stays the same. */
  | { kind: 'unreachable'; problem: string }
  | { kind: 'verified'; epoch: number; meshRates: readonly MeshRate[] };

/** What links to that zone carry from then on, milliseconds since 1970. */
export interface MeshRate {
  readonly zone: string;
  readonly cellsPerTick: number;
  readonly from: number;
}

const Answer = z.object({ own: z.unknown() });
const Document = z.object({
  zone: z.string(),
  epoch: z.int(),
  validUntil: z.string(),
  meshRates: z.array(z.object({ zone: z.string(), cellsPerTick: z.int().min(1), from: z.int().min(0) })).default([]),
});

/** @param rootKey base64 of the zone's Ed25519 public key */
export function readConsensus(answer: unknown, zone: string, rootKey: string, nowMs: number): Consensus {
  const unreachable = (problem: string): Consensus => ({ kind: 'unreachable', problem });
  const signed = opened(Answer.safeParse(answer).data?.own);
  if (!signed) return unreachable('the directory answers something that is not a view');
  const key = Buffer.from(rootKey, 'base64');
  const verified = verifyCertified('consensus', 'herd-consensus-v1', signed, key, zone, nowMs);
  if ('refused' in verified) return unreachable(verified.refused);
  const document = Document.safeParse(parseJson(verified.text));
  if (!document.success) return unreachable('the signed consensus can’t be read');
  if (document.data.zone !== zone) return unreachable(`the consensus is of zone ${document.data.zone}`);
  if (!(Date.parse(document.data.validUntil) > nowMs)) return unreachable('the consensus has expired');
  const { epoch, meshRates } = document.data;
  return { kind: 'verified', epoch, meshRates };
}
