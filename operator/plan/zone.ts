/**
 * What a Zone needs: (view, now) → children, status, when to look again. Pure.
 *
 * The order in which a zone comes up follows from what each part has to know:
 *   root key, Service → [root key and directory URL published] → slots with their pods, directory → registered → Ready
 * The directory reads its roster again when it changes, so it waits for nobody.
 *
 * A zone that is deleted keeps its directory until the last of its slots has drained and gone.
 */

import type { ZoneConditionType } from '../api/conditions.ts';
import { durationMs } from '../api/fields.ts';
import type { NodeSlot } from '../api/slot.ts';
import type { Superpeer } from '../api/superpeer.ts';
import type { Region, Zone, ZoneStatus } from '../api/zone.ts';
import type { ConfigMap, KubeObject, Manifest, Pod, PodDisruptionBudget, Service, StatefulSet } from '../kube/types.ts';
import { disruptionBudget } from '../objects/budget.ts';
import type { DirectoryAddress, RosterEntry, ServedZone } from '../objects/config.ts';
import { directoryObjects, directoryService, directoryURL, selectorOf } from '../objects/directory.ts';
import {
  configAnnotation,
  directoryName,
  forceAnnotation,
  keysAnnotation,
  type Role,
  roleName,
  rootSecretName,
  rotateAnnotation,
  signingSecretName,
  slotName,
} from '../objects/labels.ts';
import type { NodeStatefulSet } from '../objects/pod.ts';
import type { ChangingKeys, KeySecret } from '../objects/secret.ts';
import { slotManifest } from '../objects/slot.ts';
import { channelled, numbersIn } from './channels.ts';
import type { Consensus } from './consensus.ts';
import { type Permission, planDrains } from './drains.ts';
import { keyNames, keyStatesOf, type MadeKey, type RotationTimes } from './key-rotation.ts';
import {
  isAwaited,
  type MemberWish,
  makeable,
  planMembers,
  retired,
  takenNames,
  unseenRoles,
  type WantedSlot,
} from './member-wishes.ts';
import {
  clusterStatuses,
  isEnrolled,
  judgeClusters,
  type MemberView,
  memberOfRegion,
  membersOfZone,
  type Names,
  type PlacedSlot,
  rosterIn,
  unseenEntries,
} from './members.ts';
import { hostOf } from './relations.ts';
import { askedMs, conditions, type Finding, isPassing, isTrue, nodeReady, type Problem, timeOf } from './status.ts';

export interface ZoneView {
  readonly zone: Zone;
  /** All of the namespace, this one included. */
  readonly zones: readonly Zone[];
  readonly superpeers: readonly Superpeer[];
  readonly slots: readonly PlacedSlot[];
  /** Of this zone and of those that its directory serves. */
  readonly members: readonly MemberView[];
  /** Names of slots of the zone's name that are a Zone's of another cluster. */
  readonly taken: Names;
  /** Public half of the zone's root key. */
  readonly rootKey: string | undefined;
  /** Why the key is missing, if it is. */
  readonly keyProblem: Problem | undefined;
  /** The zone's signing keys. */
  readonly made: readonly MadeKey[];
  /** What the zone owns, but for slots. */
  readonly statefulSets: readonly StatefulSet[];
  readonly configMaps: readonly ConfigMap[];
  readonly services: readonly Service[];
  readonly budgets: readonly PodDisruptionBudget[];
  readonly directoryPod: Pod | undefined;
  readonly consensus: Consensus;
  readonly nodeImage: string;
}

export interface Removal {
  readonly kind: 'ConfigMap' | 'NodeSlot' | 'PodDisruptionBudget' | 'Service' | 'StatefulSet';
  readonly name: string;
}

export interface ZonePlan {
  /** In the order to apply. */
  readonly apply: readonly Manifest[];
  /** The directory's pod is to be told of its configuration and keys, lest the kubelet takes a minute to notice a change. */
  readonly nudge: { readonly pod: Pod; readonly annotations: Record<string, string> } | undefined;
  readonly remove: readonly Removal[];
  readonly permissions: readonly Permission[];
  /** Slots that go with a zone that is deleted by force: they wait for nobody either. */
  readonly forced: readonly NodeSlot[];
  /** By the member's id. */
  readonly members: ReadonlyMap<string, MemberWish>;
  /** Whether the zone keeps its finalizer. */
  readonly finalizer: boolean;
  readonly status: ZoneStatus;
  /** Whether the status can wait until it has lasted. */
  readonly isPassing: boolean;
  readonly requeueAfterMs: number;
}

