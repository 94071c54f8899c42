/** The little of Kubernetes' object model that the runtime needs, and one descriptor per resource that the operator touches. */
import type {
  V1PodDisruptionBudgetSpec,
  V1PodSpec,
  V1PodStatus,
  V1ServiceSpec,
  V1StatefulSetSpec,
} from '@kubernetes/client-node';
import { group, version } from '../api/fields.ts';

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

/** What we send. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly OwnerReference[];
    readonly finalizers?: readonly string[];
  };
}

/** What the API server returns. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Manifest['metadata'] & {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
  };
}

export interface StatefulSet extends KubeObject {
  readonly spec: V1StatefulSetSpec;
  readonly status?: {
    readonly observedGeneration?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    readonly currentRevision?: string;
    readonly updateRevision?: string;
  };
}
export interface Pod extends KubeObject {
  readonly spec?: V1PodSpec;
  readonly status?: V1PodStatus;
}
export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}
export interface Service extends KubeObject {
  readonly spec: V1ServiceSpec;
}
export interface PodDisruptionBudget extends KubeObject {
  readonly spec: V1PodDisruptionBudgetSpec;
}
/** A machine of the cluster. */
export interface KubeNode extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean };
  readonly status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}
/** Custom resources come as they are; api/ parses them. */
export interface CustomResource extends KubeObject {
  readonly spec?: object;
  readonly status?: object;
}
export interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}
export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

/** T is what GET returns; it exists for the compiler only. */
export interface Resource<T extends KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly returns?: T;
}

const resource = <T extends KubeObject>(group: string, version: string, plural: string, kind: string): Resource<T> => ({
  group,
  version,
  plural,
  kind,
});

export const configMaps = resource<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');
export const events = resource<KubeObject>('events.k8s.io', 'v1', 'events', 'Event');
export const leases = resource<Lease>('coordination.k8s.io', 'v1', 'leases', 'Lease');
export const nodeSlots = resource<CustomResource>(group, version, 'nodeslots', 'NodeSlot');
export const nodes = resource<KubeNode>('', 'v1', 'nodes', 'Node');
export const podDisruptionBudgets = resource<PodDisruptionBudget>(
  'policy',
  'v1',
  'poddisruptionbudgets',
  'PodDisruptionBudget',
);
export const pods = resource<Pod>('', 'v1', 'pods', 'Pod');
export const secrets = resource<KubeObject>('', 'v1', 'secrets', 'Secret');
export const services = resource<Service>('', 'v1', 'services', 'Service');
export const statefulSets = resource<StatefulSet>('apps', 'v1', 'statefulsets', 'StatefulSet');
export const superpeers = resource<CustomResource>(group, version, 'superpeers', 'Superpeer');
export const zones = resource<CustomResource>(group, version, 'zones', 'Zone');

export const keyOf = (object: { metadata: { name: string; namespace?: string } }): string =>
  `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}
