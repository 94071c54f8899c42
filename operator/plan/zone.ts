/**
 * What a Zone needs: (view, now) → children, status, when to look again. Pure.
 *
 * The order in which a zone comes up follows from what each part has to know:
 *   keys → Service → [root key and directory URL published] → mixes, rendezvous → directory → registered → Ready
 * A directory is held back while zones and superpeers it would serve, and peers it would name, exist but have published
 * nothing yet: each of them publishes in its own first reconcile without waiting for anyone, so this ends; and it is
 * bounded by `patienceMs` in case one of them is broken.
 */
import type { ZoneConditionType } from '../api/conditions.ts';
import type { Superpeer } from '../api/superpeer.ts';
import type { PublishedNode, Zone, ZoneStatus } from '../api/zone.ts';
import type { ConfigMap, KubeObject, Manifest, PodDisruptionBudget, Service, StatefulSet } from '../kube/types.ts';
import { disruptionBudget } from '../objects/budget.ts';
import type { DirectoryAddress, ServedZone } from '../objects/config.ts';
import { directoryObjects, directoryService, directoryURL } from '../objects/directory.ts';
import { identitySecretName, nodeId, type Role, roleLabels, roleName, rootSecretName } from '../objects/labels.ts';
import { mixObjects } from '../objects/mix.ts';
import type { NodeStatefulSet } from '../objects/pod.ts';
import { rendezvousObjects } from '../objects/rendezvous.ts';
import type { KeySecret } from '../objects/secret.ts';
import type { Consensus } from './consensus.ts';
import { hostOf } from './relations.ts';
import { conditions, type Finding, isTrue, nodeReady } from './status.ts';

export interface ZoneView {
  readonly zone: Zone;
  /** All of the namespace, this one included. */
  readonly zones: readonly Zone[];
  readonly superpeers: readonly Superpeer[];
  /** Secret name → public key, of the Secrets that `zoneKeys` names. */
  readonly keys: ReadonlyMap<string, string>;
  /** Why keys are missing, if they are. */
  readonly keyProblem: { readonly reason: string; readonly message: string } | undefined;
  /** What the zone owns. */
  readonly statefulSets: readonly StatefulSet[];
  readonly configMaps: readonly ConfigMap[];
  readonly services: readonly Service[];
  readonly budgets: readonly PodDisruptionBudget[];
  readonly consensus: Consensus;
  readonly nodeImage: string;
}

export interface Removal {
  readonly kind: 'ConfigMap' | 'PodDisruptionBudget' | 'Secret' | 'Service' | 'StatefulSet';
  readonly name: string;
}

export interface ZonePlan {
  /** In the order to apply. */
  readonly apply: readonly Manifest[];
  /** In the order to remove: a node's StatefulSet last, since it is what reminds us of the rest. */
  readonly remove: readonly Removal[];
  readonly status: ZoneStatus;
  readonly requeueAfterMs: number;
}

type ZoneFinding = Finding<ZoneConditionType>;

const patienceMs = 60_000;
/** A peer that does not exist yet is probably in the same file as this zone, a few lines on. */
const newcomerMs = 3_000;
/** Pods tell of themselves; only what the consensus says has to be asked for. */
const pollMs = 30_000;
const pollUnreadyMs = 2_000;

export const hosts = (zone: Zone): boolean => zone.spec.directory.zoneRef === undefined;

interface ZoneNode {
  readonly id: string;
  readonly role: 'mix' | 'rendezvous';
}

function nodesOf(zone: Zone): ZoneNode[] {
  const of = (role: ZoneNode['role'], count: number) =>
    Array.from({ length: count }, (_, i) => ({ id: nodeId(zone.metadata.name, role, i), role }));
  return [...of('mix', zone.spec.mixes.replicas), ...of('rendezvous', zone.spec.rendezvous.replicas)];
}

/** The Secrets that a zone must have before it can be planned. */
export function zoneKeys(zone: Zone): KeySecret[] {
  const { name } = zone.metadata;
  return [
    { name: rootSecretName(name), key: 'root', labels: { 'herd.network/zone': name } },
    ...nodesOf(zone).map(
      ({ id, role }): KeySecret => ({ name: identitySecretName(id), key: 'identity', labels: roleLabels(name, role) }),
    ),
  ];
}

