/**
 * What the operator makes of Zones and Superpeers in the end, by the operator's own plans. Pure.
 * They are asked again and again, each time with what they had wished for before as if it were there: what a plan needs
 * and nobody knows yet, such as a key that is to be made, is stood in for by something that is the same before and after.
 */
import { type NodeSlot, NodeSlotSpec } from '../../operator/api/slot.ts';
import type { Superpeer } from '../../operator/api/superpeer.ts';
import type { Zone, ZoneStatus } from '../../operator/api/zone.ts';
import type { ConfigMap, Manifest, Pod, PodDisruptionBudget, Service, StatefulSet } from '../../operator/kube/types.ts';
import { roleName } from '../../operator/objects/labels.ts';
import type { KeyKind, MadeKey } from '../../operator/plan/key-rotation.ts';
import { hostOf } from '../../operator/plan/relations.ts';
import { planSlot } from '../../operator/plan/slot.ts';
import { planSuperpeer } from '../../operator/plan/superpeer.ts';
import { hosts, planZone, type ZoneView } from '../../operator/plan/zone.ts';

/** All of one namespace. */
export interface Objects {
  readonly zones: readonly Zone[];
  readonly superpeers: readonly Superpeer[];
  readonly slots: readonly NodeSlot[];
  readonly configMaps: readonly ConfigMap[];
  readonly services: readonly Service[];
  readonly statefulSets: readonly StatefulSet[];
  readonly budgets: readonly PodDisruptionBudget[];
  readonly pods: readonly Pod[];
  readonly nodeImage: string;
}

/** Kind and name → what the operator would apply. */
export type Outcome = ReadonlyMap<string, Manifest>;

const unknownKey = Buffer.alloc(32).toString('base64');
const unknownAddress = '0.0.0.0';
/** Slots need a directory to have children, and the directory's roster the slots. */
const roundsMax = 3;

/** @param names the zones to plan for */
export function outcomeOf(objects: Objects, names: ReadonlySet<string>, nowMs: number): Outcome {
  let settled = { ...objects, zones: objects.zones.map(standIn) };
  for (let round = 1; round <= roundsMax; round++) settled = advance(settled, names, nowMs);
  const slots = settled.slots.filter(({ spec }) => names.has(spec.zone));
  const manifests = [
    ...plansOf(settled, names, nowMs).flatMap(({ apply }) => apply),
    ...superpeerPlans(settled, names, nowMs),
    ...slots.flatMap((slot) => slotChildren(settled, slot, nowMs)),
  ];
  return new Map(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest]));
}

/** As if it were not paused: what is held up only is to be seen. */
function standIn(zone: Zone): Zone {
  const published = hosts(zone) ? { directoryURL: `http://${unknownAddress}:8080` } : {};
  const nothing: ZoneStatus = {
    observedGeneration: 0,
    conditions: [],
    mixesReady: '0/0',
    rendezvousReady: '0/0',
    superpeersReady: '0/0',
  };
  const status = { ...nothing, rootKey: unknownKey, ...published, ...zone.status };
  return { ...zone, spec: { ...zone.spec, paused: false }, status };
}

const plansOf = (objects: Objects, names: ReadonlySet<string>, nowMs: number) =>
  planned(objects, names).map((zone) => planZone(zoneView(objects, zone), nowMs));

const planned = ({ zones }: Objects, names: ReadonlySet<string>) =>
  zones.filter(({ metadata }) => names.has(metadata.name) && !metadata.deletionTimestamp);

function superpeerPlans(objects: Objects, names: ReadonlySet<string>, nowMs: number): Manifest[] {
  return objects.superpeers
    .filter(({ metadata, spec }) => names.has(spec.zoneRef) && !metadata.deletionTimestamp)
    .flatMap((superpeer) => {
      const zone = objects.zones.find(({ metadata }) => metadata.name === superpeer.spec.zoneRef);
      const host = zone && objects.zones.find(({ metadata }) => metadata.name === hostOf(zone));
      const slot = objects.slots.find(({ metadata }) => metadata.name === superpeer.metadata.name);
      return planSuperpeer({ superpeer, zone, host, slot, members: [], listed: undefined, receipts: [] }, nowMs).apply;
    });
}

