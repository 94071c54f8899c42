/** The labels, names and owner references by which the operator and people find what belongs to a Zone or Superpeer. */
import { apiVersion, type ObjectMeta } from '../api/fields.ts';
import type { Manifest } from '../kube/types.ts';

export type Role = 'directory' | 'mix' | 'rendezvous' | 'superpeer';

export const managedBy = 'herd-operator';
export const managedSelector = `app.kubernetes.io/managed-by=${managedBy}`;
export const regionSelector = (region: string) => ({ 'topology.kubernetes.io/region': region });
/** In a pod's template: of what the daemon reads once. */
export const configHashAnnotation = 'herd.network/config-hash';
/** On a directory's pod: the configuration that its files should have by now. */
export const configAnnotation = 'herd.network/config';
export const publicKeyAnnotation = 'herd.network/public-key';
/** On a Zone or slot that is deleted: nothing is waited for. */
export const forceAnnotation = 'herd.network/force';
/** On a slot: it drains and stays so until the annotation is gone. */
export const drainAnnotation = 'herd.network/drain';
/** On a Superpeer, a time: a verdict of before then is forgiven. */
export const readmitAnnotation = 'herd.network/readmit';
/** On a Zone or slot, a time: keys that were made before it get successors. */
export const rotateAnnotation = 'herd.network/rotate';
/** On a pod: the changing keys that its files should be by now. */
export const keysAnnotation = 'herd.network/keys';
/** On a Kubernetes node: the address at which others reach what runs there. */
export const publicAddressAnnotation = 'herd.network/public-address';
/** On a pod: the address at which others reach it; it reads it from a file. */
export const addressAnnotation = 'herd.network/address';
/** On a slot that a Zone of another cluster wants: the Zone's uid. No two Zones have a slot in common. */
export const homeLabel = 'herd.network/home';
/** What keeps a deleted Zone or slot until it has drained. */
export const finalizer = 'herd.network/drain';

export const slotName = (zone: string, region: string, role: 'mix' | 'rendezvous', index: number) =>
  `${zone}-${region}-${role}-${index}`;
export const directoryName = (zone: string) => `${zone}-directory-0`;
/** Service and disruption budget of a zone's role. */
export const roleName = (zone: string, role: Role) => `${zone}-${role}`;
export const rootSecretName = (zone: string) => `${zone}-root`;
export const keysSecretName = (id: string) => `${id}-keys`;
export const signingSecretName = (zone: string) => `${zone}-signing`;
export const identitySecretName = (id: string) => `${id}-identity`;

export interface Owner {
  readonly kind: 'NodeSlot' | 'Superpeer' | 'Zone';
  readonly metadata: ObjectMeta;
}

export const roleLabels = (zone: string, role: Role) => ({ 'herd.network/zone': zone, 'herd.network/role': role });
export const nodeLabels = (id: string) => ({ 'herd.network/node': id });

export const ownLabels = { 'app.kubernetes.io/name': 'herd', 'app.kubernetes.io/managed-by': managedBy };

/** Metadata of a child. The owner reference makes the garbage collector remove it with its owner. */
export function childMetadata(owner: Owner, name: string, labels: Record<string, string>): Manifest['metadata'] {
  return {
    name,
    namespace: owner.metadata.namespace,
    labels: { ...ownLabels, ...labels },
    ownerReferences: [
      { apiVersion, kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid, controller: true },
    ],
  };
}
