/** What a directory says of the nodes of its roster beyond the consensus: who drains, and whether anything rides on him. */
import { z } from 'zod';
import { signedCertificate, verifyCertified } from '../../nodes/config/certificate.ts';

export interface ListedNode {
  readonly registered: boolean;
  readonly draining: boolean;
  /** Only of a node that drains, and only once it has said so. */
  readonly empty: boolean | undefined;
  /** A mix's verdict on a superpeer. */
  readonly expelled: string | undefined;
}

/** By id; of an unreachable directory nothing is known. */
export type DirectoryNodes = ReadonlyMap<string, ListedNode>;

const Answer = z.object({ text: z.string(), signature: z.string(), certificate: signedCertificate });
const Document = z.object({
  zone: z.string(),
  issuedAt: z.int(),
  nodes: z.array(
    z.object({
      id: z.string(),
      registered: z.boolean(),
      draining: z.boolean(),
      empty: z.boolean().optional(),
      expelled: z.string().nullable(),
    }),
  ),
});
/** A document as old as this says nothing of now. */
const ageMsMax = 5 * 60_000;

/** @throws naming what is wrong with the document */
export function readDirectoryNodes(answer: unknown, zone: string, rootKey: string, nowMs: number): DirectoryNodes {
  const signed = Answer.parse(answer);
  const key = Buffer.from(rootKey, 'base64');
  const verified = verifyCertified('report on nodes', 'herd-nodes-v1', signed, key, zone, nowMs);
  if ('refused' in verified) throw new Error(verified.refused);
  const document = Document.parse(JSON.parse(verified.text));
  if (document.zone !== zone) throw new Error(`it is of zone ${document.zone}`);
  if (Math.abs(nowMs - document.issuedAt) > ageMsMax) throw new Error('it is of another time');
  return new Map(
    document.nodes.map(({ id, registered, draining, empty, expelled }) => [
      id,
      { registered, draining, empty, expelled: expelled ?? undefined },
    ]),
  );
}