type ZoneFinding = Finding<ZoneConditionType>;

/** Pods tell of themselves; only what the consensus says has to be asked for. */
const pollMs = 30_000;
const pollUnreadyMs = 2_000;

export const hosts = (zone: Zone): boolean => zone.spec.directory.zoneRef === undefined;

/** The Secret that a zone must have before it can be planned. */
export const zoneKey = ({ metadata: { name } }: Zone): KeySecret => ({
  name: rootSecretName(name),
  key: 'root',
  labels: { 'herd.network/zone': name },
});

export const zoneChangingKeys = ({ metadata: { name } }: Zone): ChangingKeys => ({
  secret: signingSecretName(name),
  labels: { 'herd.network/zone': name },
  prefix: (kind) => `${name}-${kind}`,
});

/** By the clock of the directory that serves the zone, which may be another's. */
function epochSecondsOf(zones: readonly Zone[], zone: Zone): number {
  return (zones.find(({ metadata: { name } }) => name === hostOf(zone)) ?? zone).spec.epochSeconds;
}

/** @param zones where the one is among whose directory serves this one */
export function zoneRotation(zones: readonly Zone[], zone: Zone): RotationTimes {
  const { metadata, spec } = zone;
  const { link, circuit, signing } = spec.keyLifetimes;
  return {
    epochMs: epochSecondsOf(zones, zone) * 1000,
    lifetimeMs: { link: durationMs(link), circuit: durationMs(circuit), signing: durationMs(signing) },
    notBeforeMs: askedMs(metadata.annotations?.[rotateAnnotation]),
  };
}

export function planZone(view: ZoneView, nowMs: number): ZonePlan {
  const { zone } = view;
  const self = publish(view);
  const directory = directoryOf(view);
  const peers = findPeers(view);
  const own = slotsOf(view, zone);
  const wanted = isLeaving(zone) ? [] : wantedSlots(view, self.address);
  const ownDirectory = hosts(zone) && self.address ? planDirectory(view) : undefined;
  const findings = judge(view, { directory, peers, ownDirectory, wanted });
  // Of a cluster that can't be asked somebody tells when it can.
  const settled = findings.some(({ type, status }) => type === 'Ready' && status !== 'False');
  const quiet = settled && own.every(({ status }) => status?.drainReason === undefined);
  const paused = zone.spec.paused && !isLeaving(zone);
  // Nobody is left to one that is out of the roster, nor waits for it.
  const untrusted = new Set(view.superpeers.filter((s) => !isTrusted(s)).map(({ metadata: { name } }) => name));
  const isCounted = ({ metadata: { name } }: NodeSlot) => !untrusted.has(name);
  const counted = own.filter(isCounted);
  const permissions = paused ? [] : planDrains(counted, isLeaving(zone), unseenRoles(view, counted, wanted));
  const clusters = clusterStatuses(zone, membersOfZone(view, zone.metadata.name));
  const status: ZoneStatus = {
    observedGeneration: zone.metadata.generation,
    conditions: conditions(findings, zone.status?.conditions ?? [], zone.metadata.generation, nowMs),
    ...(self.rootKey ? { rootKey: self.rootKey } : {}),
    ...(self.url ? { directoryURL: self.url } : {}),
    ...epochOf(view),
    ...ratesOf(view, nowMs),
    ...counts(view),
    keys: keyStatesOf(view.made, zoneRotation(view.zones, zone)),
    ...(clusters.length > 0 ? { clusters } : {}),
  };
  return {
    apply: isLeaving(zone) ? lastWords(view, ownDirectory) : wishes(view, wanted, paused ? undefined : ownDirectory),
    nudge: paused ? undefined : nudge(view, ownDirectory),
    remove: paused ? [] : removals(view, wanted),
    permissions: permissions.filter(({ slot }) => slot.member === undefined),
    forced:
      isLeaving(zone) && isForced(zone)
        ? own.filter((slot) => slot.member === undefined && isLeaving(slot) && !isForced(slot))
        : [],
    members: planMembers(view, wanted, permissions),
    finalizer: !isLeaving(zone) || isAwaited(view, isForced(zone)),
    status,
    // Whoever has made it wants to see that it was seen.
    isPassing: !!zone.status && isPassing(zone.status, status, passingFields, ['Progressing', 'Ready']),
    requeueAfterMs: quiet ? pollMs : pollUnreadyMs,
  };
}