/** Once around: what was wished for is there, what was to go is gone. */
function advance(objects: Objects, names: ReadonlySet<string>, nowMs: number): Objects & { zones: Zone[] } {
  const zones = planned(objects, names);
  const plans = new Map(zones.map((zone) => [zone.metadata.name, planZone(zoneView(objects, zone), nowMs)]));
  const gone = new Set(
    [...plans.values()].flatMap(({ remove }) =>
      remove.flatMap(({ kind, name }) => (kind === 'NodeSlot' ? [name] : [])),
    ),
  );
  const wishes = [...[...plans.values()].flatMap(({ apply }) => apply), ...superpeerPlans(objects, names, nowMs)];
  const slots = new Map(objects.slots.map((slot) => [slot.metadata.name, slot]));
  for (const wish of wishes.filter(({ kind }) => kind === 'NodeSlot')) {
    const { name } = wish.metadata;
    slots.set(name, wished(slots.get(name), wish as Manifest & { spec: object }));
  }
  return {
    ...objects,
    zones: objects.zones.map((zone) => {
      const { rootKey, directoryURL } = plans.get(zone.metadata.name)?.status ?? {};
      const said = { ...(rootKey ? { rootKey } : {}), ...(directoryURL ? { directoryURL } : {}) };
      return { ...zone, status: { ...zone.status!, ...said } };
    }),
    slots: [...slots.values()].filter(({ metadata }) => !gone.has(metadata.name) && !metadata.deletionTimestamp),
  };
}

function wished(there: NodeSlot | undefined, wish: Manifest & { spec: object }): NodeSlot {
  const { name, namespace, labels = {} } = wish.metadata;
  const metadata = there?.metadata ?? {
    ...{ name, namespace: namespace!, uid: `new-${name}`, generation: 1, creationTimestamp: '' },
    labels,
  };
  const status = there?.status ?? {
    ...({ observedGeneration: 0, conditions: [], state: 'Pending', registered: false, drained: false } as const),
  };
  return {
    metadata,
    spec: withPort(NodeSlotSpec.parse({ ...there?.spec, ...wish.spec })),
    status: { ...status, identityKey: status.identityKey ?? unknownKey },
  };
}

/** Which port a slot gets is seen when it is there. */
const withPort = (spec: NodeSlotSpec): NodeSlotSpec => ({ ...spec, port: spec.port ?? spec.network.ports.first });

/** Where ZoneView and SlotView are made outside of the operator: of what the API server tells, no Secret among it. */
function zoneView(objects: Objects, zone: Zone): ZoneView {
  const { uid, name, namespace } = zone.metadata;
  const owned = <T extends { metadata: { ownerReferences?: readonly { uid: string }[] } }>(all: readonly T[]) =>
    all.filter(({ metadata }) => metadata.ownerReferences?.some((owner) => owner.uid === uid));
  const services = owned(objects.services);
  const service: Service = {
    metadata: { name: roleName(name, 'directory'), namespace, uid: '', resourceVersion: '', creationTimestamp: '' },
    spec: { clusterIP: unknownAddress },
  };
  return {
    zone,
    zones: objects.zones,
    superpeers: objects.superpeers,
    slots: objects.slots,
    // What is in other clusters is as it was.
    members: [],
    taken: new Set(),
    rootKey: zone.status?.rootKey,
    keyProblem: undefined,
    made: madeIn(zone.status?.keys),
    statefulSets: owned(objects.statefulSets),
    configMaps: owned(objects.configMaps),
    services: hosts(zone) && services.length === 0 ? [service] : services,
    budgets: owned(objects.budgets),
    directoryPod: undefined,
    consensus: { kind: 'unasked' },
    nodeImage: objects.nodeImage,
  };
}

function slotChildren(objects: Objects, slot: NodeSlot, nowMs: number): readonly Manifest[] {
  const { name, uid } = slot.metadata;
  return planSlot(
    {
      slot: { ...slot, spec: { ...slot.spec, paused: false } },
      identityKey: slot.status?.identityKey,
      keyProblem: undefined,
      port: slot.spec.port,
      made: madeIn(slot.status?.keys),
      statefulSet: objects.statefulSets.find(({ metadata }) => metadata.ownerReferences?.some((o) => o.uid === uid)),
      pod: objects.pods.find(({ metadata }) => metadata.name === `${name}-0`),
      machine: undefined,
      listed: undefined,
      nodeImage: objects.nodeImage,
    },
    nowMs,
  ).apply;
}

const madeIn = (keys: readonly { name: string; made: string }[] = []): MadeKey[] =>
  keys.flatMap(({ name, made }) => {
    const [, kind, number] = /^(.*)-([0-9]+)$/.exec(name) ?? [];
    return kind ? [{ kind: kind as KeyKind, number: Number(number), madeMs: Date.parse(made) }] : [];
  });