export function planZone(view: ZoneView, nowMs: number): ZonePlan {
  const { zone } = view;
  const self = publish(view);
  const directory = directoryOf(view);
  const peers = findPeers(view);
  const nodes = self.address ? planNodes(view, self.address, self.nodes) : [];
  const ownDirectory = hosts(zone) ? planDirectory(view, self, nowMs) : undefined;
  const statefulSets = ownDirectory?.objects ? [...nodes, ownDirectory.objects] : nodes;

  const apply: Manifest[] = [
    ...rolesOf(zone).map((role) => disruptionBudget(zone, role)),
    ...(hosts(zone) ? [directoryService(zone)] : []),
    ...statefulSets.flatMap((s) => [s.configMap, s.statefulSet]),
  ];
  const findings = judge(view, { directory, peers, nodes, ownDirectory, self });
  const ready = findings.some((f) => f.type === 'Ready' && isTrue(f));
  return {
    apply: zone.spec.paused ? [] : apply,
    remove: zone.spec.paused ? [] : removals(view),
    status: {
      observedGeneration: zone.metadata.generation,
      conditions: conditions(findings, zone.status?.conditions ?? [], zone.metadata.generation, nowMs),
      ...(self.rootKey ? { rootKey: self.rootKey } : {}),
      ...(self.url ? { directoryURL: self.url } : {}),
      ...epochOf(view),
      ...counts(view, nodes),
      nodes: self.nodes,
    },
    requeueAfterMs: ready ? pollMs : pollUnreadyMs,
  };
}

/** What this zone tells the others: fresher here than in its own status. */
interface Published {
  readonly rootKey: string | undefined;
  readonly url: string | undefined;
  readonly address: DirectoryAddress | undefined;
  readonly nodes: PublishedNode[];
}

function publish(view: ZoneView): Published {
  const { zone, keys, consensus } = view;
  const rootKey = keys.get(rootSecretName(zone.metadata.name)) ?? zone.status?.rootKey;
  const url = directoryOf(view).url;
  const nodes = nodesOf(zone).flatMap(({ id, role }): PublishedNode[] => {
    const identityKey = keys.get(identitySecretName(id));
    const registered = consensus.kind === 'verified' && consensus.registered.has(id);
    return identityKey ? [{ id, role, identityKey, registered }] : [];
  });
  return { rootKey, url, address: rootKey && url ? { url, rootKey } : undefined, nodes };
}