const passingFields = ['epoch', 'meshRates', 'mixesReady', 'rendezvousReady', 'superpeersReady'] as const;

function wishes(view: ZoneView, wanted: readonly WantedSlot[], own: OwnDirectory | undefined): Manifest[] {
  const { zone } = view;
  return [
    ...(zone.spec.paused ? [] : [...rolesOf(zone).map((role) => disruptionBudget(zone, role)), ...serviceOf(zone)]),
    ...makeable(view, wanted, undefined).map(({ name, wish }) =>
      slotManifest({ kind: 'Zone', metadata: zone.metadata }, name, wish),
    ),
    ...(own ? [own.configMap, own.statefulSet] : []),
  ];
}

/** That its nodes drain. Nothing is made any more: in a namespace that goes, nothing can be. */
function lastWords({ configMaps }: ZoneView, own: OwnDirectory | undefined): Manifest[] {
  const there = own && configMaps.some(({ metadata: { name } }) => name === own.configMap.metadata.name);
  return there ? [own.configMap] : [];
}

const isLeaving = (thing: NodeSlot | Superpeer | Zone) => thing.metadata.deletionTimestamp !== undefined;
const isForced = ({ metadata }: NodeSlot | Zone) => metadata.annotations?.[forceAnnotation] === 'true';
const rolesOf = (zone: Zone): Role[] =>
  hosts(zone) ? ['directory', 'mix', 'rendezvous', 'superpeer'] : ['mix', 'rendezvous', 'superpeer'];
const serviceOf = (zone: Zone): Manifest[] => (hosts(zone) ? [directoryService(zone)] : []);

/** By name: of one zone there may be two readings, before and after a change. */
const isSame = (a: Zone, b: Zone) => a.metadata.name === b.metadata.name;

const byName = (a: { metadata: { name: string } }, b: { metadata: { name: string } }) =>
  Number(a.metadata.name > b.metadata.name) - Number(a.metadata.name < b.metadata.name);

function slotsOf({ slots }: ZoneView, zone: Zone): PlacedSlot[] {
  return slots.filter(({ spec }) => spec.zone === zone.metadata.name).sort(byName);
}

function wantedSlots(view: ZoneView, directory: DirectoryAddress | undefined): WantedSlot[] {
  const { zone } = view;
  const { name: zoneName } = zone.metadata;
  const of = (region: Region, role: 'mix' | 'rendezvous', count: number) =>
    Array.from({ length: count }, (_, index): WantedSlot => {
      const nodeSelector = selectorOf(region);
      const place = { zone: zoneName, role, region: region.name, nodeSelector };
      const known = directory ? { directory } : {};
      const wish = { ...place, ...slotTerms(view.zones, zone), ...known };
      return { name: slotName(zoneName, region.name, role, index), wish, member: memberOfRegion(zone, region.name) };
    });
  return zone.spec.regions.flatMap((region) => [
    ...of(region, 'mix', region.mixes.replicas),
    ...of(region, 'rendezvous', region.rendezvous.replicas),
  ]);
}

/** What a Zone says of all of its nodes alike. */
export const slotTerms = (zones: readonly Zone[], zone: Zone) => ({
  placement: zone.spec.placement,
  resources: zone.spec.resources,
  network: zone.spec.network,
  drainDeadlineSeconds: zone.spec.drainDeadlineSeconds,
  paused: zone.spec.paused,
  keys: slotKeys(zones, zone),
});

/** When keys of the zone's nodes change. */
function slotKeys(zones: readonly Zone[], zone: Zone) {
  const epochSeconds = epochSecondsOf(zones, zone);
  const { link, circuit } = zone.spec.keyLifetimes;
  const asked = askedMs(zone.metadata.annotations?.[rotateAnnotation]);
  return { epochSeconds, link, circuit, ...(asked > 0 ? { notBefore: timeOf(asked) } : {}) };
}

