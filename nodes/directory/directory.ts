import type { ConsensusText, ViewText } from '../config/consensus.ts';
import { envelope, verifyConsensus } from '../config/consensus.ts';
import { type Carried, dealChannels } from '../config/dealing.ts';
import { claimedId, type Descriptor, verifyDescriptor } from '../config/descriptor.ts';
import type { DirectoryConfig, DirectoryZone } from '../config/node.ts';
import type { NodeReport, NodesText } from '../config/nodes.ts';
import { type Receipt, receiptPeriodMs } from '../config/receipt.ts';
import { claimedVerdict, verifyVerdict } from '../config/verdict.ts';
import { parseEndpoint } from '../core/units.ts';
import type { KeyKind } from '../crypto/keys.ts';
import type { CertifiedText, SignedText } from '../crypto/signed.ts';
import type { ProbeTarget } from './probes.ts';
import { Rates, type RatesOptions } from './rates.ts';
import { Receipts } from './receipts.ts';
import { type KnownKey, scheduled } from './schedule.ts';
import type { Signer } from './signer.ts';

/**
 * The directory of one provider's zones: admits the nodes that its roster lists, signs each zone's consensus, and
 * vouches for the peer zones' root keys by handing their consensus on.
 *
 * Property: nothing is in a consensus that an identity of the roster has not signed for itself, nobody but a mix of the
 * roster can have a superpeer left out, and nobody can ask for less than the whole document. What another configuration
 * leaves as it was loses nothing by it. Time is an argument, in milliseconds since 1970.
 */

/** Nodes renew every 10 s; one that missed six renewals is gone. */
export const DESCRIPTOR_LIFETIME_MS = 60_000;
/** A consensus outlives its directory by a day, so that calls go on while it is repaired. */
export const CONSENSUS_LIFETIME_MS = 24 * 3600 * 1000;
/** Nodes renew every 10 s and retry every second: who has not come by then does not count. */
const GATHERING_MS = 15_000;
/** Clocks of nodes may be ahead by this much (network.md 6, case 9). */
export const CLOCK_SKEW_MS = 5 * 60 * 1000;

interface ServedZone {
  config: DirectoryZone;
  readonly signer: Signer;
  /** By node id. BOUNDED: by the roster. */
  readonly descriptors: Map<
    string,
    { descriptor: Descriptor; receivedAt: number; keys: Record<KeyKind, readonly KnownKey[]> }
  >;
  /** Verified consensus of peer zones. BOUNDED: by the configured peers. */
  readonly peers: Map<string, { signed: CertifiedText; epoch: number }>;
  /** Superpeers that a mix has found to lie, and the reason, until they leave the roster or get another identity. BOUNDED: by the roster. */
  readonly expelled: Map<string, string>;
  /** What is dealt anew counts from an epoch's start on, at once where nobody can be. BOUNDED: by the channels of the roster and of the one before. */
  dealing: Dealing;
  /** When the first of its nodes came. */
  since: number | undefined;
  /** By node id, the process that was looked for where it says it is, and whether it answered. BOUNDED: by the roster. */
  readonly answers: Map<string, { readonly boot: number; readonly answered: boolean }>;
  /** From which instant on the roster's word that a node drains counts. BOUNDED: by the roster. */
  readonly drainsFrom: Map<string, number>;
  readonly rates: Rates;
  readonly receipts: Receipts;
  signed: { content: string; consensus: CertifiedText } | undefined;
}

type Channels = ConsensusText['channels'];
interface Dealing {
  readonly before: Channels;
  readonly from: number;
  readonly after: Channels;
}

export type Registration =
  | 'accepted'
  | 'unknown-zone'
  | 'malformed'
  | 'not-in-roster'
  | 'bad-signature'
  | 'stale'
  /** A key that is older than the newest known, or another under the same number. */
  | 'old-key';

export class Directory {
  readonly #epochMs: number;
  /** By zone name. BOUNDED: by the configuration. */
  #zones: ReadonlyMap<string, ServedZone>;

  /** `signers` holds that of each configured zone. */
  constructor(config: DirectoryConfig, signers: ReadonlyMap<string, Signer>) {
    this.#epochMs = config.epochSeconds * 1000;
    this.#zones = new Map(config.zones.map((zone) => [zone.zone, this.#begun(zone, signers)]));
  }

