import { z } from 'zod';
import { type Endpoint, MILLISECOND_US, type Micros, parseEndpoint } from '../core/units.ts';
import { tagOf } from '../crypto/keys.ts';
import type { CertifiedText } from '../crypto/signed.ts';
import { ASSIGNMENT_MODES, ATTACHMENTS_MAX, CLIENTS_PER_CHANNEL_MAX, NODE_TAG_BYTES } from '../wire/constants.ts';
import { signedCertificate, verifyCertified } from './certificate.ts';
import { keyText } from './key-text.ts';

/**
 * A zone's consensus: what its directory signs and every node and client downloads whole.
 *
 * Unverified text and a verified Consensus are different types: the only way from one to the other is `verifyConsensus`
 * with a key that the caller already trusts. After it nobody checks a field again.
 */
const endpointText = z.string().refine((text) => parseEndpoint(text) !== undefined, 'must be a.b.c.d:port');
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label');

/** With it, the links to 64 nodes fill the ring of what a daemon sends in a tick (host/plane.ts). */
export const MESH_CELLS_PER_TICK_MAX = 64;

export const zoneParams = z.object({
  profile: z.enum(['A', 'B']),
  clientsPerChannel: z.int().min(1).max(CLIENTS_PER_CHANNEL_MAX),
  /** Rate of every mesh link, and where rates are set from the demand, the lowest one. */
  meshCellsPerTick: z.int().min(1).max(MESH_CELLS_PER_TICK_MAX),
  /** The highest rate that the demand may lead to; rates stay at meshCellsPerTick without it (directory/rates.ts). */
  meshCellsPerTickMax: z.int().min(1).max(MESH_CELLS_PER_TICK_MAX).optional(),
  /** k: channels on distinct superpeers that a client is attached to. */
  attachmentsPerClient: z.int().min(1).max(ATTACHMENTS_MAX),
  assignment: z.enum(ASSIGNMENT_MODES),
  /** Clients that a mix takes without a superpeer. */
  directClients: z.int().min(0).max(10_000),
  /** How long a period is for which superpeers get receipts (receipt.ts); a day without it. */
  receiptSeconds: z.int().min(60).max(604_800).optional(),
});
export type ZoneParams = z.infer<typeof zoneParams>;