/** What this zone tells the others: fresher here than in its own status. */
interface Published {
  readonly rootKey: string | undefined;
  readonly url: string | undefined;
  readonly address: DirectoryAddress | undefined;
}

function publish(view: ZoneView): Published {
  const rootKey = view.rootKey ?? view.zone.status?.rootKey;
  const { url } = directoryOf(view);
  return { rootKey, url, address: rootKey && url ? { url, rootKey } : undefined };
}

interface DirectoryFound {
  readonly url: string | undefined;
  readonly problem: Problem | undefined;
}

function directoryOf(view: ZoneView): DirectoryFound {
  const { zone, zones, services } = view;
  if (hosts(zone)) {
    const service = services.find((s) => s.metadata.name === roleName(zone.metadata.name, 'directory'));
    const ip = service?.spec.clusterIP;
    return { url: zone.spec.directory.externalURL ?? (ip ? directoryURL(ip) : undefined), problem: undefined };
  }
  const ref = hostOf(zone);
  const host = zones.find((z) => z.metadata.name === ref);
  const refuse = (reason: string, message: string): DirectoryFound => ({
    url: undefined,
    problem: { reason, message },
  });
  if (!host || isLeaving(host))
    return refuse('DirectoryNotFound', `zone ${ref}, whose directory should serve this zone, does not exist`);
  if (!hosts(host)) return refuse('DirectoryNotHosted', `zone ${ref} has no directory of its own`);
  if (host.spec.provider !== zone.spec.provider) {
    return refuse(
      'DirectoryOfAnotherProvider',
      `zone ${ref} is of provider ${host.spec.provider}, not ${zone.spec.provider}`,
    );
  }
  return { url: host.status?.directoryURL, problem: undefined };
}

interface Peers {
  readonly resolved: ServedZone['peers'];
  /** Named but not there. */
  readonly missing: readonly string[];
  /** There, but nothing published. */
  readonly silent: readonly string[];
}

function findPeers(view: ZoneView, of: Zone = view.zone): Peers {
  const resolved: { zone: string; url: string; rootKey: string }[] = [];
  const missing: string[] = [];
  const silent: string[] = [];
  for (const { zone: name, url, rootKey } of of.spec.peers) {
    const peer = view.zones.find((z) => z.metadata.name === name);
    const address = peer?.metadata.name === view.zone.metadata.name ? publish(view).address : addressIn(peer?.status);
    if (url !== undefined && rootKey !== undefined) resolved.push({ zone: name, url, rootKey });
    else if (!peer || isLeaving(peer)) missing.push(name);
    else if (address) resolved.push({ zone: name, ...address });
    else silent.push(name);
  }
  return { resolved, missing, silent };
}

function addressIn(status: ZoneStatus | undefined): DirectoryAddress | undefined {
  return status?.rootKey && status.directoryURL ? { url: status.directoryURL, rootKey: status.rootKey } : undefined;
}

interface OwnDirectory {
  readonly configMap: Manifest;
  readonly statefulSet: NodeStatefulSet;
  readonly podHash: string;
}

function planDirectory(view: ZoneView): OwnDirectory {
  const { zone, nodeImage: image } = view;
  const served = servedBy(view).flatMap((other) => {
    const rootKey = isSame(other, zone) ? publish(view).rootKey : other.status?.rootKey;
    return rootKey ? [{ entry: servedZone(view, other), rootKey }] : [];
  });
  return directoryObjects({
    zone,
    id: directoryName(zone.metadata.name),
    served: served.map(({ entry }) => entry),
    rootKeys: served.map(({ rootKey }) => rootKey),
    image,
  });
}

/** Those that are leaving too: their clients are told by it that they drain. */
function servedBy({ zone, zones }: ZoneView): Zone[] {
  return zones
    .filter((z) => isSame(z, zone) || (hostOf(z) === zone.metadata.name && z.spec.provider === zone.spec.provider))
    .sort(byName);
}

