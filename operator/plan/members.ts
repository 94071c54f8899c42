/**
 * What a Zone knows of its members: namespaces of other clusters, where nodes of some of its regions are. Pure.
 *
 * Property: what can't be seen is not taken for gone. Slots that were seen count as they were last; of a member that was
 * not seen since the operator started the directory's roster is left as it is. Which members may have slots the Zone's
 * status tells, and no slot is made before it does.
 *
 * And what a member says is believed of its own nodes only: it can neither add to the roster what nobody asked of it nor
 * speak of a node that is elsewhere.
 */
import { z } from 'zod';
import type { ZoneConditionType } from '../api/conditions.ts';
import type { NodeSlot } from '../api/slot.ts';
import type { Superpeer } from '../api/superpeer.ts';
import type { ClusterStatus, Zone } from '../api/zone.ts';
import type { RosterEntry } from '../objects/config.ts';
import { slotName } from '../objects/labels.ts';
import { parseJson } from './json.ts';
import type { Finding, Problem } from './status.ts';

export interface MemberRef {
  /** Of the Zone's namespace, with the kubeconfig. */
  readonly secret: string;
  /** In the other cluster. */
  readonly namespace: string;
}

/** A slot and where it is: in a member, or else in the cluster of its Zone. */
export interface PlacedSlot extends NodeSlot {
  readonly member?: string;
}

export type Names = Pick<ReadonlySet<string>, 'has'>;

export interface MemberView extends MemberRef {
  /** Whose member it is. */
  readonly zone: string;
  /** Those of the zone, as they were last seen; undefined: it was not seen since the operator started. */
  readonly slots: readonly PlacedSlot[] | undefined;
  /** Names of the zone's slots that can't be counted: just made, or of a version of the operator that this one can't read. */
  readonly unread: ReadonlySet<string>;
  /** Names that slots of others have. */
  readonly taken: Names;
  /** Why it can't be asked just now. */
  readonly problem: Problem | undefined;
}

/** Of what is planned for a zone, all that members need. */
export interface ZoneWithMembers {
  readonly zone: Zone;
  readonly superpeers: readonly Superpeer[];
  /** Those in members too. */
  readonly slots: readonly PlacedSlot[];
  readonly members: readonly MemberView[];
}

export const memberId = ({ secret, namespace }: MemberRef) => `${secret}/${namespace}`;

export const membersOfZone = ({ members }: Pick<ZoneWithMembers, 'members'>, name: string): MemberView[] =>
  members.filter(({ zone }) => zone === name);

/** Where a region's slots are to be; undefined: in the Zone's own cluster. */
export function memberOfRegion({ metadata, spec }: Zone, region: string | undefined): MemberRef | undefined {
  const cluster = spec.regions.find(({ name }) => name === region)?.cluster;
  return cluster && { secret: cluster.kubeconfigSecretRef.name, namespace: cluster.namespace ?? metadata.namespace };
}

export const isSameMember = (a: MemberRef | undefined, b: MemberRef | undefined): boolean =>
  a?.secret === b?.secret && a?.namespace === b?.namespace;

const regionsNamed = (zone: Zone, member: MemberRef): string[] =>
  zone.spec.regions.map(({ name }) => name).filter((name) => isSameMember(memberOfRegion(zone, name), member));

const regionsKnown = ({ status }: Zone, member: MemberRef): readonly string[] =>
  status?.clusters?.find((known) => isSameMember(known, member))?.regions ?? [];

/** All that a zone has to do with: those that its regions name, and those that may have slots of it. */
export function memberRefs(zone: Zone): MemberRef[] {
  const named = zone.spec.regions.flatMap(({ name }) => memberOfRegion(zone, name) ?? []);
  const known = (zone.status?.clusters ?? []).filter(({ regions }) => regions.length > 0);
  const all = [...named, ...known].map(({ secret, namespace }) => ({ secret, namespace }));
  const byId = [...new Map(all.map((ref) => [memberId(ref), ref]))];
  return byId.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref);
}

/** Of the slots that a member has for a zone those that may be there: of its regions, by their names. */
export const ofItsRegions = (zone: Zone, member: MemberRef, slots: readonly PlacedSlot[]): PlacedSlot[] => {
  const regions = new Set([...regionsNamed(zone, member), ...regionsKnown(zone, member)]);
  return slots.filter(({ metadata: { name }, spec: { role, region } }) => {
    const isItsName = role === 'superpeer' ? !isNodesName(name) : regionIn(zone.metadata.name, role, name) === region;
    return regions.has(region) && isItsName;
  });
};

