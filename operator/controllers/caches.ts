/** What the operator watches. Secrets are not among it: it may create and look up its own, never list. */
import type { ObjectMeta, Parsed } from '../api/fields.ts';
import { type NodeSlot, parseSlot } from '../api/slot.ts';
import { parseSuperpeer, type Superpeer } from '../api/superpeer.ts';
import { parseZone, type Zone } from '../api/zone.ts';
import { Cache, type CacheScope } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Beginning, ReflectorOptions } from '../kube/reflector.ts';
import { type Change, type Index, share } from '../kube/store.ts';
import * as kube from '../kube/types.ts';
import { homeLabel, managedSelector } from '../objects/labels.ts';
import type { MemberView, Names, PlacedSlot } from '../plan/members.ts';
import { hostOf } from '../plan/relations.ts';

export interface Caches {
  readonly zones: Cache<kube.CustomResource>;
  readonly superpeers: Cache<kube.CustomResource>;
  readonly slots: Cache<kube.CustomResource>;
  readonly configMaps: Cache<kube.ConfigMap>;
  readonly services: Cache<kube.Service>;
  readonly statefulSets: Cache<kube.StatefulSet>;
  readonly budgets: Cache<kube.PodDisruptionBudget>;
  readonly pods: Cache<kube.Pod>;
  readonly machines: Cache<kube.KubeNode>;
}

export interface CacheHandlers {
  readonly onZone: (change: Change<kube.CustomResource>) => void;
  readonly onSuperpeer: (change: Change<kube.CustomResource>) => void;
  readonly onSlot: (change: Change<kube.CustomResource>) => void;
  readonly onChild: (change: Change<kube.KubeObject>) => void;
  readonly onPod: (change: Change<kube.Pod>) => void;
  readonly onMachine: (change: Change<kube.KubeNode>) => void;
  readonly onError: (resource: string, error: unknown) => void;
  readonly onBegin: (resource: string, by: Beginning) => void;
}

/** Zones by the zones that they name: peers, and whose directory serves them. */
const byNamedZone: Index<kube.CustomResource> = (raw) => {
  const parsed = readZone(raw);
  if (!parsed.ok) return [];
  const { metadata, spec } = parsed.value;
  const names = new Set([hostOf(parsed.value), ...spec.peers.map((p) => p.zone)]);
  return Array.from(names, (name) => `${metadata.namespace}/${name}`);
};

/** Superpeers by their zone. */
const byZone: Index<kube.CustomResource> = (raw) => {
  const parsed = readSuperpeer(raw);
  return parsed.ok ? [`${parsed.value.metadata.namespace}/${parsed.value.spec.zoneRef}`] : [];
};

/** Slots by their zone, whichever of that name. */
export const byZoneOfSlot: Index<kube.CustomResource> = (raw) => {
  const parsed = readSlot(raw);
  return parsed.ok ? [`${parsed.value.metadata.namespace}/${parsed.value.spec.zone}`] : [];
};

/** Pods by the machine that they are on. */
const byMachine: Index<kube.Pod> = (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []);

/** Nodes of one layer of a zone. */
const nodesOf = ({ metadata: { labels } }: kube.KubeObject) =>
  `${labels?.['herd.network/zone']} ${labels?.['herd.network/role']}`;

/** What slots and directories are judged by: not a third of a pod, and there is one for each node. */
const ofPod = ({ metadata: { ownerReferences: _, ...metadata }, spec, status }: kube.Pod): kube.Pod => ({
  metadata,
  ...(spec && {
    spec: {
      ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
      ...(spec.hostNetwork === undefined ? {} : { hostNetwork: spec.hostNetwork }),
      containers: spec.containers.map(({ name, ports }) => ({ name, ...(ports && { ports }) })),
    },
  }),
  ...(status && {
    status: {
      ...(status.phase === undefined ? {} : { phase: status.phase }),
      ...(status.podIPs && { podIPs: status.podIPs }),
      ...(status.conditions && { conditions: status.conditions }),
    },
  }),
});

/** A machine tells of its images as well, which are many. */
const ofMachine = ({ metadata, spec, status }: kube.KubeNode): kube.KubeNode => ({
  metadata,
  ...(spec?.unschedulable === undefined ? {} : { spec: { unschedulable: spec.unschedulable } }),
  ...(status?.addresses && { status: { addresses: status.addresses } }),
});