function servedZone(view: ZoneView, zone: Zone): ServedZone {
  const { provider, jurisdiction, profile, clientsPerChannel, chaff } = zone.spec;
  const { attachmentsPerClient, assignment, directClients, receiptSeconds } = zone.spec;
  const { cellsPerTick, cellsPerTickMax } = chaff;
  return {
    zone: zone.metadata.name,
    provider,
    jurisdiction,
    params: {
      profile,
      clientsPerChannel,
      meshCellsPerTick: cellsPerTick,
      ...(cellsPerTickMax === undefined ? {} : { meshCellsPerTickMax: cellsPerTickMax }),
      attachmentsPerClient,
      assignment,
      directClients,
      receiptSeconds,
    },
    roster: numbered(view, zone, [...nodes(view, zone), ...external(view, zone)]),
    peers: findPeers(view, zone).resolved,
  };
}

/** What the directory's configuration has been up to now. */
const nodeJson = ({ configMaps, zone }: ZoneView): string | undefined =>
  configMaps.find(({ metadata: { name } }) => name === directoryName(zone.metadata.name))?.data?.['node.json'];

/** Those of slots, seen or not, by name; of two of a name the one that is here. */
function nodes(view: ZoneView, zone: Zone): RosterEntry[] {
  const of = { ...view, zone, superpeers: view.superpeers.filter(isTrusted) };
  const before = rosterIn(nodeJson(view), zone.metadata.name);
  const slots = slotsOf(view, zone).filter((slot) => isEnrolled(slot, of, before));
  const entries = [...slots.flatMap((slot) => enrolled(view, slot)), ...unseenEntries(of, before)];
  return [...new Map(entries.toReversed().map((entry) => [entry.id, entry])).values()].sort((a, b) =>
    a.id < b.id ? -1 : 1,
  );
}

/** Superpeers keep the numbers and mixes of their channels, which the directory's configuration has had up to now. */
function numbered(view: ZoneView, zone: Zone, roster: readonly RosterEntry[]): RosterEntry[] {
  const before = numbersIn(nodeJson(view), zone.metadata.name);
  const listed = new Set(roster.map(({ id }) => id));
  const isWhole = zone.spec.regions.every(({ name, mixes }) =>
    Array.from({ length: mixes.replicas }, (_, index) => slotName(zone.metadata.name, name, 'mix', index)).every((id) =>
      listed.has(id),
    ),
  );
  return channelled(before, roster, { isWhole, hasStandby: zone.spec.assignment !== 'paper' });
}

/** A slot with a key, until it is retired and drained. */
function enrolled({ superpeers }: ZoneView, { metadata, spec, status }: NodeSlot): RosterEntry[] {
  const { name: id } = metadata;
  const { role } = spec;
  if (!status?.identityKey || (status.drainReason === 'Retired' && status.drained)) return [];
  const draining = spec.drain && status.drainReason !== undefined ? { draining: true as const } : {};
  const { identityKey } = status;
  if (role !== 'superpeer') return [{ id, role, identityKey, ...draining }];
  const superpeer = superpeers.find(({ metadata: { name } }) => name === id);
  if (superpeer && !isTrusted(superpeer)) return [];
  const { channels } = superpeer?.spec ?? { channels: 1 };
  return [{ id, role, identityKey, channels, ...draining }];
}

function external({ superpeers }: ZoneView, zone: Zone): RosterEntry[] {
  return superpeers
    .filter(
      (s) => s.spec.external && s.spec.zoneRef === zone.metadata.name && !isLeaving(s) && isApproved(s) && isTrusted(s),
    )
    .sort(byName)
    .map(({ metadata, spec }) => ({
      id: metadata.name,
      role: 'superpeer',
      identityKey: spec.external!.identityKey,
      channels: spec.channels,
    }));
}

export const isApproved = ({ spec, status }: Superpeer) =>
  spec.managed !== undefined || status?.conditions.some((c) => c.type === 'Approved' && c.status === 'True') === true;

const isTrusted = ({ status }: Superpeer) =>
  !status?.conditions.some((c) => c.type === 'Trusted' && c.status === 'False');