  /**
   * Follows another configuration of zones; a new one needs its signer, the others keep theirs. What a zone keeps
   * is what its nodes, mixes and peers have told of whom it still lists.
   */
  configure(nowMs: number, zones: readonly DirectoryZone[], signers: ReadonlyMap<string, Signer>): void {
    const known = this.#zones;
    const begun = zones.filter(({ zone }) => !known.has(zone)).map((zone) => this.#begun(zone, signers));
    for (const config of zones) {
      const zone = known.get(config.zone);
      if (zone) this.#follow(nowMs, zone, config);
    }
    const fresh = new Map(begun.map((zone) => [zone.config.zone, zone]));
    this.#zones = new Map(zones.map(({ zone }) => [zone, (known.get(zone) ?? fresh.get(zone))!]));
  }

  #begun(config: DirectoryZone, signers: ReadonlyMap<string, Signer>): ServedZone {
    const signer = signers.get(config.zone);
    if (!signer) throw new Error(`no root key for zone ${config.zone}`);
    return {
      config,
      signer,
      descriptors: new Map(),
      peers: new Map(),
      expelled: new Map(),
      dealing: { before: [], from: 0, after: channelsOf(config, []) },
      since: undefined,
      answers: new Map(),
      // Since when the roster says so is not known: most likely for longer than this process lives.
      drainsFrom: new Map(drainingOf(config).map((id) => [id, 0])),
      rates: new Rates(this.#ratesOf(config)),
      receipts: new Receipts(receiptPeriodMs(config.params)),
      signed: undefined,
    };
  }

  #follow(nowMs: number, zone: ServedZone, config: DirectoryZone): void {
    const before = zone.config;
    zone.config = config;
    const keyOf = ({ roster }: DirectoryZone, id: string) => roster.find((node) => node.id === id)?.identityKey;
    for (const held of [zone.descriptors, zone.expelled, zone.answers])
      for (const id of held.keys()) if (keyOf(config, id) !== keyOf(before, id)) held.delete(id);
    const rootKeyOf = ({ peers }: DirectoryZone, name: string) => peers.find((peer) => peer.zone === name)?.rootKey;
    for (const name of zone.peers.keys())
      if (rootKeyOf(config, name) !== rootKeyOf(before, name)) zone.peers.delete(name);
    const draining = new Set(drainingOf(config));
    for (const id of zone.drainsFrom.keys()) if (!draining.has(id)) zone.drainsFrom.delete(id);
    const nextEpochMs = (Math.floor(nowMs / this.#epochMs) + 1) * this.#epochMs;
    const dealt = dealtAt(nowMs, zone.dealing);
    const alive = this.#alive(nowMs, zone);
    const inUse = dealt.filter((channel) => served(channel, alive).length > 0);
    zone.dealing = { before: inUse, from: nextEpochMs, after: channelsOf(config, dealt) };
    for (const id of draining) if (!zone.drainsFrom.has(id)) zone.drainsFrom.set(id, nextEpochMs);
    zone.rates.configure(this.#ratesOf(config));
    zone.receipts.configure(receiptPeriodMs(config.params));
  }

  #ratesOf({ zone, peers, params }: DirectoryZone): RatesOptions {
    return {
      zones: [zone, ...peers.map((peer) => peer.zone)],
      floor: params.meshCellsPerTick,
      ceiling: params.meshCellsPerTickMax ?? params.meshCellsPerTick,
      epochMs: this.#epochMs,
      clockSkewMs: CLOCK_SKEW_MS,
    };
  }

  zones(): readonly DirectoryZone[] {
    return [...this.#zones.values()].map(({ config }) => config);
  }

  register(nowMs: number, zoneName: string, signed: SignedText): Registration {
    const zone = this.#zones.get(zoneName);
    if (!zone) return 'unknown-zone';
    const id = claimedId(signed);
    if (id === undefined) return 'malformed';
    const entry = zone.config.roster.find((node) => node.id === id);
    if (!entry) return 'not-in-roster';
    const descriptor = verifyDescriptor(Buffer.from(entry.identityKey, 'base64'), signed);
    if (!descriptor || descriptor.zone !== zoneName) return 'bad-signature';
    const known = zone.descriptors.get(id);
    if (known && descriptor.issuedAt <= known.descriptor.issuedAt) return 'stale';
    if (Math.abs(descriptor.issuedAt - nowMs) > CLOCK_SKEW_MS) return 'stale';
    const link = scheduled(nowMs, this.#epochMs, known?.keys.link, descriptor.linkKeys);
    const circuit = scheduled(nowMs, this.#epochMs, known?.keys.circuit, descriptor.circuitKeys);
    if (!link || !circuit) return 'old-key';
    zone.since ??= nowMs;
    // Of those who come at first, who has been there before this directory cannot be told from who is new.
    const isNew = known?.descriptor.boot !== descriptor.boot && nowMs - zone.since >= GATHERING_MS;
    if (isNew) zone.answers.set(id, { boot: descriptor.boot, answered: false });
    zone.descriptors.set(id, { descriptor, receivedAt: nowMs, keys: { link, circuit } });
    if (entry.role === 'mix' && descriptor.rounds) {
      zone.receipts.take(nowMs, id, descriptor.boot, descriptor.rounds);
      this.#receipts(nowMs, zone);
    }
    return 'accepted';
  }

  /** Takes a mix's verdict on a superpeer of its zone, which is in no consensus from then on. */
  judge(nowMs: number, zoneName: string, signed: SignedText): Registration {
    const zone = this.#zones.get(zoneName);
    if (!zone) return 'unknown-zone';
    const claimed = claimedVerdict(signed);
    if (!claimed) return 'malformed';
    const listed = (id: string, role: string) =>
      zone.config.roster.find((node) => node.id === id && node.role === role);
    const mix = listed(claimed.mix, 'mix');
    if (!mix || !listed(claimed.superpeer, 'superpeer')) return 'not-in-roster';
    const verdict = verifyVerdict(Buffer.from(mix.identityKey, 'base64'), signed);
    if (!verdict || verdict.zone !== zoneName) return 'bad-signature';
    if (Math.abs(verdict.issuedAt - nowMs) > CLOCK_SKEW_MS) return 'stale';
    zone.expelled.set(verdict.superpeer, verdict.reason);
    return 'accepted';
  }

  /** All who have registered, for whoever looks whether they are where they say. */
  targets(nowMs: number): ProbeTarget[] {
    return [...this.#zones].flatMap(([zone, served]) =>
      Array.from(this.#alive(nowMs, served), ([id, { boot, endpoint, linkKeys }]) => {
        const linkKey = Buffer.from(linkKeys.at(-1)!.key, 'base64');
        return { zone, id, boot, endpoint: parseEndpoint(endpoint)!, linkKey };
      }),
    );
  }

  epochAt(nowMs: number): number {
    return Math.floor(nowMs / this.#epochMs);
  }

  /** Takes word of whether a process of a node has answered where it says it is; of one that has gone it is late. */
  probed({ zone, id, boot }: Pick<ProbeTarget, 'zone' | 'id' | 'boot'>, answered: boolean): void {
    const served = this.#zones.get(zone);
    if (served?.descriptors.get(id)?.descriptor.boot === boot) served.answers.set(id, { boot, answered });
  }

  /** Nodes of all zones that have registered and don't answer. */
  unanswered(nowMs: number): number {
    let count = 0;
    for (const zone of this.#zones.values())
      for (const id of this.#alive(nowMs, zone).keys()) if (this.#answered(zone, id) === false) count += 1;
    return count;
  }

  /** Superpeers of all zones that are left out for what a mix has said. */
  expelled(): number {
    let count = 0;
    for (const { expelled } of this.#zones.values()) count += expelled.size;
    return count;
  }

  /** Takes a peer zone's consensus if it verifies under the configured root key; the reason if not. */
  learnPeer(nowMs: number, zoneName: string, peerName: string, signed: CertifiedText): { refused: string } | undefined {
    const zone = this.#zones.get(zoneName);
    const peer = zone?.config.peers.find((candidate) => candidate.zone === peerName);
    if (!zone || !peer) return { refused: `zone ${zoneName} has no peer ${peerName}` };
    const verified = verifyConsensus(signed, Buffer.from(peer.rootKey, 'base64'), peerName, nowMs);
    if ('refused' in verified) return verified;
    const known = zone.peers.get(peerName);
    if (known && verified.epoch < known.epoch)
      return { refused: `the consensus of zone ${peerName} is older than the one known` };
    zone.peers.set(peerName, { signed, epoch: verified.epoch });
    return undefined;
  }

  /** The whole document of a zone; undefined for a zone that is not served here. */
  view(nowMs: number, zoneName: string): ViewText | undefined {
    const zone = this.#zones.get(zoneName);
    if (!zone) return undefined;
    const own = this.#consensus(nowMs, zone);
    const peers = zone.config.peers.flatMap(({ zone: name, rootKey }) => {
      const signed = zone.peers.get(name)?.signed;
      return signed ? [{ zone: name, rootKey, signed: envelope(signed) }] : [];
    });
    return { own: envelope(own), peers };
  }

  /** The zone's own signed consensus, as its peers fetch it. */
  consensus(nowMs: number, zoneName: string): CertifiedText | undefined {
    const zone = this.#zones.get(zoneName);
    return zone && this.#consensus(nowMs, zone);
  }

  /** What is known of every node of the zone's roster, signed: for the operator, who has to know more than the nodes do. */
  nodes(nowMs: number, zoneName: string): CertifiedText | undefined {
    const zone = this.#zones.get(zoneName);
    if (!zone) return undefined;
    const nodes = zone.config.roster.map(({ id, role }): NodeReport => {
      const renewed = this.#renewed(nowMs, zone, id);
      const empty = renewed?.empty;
      return {
        id,
        role,
        boot: zone.descriptors.get(id)?.descriptor.boot ?? null,
        registered: renewed !== undefined,
        draining: this.#drains(nowMs, zone, id),
        answered: this.#answered(zone, id) ?? null,
        ...(empty !== undefined && { empty }),
        expelled: zone.expelled.get(id) ?? null,
      };
    });
    const report: NodesText = { zone: zoneName, issuedAt: nowMs, nodes };
    return zone.signer.sign(nowMs, 'herd-nodes-v1', JSON.stringify(report));
  }

  /** What superpeers, or one of them, have carried in the last periods, signed one by one. */
  receipts(nowMs: number, zoneName: string, superpeer?: string): CertifiedText[] | undefined {
    const zone = this.#zones.get(zoneName);
    return zone && this.#receipts(nowMs, zone, superpeer);
  }

  #receipts(nowMs: number, { config, receipts, signer }: ServedZone, superpeer?: string): CertifiedText[] {
    const sign = (receipt: Receipt) => signer.sign(nowMs, 'herd-receipt-v1', JSON.stringify(receipt));
    return receipts.all(nowMs, config.zone, config.roster, sign, superpeer);
  }

  /**
   * What a directory that has been up for `upMs` does not know yet. A consensus without nodes or peers that are only on
   * their way would make everybody close their links to them; what was signed before is good for a day.
   */
  gathering(upMs: number, nowMs: number, zoneName: string): 'nodes' | 'peers' | undefined {
    const zone = this.#zones.get(zoneName);
    if (!zone || upMs >= GATHERING_MS) return undefined;
    const { registered, roster } = this.registered(nowMs, zoneName);
    if (registered < roster) return 'nodes';
    return zone.peers.size < zone.config.peers.length ? 'peers' : undefined;
  }

  /** Nodes of a zone that are registered and not expelled, of those in the roster. */
  registered(nowMs: number, zoneName: string): { registered: number; roster: number } {
    const zone = this.#zones.get(zoneName)!;
    return { registered: this.#alive(nowMs, zone).size, roster: zone.config.roster.length };
  }

  /** Whether the node says so itself, at once; or the roster, from the epoch on after it began to. */
  #drains(nowMs: number, zone: ServedZone, id: string): boolean {
    if (nowMs >= (zone.drainsFrom.get(id) ?? Infinity)) return true;
    return this.#renewed(nowMs, zone, id)?.draining === true || this.#isLost(nowMs, zone, id);
  }

  /**
   * Clients are not to go where nobody answers, as long as another node of the role does: where none does, the fault may as
   * well be the directory's own way out.
   */
  #isLost(nowMs: number, zone: ServedZone, id: string): boolean {
    if (this.#answered(zone, id) !== false) return false;
    const roleOf = new Map(zone.config.roster.map((node) => [node.id, node.role]));
    const alive = this.#alive(nowMs, zone);
    return [...alive.keys()].some((other) => roleOf.get(other) === roleOf.get(id) && this.#answered(zone, other));
  }

  /** undefined: it has not been looked for yet, or not this process. */
  #answered({ answers, descriptors }: ServedZone, id: string): boolean | undefined {
    const known = answers.get(id);
    return known?.boot === descriptors.get(id)?.descriptor.boot ? known?.answered : undefined;
  }

  /** A node's descriptor while it is renewed. */
  #renewed(nowMs: number, zone: ServedZone, id: string): Descriptor | undefined {
    const known = zone.descriptors.get(id);
    return known && nowMs - known.receivedAt <= DESCRIPTOR_LIFETIME_MS ? known.descriptor : undefined;
  }

  #alive(nowMs: number, zone: ServedZone): Map<string, Descriptor> {
    const alive = new Map<string, Descriptor>();
    for (const id of zone.descriptors.keys()) {
      const descriptor = zone.expelled.has(id) ? undefined : this.#renewed(nowMs, zone, id);
      if (descriptor) alive.set(id, descriptor);
    }
    return alive;
  }

  /** Signs anew only when something in it has changed: the epoch, a node, its address. */
  #consensus(nowMs: number, zone: ServedZone): CertifiedText {
    const { config } = zone;
    const epoch = this.epochAt(nowMs);
    const alive = this.#alive(nowMs, zone);
    const nodes = config.roster
      .filter(({ id }) => alive.has(id))
      .map(({ id, role, identityKey }) => {
        const { endpoint, boot } = alive.get(id)!;
        const { link, circuit } = zone.descriptors.get(id)!.keys;
        const [linkKeys, circuitKeys] = [published(link), published(circuit)];
        const draining = this.#drains(nowMs, zone, id);
        return { id, role, endpoint, identityKey, linkKeys, circuitKeys, boot, draining };
      });
    // Superpeers are not in the mesh, and nobody's to trust.
    const inMesh = config.roster.filter(({ role }) => role !== 'superpeer');
    zone.rates.decide(
      nowMs,
      inMesh.flatMap(({ id }) => alive.get(id)?.demand ?? []),
    );
    const consensus: ConsensusText = {
      zone: config.zone,
      provider: config.provider,
      jurisdiction: config.jurisdiction,
      epoch,
      validUntil: new Date(epoch * this.#epochMs + CONSENSUS_LIFETIME_MS).toISOString(),
      params: config.params,
      nodes,
      channels: dealtAt(nowMs, zone.dealing).flatMap((channel) => served(channel, alive)),
      meshRates: zone.rates.entries(nowMs),
    };
    const content = JSON.stringify(consensus);
    if (zone.signed?.content !== content) {
      zone.signed = { content, consensus: zone.signer.sign(nowMs, 'herd-consensus-v1', content) };
    }
    return zone.signed.consensus;
  }
}

const published = (keys: readonly KnownKey[]) => keys.map(({ key, from }) => ({ key, from }));
function drainingOf({ roster }: DirectoryZone): string[] {
  return roster.filter(({ draining }) => draining).map(({ id }) => id);
}

/**
 * Channels of a zone, the same whoever is up: as numbered and dealt by the roster, or else numbered through the superpeers by
 * id and dealt after what was dealt `before`. A number that two superpeers claim is the first's, by id.
 */
export function channelsOf(zone: DirectoryZone, before: Channels): Channels {
  const superpeers = zone.roster.filter((node) => node.role === 'superpeer').sort((a, b) => (a.id < b.id ? -1 : 1));
  const carried = new Map<number, Carried>();
  const known = new Map(before.map((channel) => [channel.id, channel]));
  let next = 1;
  for (const { id: superpeer, channels, firstChannel = next, dealt = [] } of superpeers) {
    next = firstChannel + channels;
    for (let id = firstChannel; id < next; id += 1) {
      if (carried.has(id)) continue;
      carried.set(id, { id, superpeer });
      const told = dealt[id - firstChannel];
      if (told) known.set(id, { id, superpeer, ...told });
    }
  }
  const mixes = zone.roster.filter(({ role }) => role === 'mix');
  return dealChannels([...known.values()], [...carried.values()], mixes, zone.params.assignment !== 'paper');
}

/** Channels that there are now; one that was there before keeps its mix until what is dealt anew counts. */
function dealtAt(nowMs: number, { before, from, after }: Dealing): Channels {
  if (nowMs >= from) return after;
  const known = new Map(before.map((channel) => [channel.id, channel]));
  return after.map((channel) => {
    const last = known.get(channel.id);
    return last?.superpeer === channel.superpeer ? last : channel;
  });
}

/** A channel as it can be served: by its mix, by its standby mix where the mix is gone, or not at all. */
function served(
  channel: ConsensusText['channels'][number],
  alive: ReadonlyMap<string, unknown>,
): ConsensusText['channels'] {
  const { id, superpeer, mix, standby } = channel;
  if (!alive.has(superpeer)) return [];
  const present = [mix, standby].filter((node) => node !== undefined && alive.has(node));
  const [first, second] = present;
  if (first === undefined) return [];
  return [{ id, superpeer, mix: first, ...(second !== undefined && { standby: second }) }];
}
