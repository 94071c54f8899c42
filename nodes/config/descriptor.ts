import { z } from 'zod';
import { parseEndpoint } from '../core/units.ts';
import type { Identity } from '../crypto/keys.ts';
import { type SignedText, signText, verifyText } from '../crypto/signed.ts';
import { MESH_CELLS_PER_TICK_MAX, NODE_KEYS_MAX } from './consensus.ts';
import { KEY_NUMBER_MAX } from './key-files.ts';
import { keyText } from './key-text.ts';
import { roundsReports } from './receipt.ts';

/**
 * What a node tells its directory about itself, signed with its identity: where it listens and under which keys.
 *
 * The directory takes it only from identities that its roster lists, and only a newer one than it has, so a copied
 * descriptor cannot lead traffic back to an address that the node has left.
 */
const zoneDemand = z.object({ zone: z.string().max(63), cells: z.int().min(0).max(MESH_CELLS_PER_TICK_MAX) });
export type ZoneDemand = z.infer<typeof zoneDemand>;

/** The own zone and 256 peers. */
const DEMANDS_MAX = 257;
/** A public key and its number: a newer one has a higher. */
const publishedKey = z.object({ number: z.int().min(0).max(KEY_NUMBER_MAX), key: keyText });
export type PublishedKey = z.infer<typeof publishedKey>;
const publishedKeys = z
  .array(publishedKey)
  .min(1)
  .max(NODE_KEYS_MAX)
  .refine((keys) => keys.every(({ number }, index) => index === 0 || number > keys[index - 1]!.number), {
    error: 'must go by number, the oldest first',
  });

const descriptorText = z.object({
  zone: z.string().max(63),
  id: z.string().max(63),
  endpoint: z.string().refine((text) => parseEndpoint(text) !== undefined, 'must be a.b.c.d:port'),
  linkKeys: publishedKeys,
  circuitKeys: publishedKeys,
  boot: z.int().min(0).max(0xffff_ffff),
  issuedAt: z.int().min(0),
  /** Of a mix or rendezvous: its demand in the last epoch by zone, the noise in it (link/demand.ts). */
  demand: z.array(zoneDemand).max(DEMANDS_MAX).optional(),
  /** Of a mix: rounds by superpeer. */
  rounds: roundsReports.optional(),
  /** It is about to end, for a reason of its own: its process has been told to. */
  draining: z.boolean().optional(),
  /** Only while it drains, for whatever reason: whether nothing rides on it any more. */
  empty: z.boolean().optional(),
});
export type Descriptor = z.infer<typeof descriptorText>;

/** A thousand for the node and its keys, at most 90 for a zone's demand and 122 for a superpeer's rounds in a period. */
const DESCRIPTOR_CHARS_MAX = 152_576;
export const signedDescriptor = z.object({
  text: z.string().max(DESCRIPTOR_CHARS_MAX),
  signature: z.string().max(128),
});

export function signDescriptor(identity: Identity, descriptor: Descriptor): SignedText {
  return signText(identity, 'herd-descriptor-v1', JSON.stringify(descriptor));
}

/** Whom a descriptor claims to be from; it is not verified yet. */
export function claimedId(signed: SignedText): string | undefined {
  return parse(signed.text)?.id;
}

export function verifyDescriptor(identityKey: Uint8Array, signed: SignedText): Descriptor | undefined {
  const text = verifyText(identityKey, 'herd-descriptor-v1', signed);
  return text === undefined ? undefined : parse(text);
}

function parse(text: string): Descriptor | undefined {
  try {
    return descriptorText.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