function nudge(view: ZoneView, own: OwnDirectory | undefined): ZonePlan['nudge'] {
  const { directoryPod: pod, zone, made } = view;
  if (!pod || !own || pod.metadata.deletionTimestamp) return undefined;
  const keysOf = (other: Zone) =>
    isSame(other, zone) ? keyNames(made) : (other.status?.keys ?? []).map(({ name }) => name).join(' ');
  const keys = servedBy(view).map((other) => `${other.metadata.name}: ${keysOf(other)}`);
  const annotations = { [configAnnotation]: own.podHash, [keysAnnotation]: keys.join('; ') };
  const told = Object.entries(annotations).every(([name, value]) => pod.metadata.annotations?.[name] === value);
  return told ? undefined : { pod, annotations };
}

/** Owned but no longer wanted by the spec. What is wanted and can't be built just now stays. */
function removals(view: ZoneView, wanted: readonly WantedSlot[]): Removal[] {
  const { zone } = view;
  const { name } = zone.metadata;
  const directory = new Set(hosts(zone) ? [directoryName(name)] : []);
  const roles = new Set(rolesOf(zone).map((role) => roleName(name, role)));
  const unwanted = (kind: Removal['kind'], objects: readonly KubeObject[], kept: ReadonlySet<string>): Removal[] =>
    objects.filter((o) => !kept.has(o.metadata.name)).map((o) => ({ kind, name: o.metadata.name }));
  return [
    ...retired(view, wanted, undefined).map(({ metadata }): Removal => ({ kind: 'NodeSlot', name: metadata.name })),
    ...unwanted('PodDisruptionBudget', view.budgets, roles),
    ...unwanted('Service', view.services, hosts(zone) ? roles : new Set()),
    ...unwanted('ConfigMap', view.configMaps, directory),
    ...unwanted('StatefulSet', view.statefulSets, directory),
  ];
}

function epochOf({ zone, consensus }: ZoneView): { epoch?: number } {
  const epoch = consensus.kind === 'verified' ? consensus.epoch : zone.status?.epoch;
  return epoch === undefined ? {} : { epoch };
}

/** Of each zone the newest that has begun. */
function ratesOf({ zone, consensus }: ZoneView, nowMs: number): Pick<ZoneStatus, 'meshRates'> {
  if (consensus.kind !== 'verified') return zone.status?.meshRates ? { meshRates: zone.status.meshRates } : {};
  const begun = consensus.meshRates.filter(({ from }) => from <= nowMs).sort((a, b) => a.from - b.from);
  const inForce = new Map(begun.map((rate) => [rate.zone, rate]));
  const meshRates = [...inForce.values()]
    .map((rate) => ({ zone: rate.zone, cellsPerTick: rate.cellsPerTick, since: timeOf(rate.from) }))
    .sort((a, b) => (a.zone < b.zone ? -1 : 1));
  return meshRates.length > 0 ? { meshRates } : {};
}

/** A node that is replaced with permission is no fault of the zone. */
const serves = ({ spec, status }: NodeSlot) => status?.state === 'Active' || (spec.drain && status !== undefined);

function counts(view: ZoneView) {
  const { zone, superpeers } = view;
  const up = (role: 'mix' | 'rendezvous') => {
    const slots = slotsOf(view, zone).filter(({ spec, metadata }) => spec.role === role && !metadata.deletionTimestamp);
    return slots.filter(({ status }) => status?.state === 'Active').length;
  };
  const wanted = (role: 'mixes' | 'rendezvous') =>
    zone.spec.regions.reduce((sum, region) => sum + region[role].replicas, 0);
  const admitted = superpeers.filter((s) => s.spec.zoneRef === zone.metadata.name && !isLeaving(s));
  const serving = admitted.filter((s) => s.status?.conditions.some((c) => c.type === 'Ready' && c.status === 'True'));
  return {
    mixesReady: `${up('mix')}/${wanted('mixes')}`,
    rendezvousReady: `${up('rendezvous')}/${wanted('rendezvous')}`,
    superpeersReady: `${serving.length}/${admitted.length}`,
  };
}

interface Evidence {
  readonly directory: DirectoryFound;
  readonly peers: Peers;
  readonly ownDirectory: OwnDirectory | undefined;
  readonly wanted: readonly WantedSlot[];
}

function judge(view: ZoneView, evidence: Evidence): ZoneFinding[] {
  const keys = judgeKeys(view);
  const directory = judgeDirectory(view, evidence);
  const clusters = judgeClusters(membersOfZone(view, view.zone.metadata.name));
  const ready = judgeReady(view, keys, directory, clusters, evidence.wanted);
  return [keys, judgePeers(evidence.peers), directory, ...clusters, ready, judgeProgress(view, ready)];
}

