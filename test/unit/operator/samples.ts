/** Zones, Superpeers and views as plain data. */
import type { Superpeer } from '../../../operator/api/superpeer.ts';
import { SuperpeerSpec } from '../../../operator/api/superpeer.ts';
import { type Zone, ZoneSpec, type ZoneStatus } from '../../../operator/api/zone.ts';
import type { Service, StatefulSet } from '../../../operator/kube/types.ts';
import type { NodeStatefulSet } from '../../../operator/objects/pod.ts';
import { type ZoneView, zoneKeys } from '../../../operator/plan/zone.ts';

export const bornMs = Date.parse('2026-01-01T00:00:00Z');
/** Long after every zone was created. */
export const laterMs = bornMs + 3_600_000;

/** A public key that tells whose it is. */
export const key = (seed: string) => Buffer.alloc(32, seed).toString('base64');

const metadata = (name: string) => ({
  name,
  namespace: 'herd',
  uid: `uid-${name}`,
  generation: 1,
  creationTimestamp: new Date(bornMs).toISOString(),
});

export function zone(name: string, spec: object = {}, status?: ZoneStatus): Zone {
  const base = { provider: 'north', jurisdiction: 'EU', region: name };
  return { metadata: metadata(name), spec: ZoneSpec.parse({ ...base, ...spec }), status };
}

export function superpeer(name: string, zoneRef: string, published = true): Superpeer {
  const status = { observedGeneration: 1, conditions: [], identityKey: key(name) };
  const spec = SuperpeerSpec.parse({ zoneRef, region: zoneRef });
  return { metadata: metadata(name), spec, status: published ? status : undefined };
}

/** What a zone with one node of each role has published. */
export function published(name: string, url = 'http://10.96.0.9:8080'): ZoneStatus {
  return {
    observedGeneration: 1,
    conditions: [],
    rootKey: key(`${name}-root`),
    directoryURL: url,
    mixesReady: '0/1',
    rendezvousReady: '0/1',
    superpeersReady: '0/0',
    nodes: [
      { id: `${name}-mix-0`, role: 'mix', identityKey: key(`${name}-mix-0`), registered: false },
      { id: `${name}-rendezvous-0`, role: 'rendezvous', identityKey: key(`${name}-rendezvous-0`), registered: false },
    ],
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

/** The zone has its keys and its Service; nothing else is there. */
export function view(of: Zone, rest: Partial<ZoneView> = {}): ZoneView {
  return {
    zone: of,
    zones: [of],
    superpeers: [],
    keys: new Map(zoneKeys(of).map(({ name }) => [name, key(name)])),
    keyProblem: undefined,
    statefulSets: [],
    configMaps: [],
    services: of.spec.directory.zoneRef === undefined ? [service(of.metadata.name)] : [],
    budgets: [],
    consensus: { kind: 'unasked' },
    nodeImage: 'herd.local/node:test',
    ...rest,
  };
}