export const NODE_ROLES = ['mix', 'rendezvous', 'superpeer'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

/** What every mesh link from a node of this zone to one of zone `zone` carries from the instant `from`, ms since 1970. */
const meshRate = z.object({
  zone: name,
  cellsPerTick: z.int().min(1).max(MESH_CELLS_PER_TICK_MAX),
  from: z.int().min(0),
});
export type MeshRate = z.infer<typeof meshRate>;

/** As many as there are when a node changes its keys in every epoch: one that goes, one in force, two that come. */
export const NODE_KEYS_MAX = 4;
/** A public key of a node, and the instant, ms since 1970, from which on others use it. */
const scheduledKey = z.object({ key: keyText, from: z.int().min(0) });
/** By number, the oldest first. */
const scheduledKeys = z.array(scheduledKey).min(1).max(NODE_KEYS_MAX);

const consensusText = z.object({
  zone: name,
  provider: z.string().max(253),
  jurisdiction: z.string().max(253),
  epoch: z.int().min(0),
  validUntil: z.iso.datetime(),
  params: zoneParams,
  nodes: z
    .array(
      z.object({
        id: name,
        role: z.enum(NODE_ROLES),
        endpoint: endpointText,
        identityKey: keyText,
        linkKeys: scheduledKeys,
        circuitKeys: scheduledKeys,
        boot: z.int().min(0).max(0xffff_ffff),
        draining: z.boolean(),
      }),
    )
    .max(4096),
  channels: z
    .array(z.object({ id: z.int().min(1).max(65535), superpeer: name, mix: name, standby: name.optional() }))
    .max(65535),
  /** For each zone the rate in force, the one that follows, and those that a clock that is behind still needs. */
  meshRates: z.array(meshRate).max(4096),
});
export type ConsensusText = z.infer<typeof consensusText>;

export interface ScheduledKey {
  readonly key: Buffer;
  readonly from: number;
}

export interface ConsensusNode {
  readonly id: string;
  readonly role: NodeRole;
  readonly endpoint: Endpoint;
  /** The oldest first, at least one. All may open links; links to the node are opened with the one in force. */
  readonly linkKeys: readonly ScheduledKey[];
  /** The oldest first, at least one: of what clients send to a mix or rendezvous through others. */
  readonly circuitKeys: readonly ScheduledKey[];
  /** Drawn when the process starts: another number means that it has lost its circuits and sessions. */
  readonly boot: number;
  /** Its clients and calls go elsewhere, and no new ones come. */
  readonly draining: boolean;
  /** How messages name a node, in hex: see nodeTag. */
  readonly tag: string;
}

export interface ConsensusChannel {
  readonly id: number;
  readonly superpeer: ConsensusNode;
  readonly mix: ConsensusNode;
  /** Serves the channel's clients when the mix is dead or draining. */
  readonly standby: ConsensusNode | undefined;
}

export interface Consensus {
  readonly zone: string;
  readonly epoch: number;
  /** Milliseconds since 1970. */
  readonly validUntilMs: number;
  readonly params: ZoneParams;
  readonly nodes: readonly ConsensusNode[];
  /** Only channels whose superpeer and mix are both registered. */
  readonly channels: readonly ConsensusChannel[];
  /** To a zone that has none, links carry params.meshCellsPerTick. */
  readonly meshRates: readonly MeshRate[];
}

/** The name of a node for as long as it has its identity. The zone is in it, so that no other zone's consensus can say it. */
export function nodeTag(zone: string, identityKey: Uint8Array): string {
  return tagOf('herd node', Buffer.concat([Buffer.from(zone), identityKey]), NODE_TAG_BYTES).toString('hex');
}

/**
 * The key in force: the newest that has begun, or the oldest while none has. A function of the clock, so that it does
 * not matter when it was heard of.
 */
export function inForce<K extends { readonly from: number }>(nowMs: number, keys: readonly K[]): K {
  return keys.findLast(({ from }) => from <= nowMs) ?? keys[0]!;
}

export function keyAt(now: Micros, keys: readonly ScheduledKey[]): Buffer {
  return inForce(now / MILLISECOND_US, keys).key;
}

/** Whether that is one of a node's keys: in force, still, or soon. */
export function lists(keys: readonly ScheduledKey[] | undefined, key: Uint8Array): boolean {
  return keys?.some((listed) => listed.key.equals(key)) ?? false;
}

/** The consensus if a key that `rootKey` certifies signed it for `zone` and it is still valid at `nowMs`; else one sentence saying why not. */
export function verifyConsensus(
  signed: CertifiedText,
  rootKey: Uint8Array,
  zone: string,
  nowMs: number,
): Consensus | { refused: string } {
  const verified = verifyCertified('consensus', 'herd-consensus-v1', signed, rootKey, zone, nowMs);
  if ('refused' in verified) return verified;
  let json: unknown;
  try {
    json = JSON.parse(verified.text);
  } catch {
    return { refused: `the consensus of zone ${zone} is not JSON` };
  }
  const parsed = consensusText.safeParse(json);
  if (!parsed.success)
    return { refused: `the consensus of zone ${zone} is malformed: ${z.prettifyError(parsed.error)}` };
  if (parsed.data.zone !== zone) return { refused: `the consensus is of zone ${parsed.data.zone}, not ${zone}` };
  const validUntilMs = Date.parse(parsed.data.validUntil);
  if (validUntilMs < nowMs) return { refused: `the consensus of zone ${zone} ended at ${parsed.data.validUntil}` };
  return interpret(parsed.data, validUntilMs);
}

function interpret(text: ConsensusText, validUntilMs: number): Consensus {
  const nodes = text.nodes.map((node): ConsensusNode => {
    const endpoint = parseEndpoint(node.endpoint)!;
    const { id, role, boot, draining } = node;
    const [linkKeys, circuitKeys] = [node.linkKeys, node.circuitKeys].map((keys) =>
      keys.map(({ key, from }): ScheduledKey => ({ key: Buffer.from(key, 'base64'), from })),
    ) as [ScheduledKey[], ScheduledKey[]];
    const tag = nodeTag(text.zone, Buffer.from(node.identityKey, 'base64'));
    return { id, role, endpoint, linkKeys, circuitKeys, boot, draining, tag };
  });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const channels = text.channels.flatMap((channel): ConsensusChannel[] => {
    const superpeer = byId.get(channel.superpeer);
    const mix = byId.get(channel.mix);
    const standby = channel.standby === undefined ? undefined : byId.get(channel.standby);
    return superpeer && mix ? [{ id: channel.id, superpeer, mix, standby }] : [];
  });
  const { zone, epoch, params, meshRates } = text;
  return { zone, epoch, validUntilMs, params, nodes, channels, meshRates };
}

/** What a node or client holds of the world: its own zone's consensus and those of the zones that its directory vouches for. */
export interface View {
  readonly own: Consensus;
  readonly peers: readonly Consensus[];
}

const signedConsensus = z.object({
  consensus: z.string().max(4_000_000),
  signature: z.string().max(128),
  certificate: signedCertificate,
});

/** A consensus as it travels. */
export function envelope({ text, signature, certificate }: CertifiedText): z.infer<typeof signedConsensus> {
  return { consensus: text, signature, certificate };
}

/** What an envelope holds; undefined if that is none. Nothing of it is verified. */
export function opened(json: unknown): CertifiedText | undefined {
  const { data } = signedConsensus.safeParse(json);
  return data && textOf(data);
}

const textOf = ({ consensus: text, signature, certificate }: z.infer<typeof signedConsensus>): CertifiedText => ({
  text,
  signature,
  certificate,
});

const viewText = z.object({
  own: signedConsensus,
  peers: z.array(z.object({ zone: name, rootKey: keyText, signed: signedConsensus })).max(256),
});
export type ViewText = z.infer<typeof viewText>;

/** Verifies a directory's answer. A peer zone's consensus that does not verify is left out: another zone cannot harm this one. */
export function verifyView(
  json: unknown,
  rootKey: Uint8Array,
  zone: string,
  nowMs: number,
): View | { refused: string } {
  const parsed = viewText.safeParse(json);
  if (!parsed.success) return { refused: `the directory's answer is malformed: ${z.prettifyError(parsed.error)}` };
  const { own, peers } = parsed.data;
  const ownVerified = verifyConsensus(textOf(own), rootKey, zone, nowMs);
  if ('refused' in ownVerified) return ownVerified;
  const verifiedPeers = peers.flatMap((peer): Consensus[] => {
    const verified = verifyConsensus(textOf(peer.signed), Buffer.from(peer.rootKey, 'base64'), peer.zone, nowMs);
    return 'refused' in verified || peer.zone === zone ? [] : [verified];
  });
  return { own: ownVerified, peers: verifiedPeers };
}