const no = (type: ZoneConditionType, reason: string, message: string): ZoneFinding => ({
  type,
  status: 'False',
  reason,
  message,
});

function judgeKeys({ keyProblem }: ZoneView): ZoneFinding {
  if (keyProblem) return { type: 'KeysReady', status: 'False', ...keyProblem };
  return { type: 'KeysReady', status: 'True', reason: 'KeysMade', message: 'the zone has its root key' };
}

function judgePeers({ missing, silent, resolved }: Peers): ZoneFinding {
  if (missing.length > 0) return no('PeersResolved', 'PeerNotFound', `no such zone: ${missing.join(', ')}`);
  if (silent.length > 0) {
    const message = `no root key and directory published yet by: ${silent.join(', ')}`;
    return no('PeersResolved', 'PeerNotPublished', message);
  }
  const message =
    resolved.length === 0 ? 'the zone names no peers' : `peers: ${resolved.map((p) => p.zone).join(', ')}`;
  return { type: 'PeersResolved', status: 'True', reason: 'Resolved', message };
}

function judgeDirectory(view: ZoneView, { directory, ownDirectory }: Evidence): ZoneFinding {
  const type = 'DirectoryReady';
  if (directory.problem) return no(type, directory.problem.reason, directory.problem.message);
  if (!directory.url) return no(type, 'NoAddress', 'the directory has no address yet');
  const name = directoryName(view.zone.metadata.name);
  const observed = view.statefulSets.find((s) => s.metadata.name === name);
  if (ownDirectory && !nodeReady(ownDirectory.statefulSet, observed))
    return no(type, 'PodNotReady', `${name} is not ready`);
  if (view.consensus.kind === 'unreachable') return no(type, 'NoConsensus', view.consensus.problem);
  if (view.consensus.kind === 'unasked') return no(type, 'NotAsked', 'the directory was not asked yet');
  const message = `the directory serves a signed consensus at ${directory.url}`;
  return { type, status: 'True', reason: 'Serving', message };
}

function judgeReady(
  view: ZoneView,
  keys: ZoneFinding,
  directory: ZoneFinding,
  clusters: readonly ZoneFinding[],
  wanted: readonly WantedSlot[],
): ZoneFinding {
  const { zone } = view;
  if (isLeaving(zone)) return no('Ready', 'Deleted', 'the zone is deleted; its nodes drain');
  if (!isTrue(keys)) return no('Ready', keys.reason, keys.message);
  const taken = takenNames(view, wanted);
  if (taken.length > 0) return no('Ready', 'SlotOfAnother', `NodeSlots of another Zone: ${taken.join(', ')}`);
  if (!isTrue(directory)) return no('Ready', directory.reason, directory.message);
  const hidden = clusters.find((finding) => !isTrue(finding));
  if (hidden) return { type: 'Ready', status: 'Unknown', reason: hidden.reason, message: hidden.message };
  const serving = new Set(
    slotsOf(view, zone)
      .filter(serves)
      .map(({ metadata }) => metadata.name),
  );
  const down = wanted.filter(({ name }) => !serving.has(name)).map(({ name }) => name);
  if (down.length > 0) return no('Ready', 'NodesNotActive', `not active: ${down.join(', ')}`);
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'all nodes are ready and in the consensus' };
}

function judgeProgress(view: ZoneView, ready: ZoneFinding): ZoneFinding {
  const { zone } = view;
  const type = 'Progressing';
  if (zone.spec.paused && !isLeaving(zone)) return no(type, 'Paused', 'spec.paused is set');
  const draining = slotsOf(view, zone).filter(({ status }) => status?.drainReason !== undefined);
  if (isTrue(ready) && draining.length > 0) {
    const names = draining.map(({ metadata, status }) => `${metadata.name} (${status!.drainReason})`).join(', ');
    return { type, status: 'True', reason: 'Draining', message: `to be drained, one at a time: ${names}` };
  }
  if (isTrue(ready)) return no(type, 'Settled', 'nothing is left to do');
  return { type, status: 'True', reason: ready.reason, message: ready.message };
}