interface DirectoryFound {
  readonly url: string | undefined;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

function directoryOf(view: ZoneView): DirectoryFound {
  const { zone, zones, services } = view;
  if (hosts(zone)) {
    const service = services.find((s) => s.metadata.name === roleName(zone.metadata.name, 'directory'));
    const ip = service?.spec.clusterIP;
    return { url: ip ? directoryURL(ip) : undefined, problem: undefined };
  }
  const ref = hostOf(zone);
  const host = zones.find((z) => z.metadata.name === ref);
  const refuse = (reason: string, message: string): DirectoryFound => ({
    url: undefined,
    problem: { reason, message },
  });
  if (!host || leaving(host))
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

const leaving = (thing: Zone | Superpeer) => thing.metadata.deletionTimestamp !== undefined;
const rolesOf = (zone: Zone): Role[] => (hosts(zone) ? ['directory', 'mix', 'rendezvous'] : ['mix', 'rendezvous']);

interface NodeObjects {
  readonly id: string;
  readonly role: Role;
  readonly configMap: Manifest;
  readonly statefulSet: NodeStatefulSet;
}

function planNodes(view: ZoneView, directory: DirectoryAddress, nodes: readonly PublishedNode[]): NodeObjects[] {
  const { zone, nodeImage: image } = view;
  return nodes.map(({ id, role, identityKey }) => {
    const build = role === 'mix' ? mixObjects : rendezvousObjects;
    return { id, role, ...build({ zone, id, identityKey, directory, image }) };
  });
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
  for (const { zone: name } of of.spec.peers) {
    const peer = view.zones.find((z) => z.metadata.name === name);
    const address = peer === view.zone ? publish(view).address : addressIn(peer?.status);
    if (!peer || leaving(peer)) missing.push(name);
    else if (address) resolved.push({ zone: name, ...address });
    else silent.push(name);
  }
  return { resolved, missing, silent };
}

function addressIn(status: ZoneStatus | undefined): DirectoryAddress | undefined {
  return status?.rootKey && status.directoryURL ? { url: status.directoryURL, rootKey: status.rootKey } : undefined;
}

interface OwnDirectory {
  readonly objects?: NodeObjects;
  readonly waiting: readonly string[];
}

/** The own directory, or what it waits for. Once it exists it never waits again: it is only brought up to date. */
function planDirectory(view: ZoneView, self: Published, nowMs: number): OwnDirectory {
  const { zone } = view;
  const id = nodeId(zone.metadata.name, 'directory', 0);
  if (!self.address) return { waiting: ['its own key and address'] };
  const served: { entry: ServedZone; rootKey: string }[] = [];
  const waiting: string[] = [];
  const ageMs = nowMs - Date.parse(zone.metadata.creationTimestamp);
  for (const other of servedBy(view)) {
    const nodes = other === zone ? self.nodes : (other.status?.nodes ?? []);
    const rootKey = other === zone ? self.rootKey : other.status?.rootKey;
    const peers = findPeers(view, other);
    const superpeers = view.superpeers.filter((s) => s.spec.zoneRef === other.metadata.name && !leaving(s));
    const silent = [
      ...peers.silent.map((p) => `zone ${p}`),
      ...superpeers.filter((s) => !s.status?.identityKey).map(nameOf),
    ];
    waiting.push(...silent, ...(ageMs < newcomerMs ? peers.missing.map((p) => `zone ${p}`) : []));
    if (rootKey && nodes.length > 0) served.push({ entry: servedZone(other, nodes, superpeers, peers), rootKey });
    else waiting.push(`zone ${other.metadata.name}`);
  }
  const exists = view.statefulSets.some((s) => s.metadata.name === id);
  if (!exists && waiting.length > 0 && ageMs < patienceMs) return { waiting: [...new Set(waiting)] };
  const objects = directoryObjects({
    zone,
    id,
    served: served.map((s) => s.entry),
    rootKeys: served.map((s) => s.rootKey),
    image: view.nodeImage,
  });
  return { objects: { id, role: 'directory', ...objects }, waiting: [] };
}

const nameOf = (superpeer: Superpeer) => `superpeer ${superpeer.metadata.name}`;

function servedBy({ zone, zones }: ZoneView): Zone[] {
  const referring = zones.filter(
    (z) => z !== zone && !leaving(z) && hostOf(z) === zone.metadata.name && z.spec.provider === zone.spec.provider,
  );
  return [zone, ...referring].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function servedZone(
  zone: Zone,
  nodes: readonly PublishedNode[],
  superpeers: readonly Superpeer[],
  peers: Peers,
): ServedZone {
  const { provider, jurisdiction, profile, clientsPerChannel, meshCellsPerTick } = zone.spec;
  const { attachmentsPerClient, assignment, directClients } = zone.spec;
  const admitted = superpeers
    .filter((s) => s.status?.identityKey)
    .map((s) => ({
      id: s.metadata.name,
      role: 'superpeer' as const,
      identityKey: s.status!.identityKey!,
      channels: s.spec.channels,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    zone: zone.metadata.name,
    provider,
    jurisdiction,
    params: { profile, clientsPerChannel, meshCellsPerTick, attachmentsPerClient, assignment, directClients },
    roster: [...nodes.map(({ id, role, identityKey }) => ({ id, role, identityKey })), ...admitted],
    peers: peers.resolved,
  };
}

/** Owned but no longer wanted by the spec. What is wanted and can't be built just now stays. */
function removals(view: ZoneView): Removal[] {
  const { zone } = view;
  const { name } = zone.metadata;
  const nodes = new Set(nodesOf(zone).map((n) => n.id));
  if (hosts(zone)) nodes.add(nodeId(name, 'directory', 0));
  const roles = new Set(rolesOf(zone).map((role) => roleName(name, role)));
  const unwanted = (kind: Removal['kind'], objects: readonly KubeObject[], wanted: Set<string>): Removal[] =>
    objects.filter((o) => !wanted.has(o.metadata.name)).map((o) => ({ kind, name: o.metadata.name }));
  const statefulSets = unwanted('StatefulSet', view.statefulSets, nodes);
  return [
    ...unwanted('PodDisruptionBudget', view.budgets, roles),
    ...unwanted('Service', view.services, hosts(zone) ? roles : new Set()),
    ...unwanted('ConfigMap', view.configMaps, nodes),
    ...statefulSets.map((s): Removal => ({ kind: 'Secret', name: identitySecretName(s.name) })),
    ...statefulSets,
  ];
}

function epochOf({ zone, consensus }: ZoneView): { epoch?: number } {
  const epoch = consensus.kind === 'verified' ? consensus.epoch : zone.status?.epoch;
  return epoch === undefined ? {} : { epoch };
}

const statefulSetOf = (view: ZoneView, id: string) => view.statefulSets.find((s) => s.metadata.name === id);

function counts(view: ZoneView, nodes: readonly NodeObjects[]) {
  const { zone, superpeers } = view;
  const up = (role: Role) =>
    nodes.filter((n) => n.role === role && nodeReady(n.statefulSet, statefulSetOf(view, n.id))).length;
  const admitted = superpeers.filter((s) => s.spec.zoneRef === zone.metadata.name && !leaving(s));
  const serving = admitted.filter((s) => s.status?.conditions.some((c) => c.type === 'Ready' && c.status === 'True'));
  return {
    mixesReady: `${up('mix')}/${zone.spec.mixes.replicas}`,
    rendezvousReady: `${up('rendezvous')}/${zone.spec.rendezvous.replicas}`,
    superpeersReady: `${serving.length}/${admitted.length}`,
  };
}

interface Evidence {
  readonly directory: DirectoryFound;
  readonly peers: Peers;
  readonly nodes: readonly NodeObjects[];
  readonly ownDirectory: OwnDirectory | undefined;
  readonly self: Published;
}

function judge(view: ZoneView, evidence: Evidence): ZoneFinding[] {
  const keys = judgeKeys(view);
  const directory = judgeDirectory(view, evidence);
  const expected = nodesOf(view.zone);
  const down = expected.filter(({ id }) => {
    const wanted = evidence.nodes.find((n) => n.id === id);
    return !wanted || !nodeReady(wanted.statefulSet, statefulSetOf(view, id));
  });
  const unregistered = expected.filter(({ id }) => !evidence.self.nodes.some((n) => n.id === id && n.registered));
  const ready = judgeReady(keys, directory, down, unregistered);
  return [keys, judgePeers(evidence.peers), directory, ready, judgeProgress(view, ready)];
}

function judgeKeys({ keyProblem }: ZoneView): ZoneFinding {
  if (keyProblem) return { type: 'KeysReady', status: 'False', ...keyProblem };
  return { type: 'KeysReady', status: 'True', reason: 'KeysMade', message: 'the zone and its nodes have their keys' };
}

function judgePeers({ missing, silent, resolved }: Peers): ZoneFinding {
  const no = (reason: string, message: string): ZoneFinding => ({
    type: 'PeersResolved',
    status: 'False',
    reason,
    message,
  });
  if (missing.length > 0) return no('PeerNotFound', `no such zone: ${missing.join(', ')}`);
  if (silent.length > 0)
    return no('PeerNotPublished', `no root key and directory published yet by: ${silent.join(', ')}`);
  const message =
    resolved.length === 0 ? 'the zone names no peers' : `peers: ${resolved.map((p) => p.zone).join(', ')}`;
  return { type: 'PeersResolved', status: 'True', reason: 'Resolved', message };
}

function judgeDirectory(view: ZoneView, { directory, ownDirectory }: Evidence): ZoneFinding {
  const no = (reason: string, message: string): ZoneFinding => ({
    type: 'DirectoryReady',
    status: 'False',
    reason,
    message,
  });
  if (directory.problem) return no(directory.problem.reason, directory.problem.message);
  const waiting = ownDirectory?.waiting ?? [];
  if (waiting.length > 0) return no('Waiting', `the directory waits for ${waiting.join(', ')}`);
  if (!directory.url) return no('NoAddress', 'the directory has no address yet');
  const pod = ownDirectory?.objects;
  if (pod && !nodeReady(pod.statefulSet, statefulSetOf(view, pod.id)))
    return no('PodNotReady', `${pod.id} is not ready`);
  if (view.consensus.kind === 'unreachable') return no('NoConsensus', view.consensus.problem);
  if (view.consensus.kind === 'unasked') return no('NotAsked', 'the directory was not asked yet');
  return {
    type: 'DirectoryReady',
    status: 'True',
    reason: 'Serving',
    message: `the directory serves a signed consensus at ${directory.url}`,
  };
}

function judgeReady(
  keys: ZoneFinding,
  directory: ZoneFinding,
  down: ZoneNode[],
  unregistered: ZoneNode[],
): ZoneFinding {
  const no = (reason: string, message: string): ZoneFinding => ({ type: 'Ready', status: 'False', reason, message });
  const ids = (nodes: ZoneNode[]) => nodes.map((n) => n.id).join(', ');
  if (!isTrue(keys)) return no(keys.reason, keys.message);
  if (!isTrue(directory)) return no(directory.reason, directory.message);
  if (down.length > 0) return no('NodesNotReady', `not ready: ${ids(down)}`);
  if (unregistered.length > 0) return no('NodesNotRegistered', `not in the consensus: ${ids(unregistered)}`);
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'all nodes are ready and in the consensus' };
}

function judgeProgress({ zone }: ZoneView, ready: ZoneFinding): ZoneFinding {
  if (zone.spec.paused)
    return { type: 'Progressing', status: 'False', reason: 'Paused', message: 'spec.paused is set' };
  if (isTrue(ready))
    return { type: 'Progressing', status: 'False', reason: 'Settled', message: 'nothing is left to do' };
  return { type: 'Progressing', status: 'True', reason: ready.reason, message: ready.message };
}
