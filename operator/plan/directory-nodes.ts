/** What a directory says of the nodes of its roster beyond the consensus: who drains, and whether anything rides on him. */
import { z } from 'zod';
import { certifiedText, verifyCertified } from '../../nodes/config/certificate.ts';
import { parseJson } from './json.ts';

export interface ListedNode {
  readonly registered: boolean;
  readonly draining: boolean;
  /** Whether the node is where it says it is: undefined before the directory has looked. */
  readonly answered: boolean | undefined;
  /** Only of a node that drains, and only once it has said so. */
  readonly empty: boolean | undefined;
  /** A mix's verdict on a superpeer. */
  readonly expelled: string | undefined;
}

/** By id; of an unreachable directory nothing is known. */
export type DirectoryNodes = ReadonlyMap<string, ListedNode>;

const Document = z.object({
  zone: z.string(),
  issuedAt: z.int(),
  nodes: z.array(
    z.object({
      id: z.string(),
      registered: z.boolean(),
      draining: z.boolean(),
      answered: z.boolean().nullish(),
      empty: z.boolean().optional(),
      expelled: z.string().nullable(),
    }),
  ),
});
/** A document as old as this says nothing of now. */
const ageMsMax = 5 * 60_000;

/** @returns what is wrong with the document, in one sentence without times or counts, if it is not to be believed */
export function readDirectoryNodes(
  answer: unknown,
  zone: string,
  rootKey: string,
  nowMs: number,
): DirectoryNodes | { readonly refused: string } {
  const signed = certifiedText.safeParse(answer);
  if (!signed.success) return { refused: 'the directory answers something that is not a report on nodes' };
  const key = Buffer.from(rootKey, 'base64');
  const verified = verifyCertified('report on nodes', 'herd-nodes-v1', signed.data, key, zone, nowMs);
  if ('refused' in verified) return verified;
  const document = Document.safeParse(parseJson(verified.text));
  if (!document.success) return { refused: 'the signed report on nodes can’t be read' };
  const { data } = document;
  if (data.zone !== zone) return { refused: `the report on nodes is of zone ${data.zone}` };
  if (Math.abs(nowMs - data.issuedAt) > ageMsMax) return { refused: 'the report on nodes is of another time' };
  return new Map(
    data.nodes.map(({ id, registered, draining, answered, empty, expelled }) => [
      id,
      { registered, draining, answered: answered ?? undefined, empty, expelled: expelled ?? undefined },
    ]),
  );
}