export function createCaches(client: KubeClient, namespaces: readonly string[], handlers: CacheHandlers): Caches {
  const own = { namespaces };
  const managed = { namespaces, labelSelector: managedSelector };
  const of = <T extends kube.KubeObject>(
    resource: kube.Resource<T>,
    scope: CacheScope,
    onChange: (change: Change<T>) => void,
    rest: Pick<ReflectorOptions<T>, 'indexes' | 'keep' | 'kinOf'> = {},
  ) => {
    const onError = (error: unknown) => handlers.onError(resource.plural, error);
    const onBegin = (by: Beginning) => handlers.onBegin(resource.plural, by);
    return new Cache(client, resource, scope, onChange, { kinOf: nodesOf, onError, onBegin, ...rest });
  };
  return {
    zones: of(kube.zones, own, handlers.onZone, { indexes: { namedZone: byNamedZone } }),
    superpeers: of(kube.superpeers, own, handlers.onSuperpeer, { indexes: { zone: byZone } }),
    slots: of(kube.nodeSlots, own, handlers.onSlot, { indexes: { zone: byZoneOfSlot } }),
    configMaps: of(kube.configMaps, managed, handlers.onChild),
    services: of(kube.services, managed, handlers.onChild),
    statefulSets: of(kube.statefulSets, managed, handlers.onChild),
    budgets: of(kube.podDisruptionBudgets, managed, handlers.onChild),
    pods: of(kube.pods, managed, handlers.onPod, { indexes: { machine: byMachine }, keep: ofPod }),
    machines: of(kube.nodes, { namespaces: [] }, handlers.onMachine, { keep: ofMachine }),
  };
}

/** Parsed once per version of the object, since the store hands out the same object until it changes. */
function memoized<T>(parse: (raw: object) => Parsed<T>): (raw: object) => Parsed<T> {
  const known = new WeakMap<object, Parsed<T>>();
  return (raw) => {
    const before = known.get(raw);
    if (before) return before;
    // Mostly it is what was read: then it is kept once.
    const parsed = share(parse(raw), { ok: true, value: raw });
    known.set(raw, parsed);
    return parsed;
  };
}

export const readZone = memoized<Zone>(parseZone);
export const readSuperpeer = memoized<Superpeer>(parseSuperpeer);
export const readSlot = memoized<NodeSlot>(parseSlot);

/** One that does not parse is as good as absent; its own reconcile reports it. */
export function zoneNamed(caches: Caches, namespace: string, name: string): Zone | undefined {
  const raw = caches.zones.get(`${namespace}/${name}`);
  return raw && valid([raw], readZone)[0];
}

/** Those that peer with the zone or are served by its directory, itself included when it has one. */
export const zonesNaming = (caches: Caches, namespace: string, name: string): Zone[] =>
  valid(caches.zones.by('namedZone', `${namespace}/${name}`), readZone);

export const superpeersOf = (caches: Caches, namespace: string, zone: string): Superpeer[] =>
  valid(caches.superpeers.by('zone', `${namespace}/${zone}`), readSuperpeer);

/** Without those of a zone of this name in another cluster. */
export const slotsOf = (caches: Caches, namespace: string, zone: string): NodeSlot[] =>
  valid(
    caches.slots.by('zone', `${namespace}/${zone}`).filter((slot) => homeOf(slot) === undefined),
    readSlot,
  );

/** The uid of the Zone of another cluster that the slot is of. */
export const homeOf = ({ metadata }: kube.KubeObject): string | undefined => metadata.labels?.[homeLabel];

/** All zones, slots and superpeers that parse. */
export const fleetOf = (caches: Caches) => ({
  zones: valid(caches.zones.all(), readZone),
  slots: valid(caches.slots.all(), readSlot),
  superpeers: valid(caches.superpeers.all(), readSuperpeer),
});

/** All that the plan of a zone reads of others, and not the namespace, which may hold thousands. */
export function surroundings(
  caches: Caches,
  membersOf: (zone: Zone) => readonly MemberView[],
  zone: Zone,
): {
  zones: Zone[];
  superpeers: Superpeer[];
  slots: PlacedSlot[];
  members: readonly MemberView[];
  taken: Names;
} {
  const { namespace, name } = zone.metadata;
  const served = zonesNaming(caches, namespace, name).filter((z) => hostOf(z) === name);
  const names = new Set([name, hostOf(zone)]);
  for (const one of [zone, ...served]) {
    names.add(one.metadata.name);
    for (const peer of one.spec.peers) names.add(peer.zone);
  }
  const zones = Array.from(names, (n) => (n === name ? zone : zoneNamed(caches, namespace, n)));
  const admitting = new Set([name, ...served.map((z) => z.metadata.name)]);
  const members = [zone, ...served.filter((z) => z.metadata.name !== name)].flatMap(membersOf);
  const isTaken = (slot: kube.KubeObject | undefined) => slot !== undefined && homeOf(slot) !== undefined;
  return {
    zones: zones.filter((z) => z !== undefined),
    superpeers: Array.from(admitting, (n) => superpeersOf(caches, namespace, n)).flat(),
    slots: [
      ...Array.from(admitting, (n) => slotsOf(caches, namespace, n)).flat(),
      ...members.flatMap((member) => member.slots ?? []),
    ],
    members,
    taken: { has: (slot) => isTaken(caches.slots.get(`${namespace}/${slot}`)) },
  };
}

function valid<T extends { metadata: ObjectMeta }>(raws: readonly object[], read: (raw: object) => Parsed<T>): T[] {
  return raws.flatMap((raw) => {
    const parsed = read(raw);
    return parsed.ok ? [parsed.value] : [];
  });
}
