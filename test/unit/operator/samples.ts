/** Zones, Superpeers, slots and views as plain data. */
import { type NodeSlot, NodeSlotSpec, type NodeSlotStatus, type SlotRole } from '../../../operator/api/slot.ts';
import type { Superpeer } from '../../../operator/api/superpeer.ts';
import { SuperpeerSpec } from '../../../operator/api/superpeer.ts';
import { type Zone, ZoneSpec, type ZoneStatus } from '../../../operator/api/zone.ts';
import type { KubeNode, Pod, Service, StatefulSet } from '../../../operator/kube/types.ts';
import type { NodeStatefulSet } from '../../../operator/objects/pod.ts';
import type { ZonePlan, ZoneView } from '../../../operator/plan/zone.ts';

export const bornMs = Date.parse('2026-01-01T00:00:00Z');
/** Long after everything was created. */
export const laterMs = bornMs + 3_600_000;
export const timeOf = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z');

/** A public key that tells whose it is. */
export const key = (seed: string) => Buffer.alloc(32, seed).toString('base64');

export const metadata = (name: string) => ({
  name,
  namespace: 'herd',
  uid: `uid-${name}`,
  generation: 1,
  creationTimestamp: timeOf(bornMs),
});

export function zone(name: string, spec: object = {}, status?: ZoneStatus): Zone {
  const base = { provider: 'north', jurisdiction: 'EU', regions: [{ name }] };
  return { metadata: metadata(name), spec: ZoneSpec.parse({ ...base, ...spec }), status };
}

/** The same, deleted at `laterMs`. */
export const deleted = <T extends { metadata: object }>(object: T): T => ({
  ...object,
  metadata: { ...object.metadata, deletionTimestamp: timeOf(laterMs) },
});

export function superpeer(name: string, zoneRef: string, spec: object = { managed: { region: zoneRef } }): Superpeer {
  const status = { observedGeneration: 1, conditions: [], identityKey: key(name) };
  return { metadata: metadata(name), spec: SuperpeerSpec.parse({ zoneRef, ...spec }), status };
}

export const directory = { url: 'http://10.96.0.7:8080', rootKey: key('root') };

/** A slot of its own region in that state, with what its status says besides. */
export function slot(
  name: string,
  role: SlotRole,
  status: Partial<NodeSlotStatus> = {},
  spec: Partial<NodeSlotSpec> = {},
): NodeSlot {
  const zoneName = name.split('-')[0]!;
  const nodeSelector = { 'topology.kubernetes.io/region': zoneName };
  return {
    metadata: metadata(name),
    spec: NodeSlotSpec.parse({ zone: zoneName, role, region: zoneName, nodeSelector, directory, port: 21007, ...spec }),
    status: {
      observedGeneration: 1,
      conditions: [],
      state: 'Active',
      identityKey: key(name),
      registered: true,
      drained: false,
      ...status,
    },
  };
}

/** What a zone has published. */
export function published(name: string, url = 'http://10.96.0.9:8080'): ZoneStatus {
  return {
    observedGeneration: 1,
    conditions: [],
    rootKey: key(`${name}-root`),
    directoryURL: url,
    mixesReady: '0/1',
    rendezvousReady: '0/1',
    superpeersReady: '0/0',
  };
}

const observed = (name: string) => ({
  metadata: { ...metadata(name), resourceVersion: '1', ownerReferences: [] },
});

export const service = (zoneName: string, clusterIP = '10.96.0.7'): Service => ({
  ...observed(`${zoneName}-directory`),
  spec: { clusterIP },
});

/** A StatefulSet as it is in the cluster once its pod is ready. */
export function running(wanted: NodeStatefulSet): StatefulSet {
  const status = {
    observedGeneration: 1,
    readyReplicas: 1,
    updatedReplicas: 1,
    currentRevision: 'r',
    updateRevision: 'r',
  };
  return { ...observed(wanted.metadata.name), spec: wanted.spec, status };
}

/** Its pod, of the revision that `running` wants. */
export function pod(name: string, { ready = true, revision = 'r' } = {}): Pod {
  const object = observed(`${name}-0`);
  return {
    ...object,
    metadata: {
      ...object.metadata,
      labels: { 'controller-revision-hash': revision },
      annotations: { 'herd.network/address': '203.0.113.7' },
    },
    spec: {
      hostNetwork: true,
      containers: [{ name: 'mix', ports: [{ name: 'cells', containerPort: 21007 }] }],
      nodeName: 'machine',
    },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  };
}

/** A machine of a cloud, or of what a test says. */
export const machine = (
  addresses: readonly { type: string; address: string }[] = [{ type: 'ExternalIP', address: '203.0.113.7' }],
  annotations: Record<string, string> = {},
): KubeNode => {
  const object = observed('machine');
  return { ...object, metadata: { ...object.metadata, annotations }, status: { addresses } };
};

/** The zone has its key and its Service; nothing else is there. */
export function view(of: Zone, rest: Partial<ZoneView> = {}): ZoneView {
  return {
    zone: of,
    zones: [of],
    superpeers: [],
    slots: [],
    members: [],
    taken: new Set(),
    rootKey: key(`${of.metadata.name}-root`),
    keyProblem: undefined,
    made: [],
    statefulSets: [],
    configMaps: [],
    services: of.spec.directory.zoneRef === undefined ? [service(of.metadata.name)] : [],
    budgets: [],
    directoryPod: undefined,
    consensus: { kind: 'unasked' },
    nodeImage: 'herd.local/node:test',
    ...rest,
  };
}

export const objectsOf = (plan: Pick<ZonePlan, 'apply'>) => plan.apply.map((o) => `${o.kind}/${o.metadata.name}`);
