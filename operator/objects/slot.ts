/** Kubernetes objects of one slot: the configuration and the pod of a mix, rendezvous or superpeer. */
import type { z } from 'zod';
import type { ObjectMeta } from '../api/fields.ts';
import { apiVersion } from '../api/fields.ts';
import type { NodeSlot, NodeSlotSpec } from '../api/slot.ts';
import type { Manifest } from '../kube/types.ts';
import { slotBudget } from './budget.ts';
import { configHash, configMap, type DirectoryAddress, type NodePorts, nodeConfig } from './config.ts';
import {
  childMetadata,
  finalizer,
  homeLabel,
  identitySecretName,
  keysSecretName,
  type Owner,
  ownLabels,
  roleLabels,
} from './labels.ts';
import { nodeStatefulSet } from './pod.ts';
import { seedKey } from './secret.ts';

export interface SlotInput {
  readonly slot: NodeSlot;
  readonly identityKey: string;
  readonly directory: DirectoryAddress;
  readonly ports: NodePorts;
  readonly image: string;
}

export function slotObjects({ slot, identityKey, directory, ports, image }: SlotInput) {
  const owner: Owner = { kind: 'NodeSlot', metadata: slot.metadata };
  const id = slot.metadata.name;
  const { zone, role, nodeSelector, placement, resources, network } = slot.spec;
  const config = nodeConfig(role, id, zone, directory, ports);
  const statefulSet = nodeStatefulSet({
    owner,
    zone,
    role,
    id,
    nodeSelector,
    placement,
    resources,
    image,
    onHost: network.mode === 'Host',
    ports: [
      { name: 'cells', port: ports.cells, protocol: 'UDP' },
      { name: 'metrics', port: ports.metrics, protocol: 'TCP' },
    ],
    keys: [
      { secret: { name: identitySecretName(id), items: [{ key: seedKey.identity, path: 'identity' }] } },
      { secret: { name: keysSecretName(id) } },
    ],
    configHash: configHash(config, identityKey),
    // The slot's controller ends the pod when nothing rides on it.
    updateStrategy: 'OnDelete',
  });
  const budgets = slot.metadata.labels?.[homeLabel] === undefined ? [] : [slotBudget(slot)];
  return { configMap: configMap(owner, zone, config), statefulSet, budgets };
}

export type SlotWish = Omit<z.input<typeof NodeSlotSpec>, 'drain' | 'port'>;

/** The slot itself, as the controller of its Zone or Superpeer wants it: all but the permission to drain and the port, which are given apart. */
export function slotManifest(owner: Owner, name: string, spec: SlotWish): Manifest & { spec: SlotWish } {
  return {
    apiVersion,
    kind: 'NodeSlot',
    // Held before there is anything to be waited for.
    metadata: { ...childMetadata(owner, name, roleLabels(spec.zone, spec.role)), finalizers: [finalizer] },
    spec,
  };
}

/** The same in another cluster, where nothing could own it: its Zone removes it itself. */
export function memberSlotManifest(
  home: ObjectMeta,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  spec: SlotWish,
): Manifest & { spec: SlotWish } {
  const labels = { ...ownLabels, ...roleLabels(spec.zone, spec.role), [homeLabel]: home.uid };
  return { apiVersion, kind: 'NodeSlot', metadata: { name, namespace, labels, finalizers: [finalizer] }, spec };
}

/** The permission to drain, or its withdrawal, or the port: fields that are applied under managers of their own. */
export function givenManifest(
  { metadata: { name, namespace, uid } }: NodeSlot,
  spec: { drain: boolean } | { port: number },
  annotations?: Readonly<Record<string, string>>,
) {
  const given = { name, namespace, uid, ...(annotations ? { annotations } : {}) };
  return { apiVersion, kind: 'NodeSlot', metadata: given, spec } satisfies Manifest & {
    spec: object;
  };
}