/** Whether a slot gets into the roster. One in a member does when it was asked of it, and stays until it has drained. */
export function isEnrolled(
  { metadata: { name }, spec: { role, region }, status, member }: PlacedSlot,
  { zone, superpeers }: Pick<ZoneWithMembers, 'zone' | 'superpeers'>,
  before: readonly RosterEntry[],
): boolean {
  if (member === undefined) return true;
  if (before.some(({ id, identityKey }) => id === name && identityKey === status?.identityKey)) return true;
  const at = memberOfRegion(zone, region);
  if (!at || memberId(at) !== member) return false;
  if (role === 'superpeer')
    return superpeers.some(({ metadata, spec }) => metadata.name === name && spec.managed?.region === region);
  const { mixes, rendezvous } = zone.spec.regions.find((one) => one.name === region)!;
  const { replicas } = role === 'mix' ? mixes : rendezvous;
  return Array.from({ length: replicas }, (_, i) => slotName(zone.metadata.name, region, role, i)).includes(name);
}

/** What the status is to tell, before slots are made there. */
export function clusterStatuses(zone: Zone, members: readonly MemberView[]): ClusterStatus[] {
  const leaving = zone.metadata.deletionTimestamp !== undefined;
  return members.flatMap((member) => {
    const { secret, namespace, slots, unread, problem } = member;
    const named = leaving ? [] : regionsNamed(zone, member);
    const unseen = slots === undefined || unread.size > 0 ? regionsKnown(zone, member) : [];
    const seen = slots === undefined ? [] : [...named, ...slots.map(({ spec }) => spec.region)];
    const regions = [...new Set([...unseen, ...seen])].sort();
    if (named.length === 0 && regions.length === 0) return [];
    return [{ secret, namespace, reachable: !problem, reason: problem?.reason ?? 'Reachable', regions }];
  });
}

/** Slots may be there that can't be counted. */
export const mayHideSlots = (zone: Zone, members: readonly MemberView[]): boolean =>
  members.some((m) => m.unread.size > 0 || (m.slots === undefined && regionsKnown(zone, m).length > 0));

/** A condition only of a zone that has to do with other clusters. */
export function judgeClusters(members: readonly MemberView[]): Finding<ZoneConditionType>[] {
  const type = 'ClustersReachable';
  if (members.length === 0) return [];
  const problems = members.flatMap((member) => (member.problem ? { id: memberId(member), ...member.problem } : []));
  const message = problems.map(({ id, message }) => `${id}: ${message}`).join('; ');
  if (problems.length > 0) return [{ type, status: 'False', reason: problems[0]!.reason, message }];
  return [{ type, status: 'True', reason: 'AllReachable', message: 'all clusters that the zone is in answer' }];
}

/** Where a node's slot is wanted. */
export interface Place {
  readonly name: string;
  readonly region: string;
  readonly member: MemberRef | undefined;
}

/** A name is that of one node, so nothing is made while a slot of it is or may be elsewhere; nor before the status tells of it. */
export function mayBeMade(
  { name, region, member }: Place,
  { zone, slots, members }: Pick<ZoneWithMembers, 'zone' | 'slots' | 'members'>,
): boolean {
  const id = member && memberId(member);
  const isElsewhere = slots.some((slot) => slot.metadata.name === name && slot.member !== id);
  const mayBeElsewhere = membersOfZone({ members }, zone.metadata.name).some(
    (other) => memberId(other) !== id && other.slots === undefined && regionsKnown(zone, other).includes(region),
  );
  return !isElsewhere && !mayBeElsewhere && (!member || regionsKnown(zone, member).includes(region));
}

const Config = z.object({
  zones: z.array(z.object({ zone: z.string(), roster: z.array(z.looseObject({ id: z.string(), role: z.string() })) })),
});

/** What a directory's configuration has of a zone's nodes; nothing, if somebody has made something else of it. */
export function rosterIn(nodeJson: string | undefined, zone: string): RosterEntry[] {
  const config = Config.safeParse(parseJson(nodeJson ?? ''));
  const roster = config.data?.zones.find((served) => served.zone === zone)?.roster ?? [];
  return roster as unknown as RosterEntry[];
}

/** Those of the roster that stay in it as they are because their slots can't be seen or read. */
export function unseenEntries(of: ZoneWithMembers, before: readonly RosterEntry[]): RosterEntry[] {
  const { zone, superpeers, slots } = of;
  const members = membersOfZone(of, zone.metadata.name);
  const unseen = members.filter((member) => member.slots === undefined);
  const regions = new Set(unseen.flatMap((member) => [...regionsNamed(zone, member), ...regionsKnown(zone, member)]));
  const unread = new Set(members.flatMap((member) => [...member.unread]));
  const seen = new Set(slots.map(({ metadata: { name } }) => name));
  return before.filter(({ id, role }) => {
    const superpeer = superpeers.find(({ metadata: { name } }) => name === id);
    if (role === 'superpeer' && !superpeer) return false;
    const region = superpeer ? superpeer.spec.managed?.region : regionIn(zone.metadata.name, role, id);
    return unread.has(id) || (!seen.has(id) && regions.has(region ?? ''));
  });
}

/** Of a mix or rendezvous, which no superpeer may have. */
const isNodesName = (name: string) => /-(mix|rendezvous|directory)-\d+$/.test(name);

/** The name of a mix or rendezvous tells it. */
const regionIn = (zone: string, role: string, id: string) => new RegExp(`^${zone}-(.+)-${role}-\\d+$`).exec(id)?.[1];
