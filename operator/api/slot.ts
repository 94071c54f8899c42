/**
 * A NodeSlot: one node of a zone and what becomes of it. The Zone's controller, or the Superpeer's, says what it is to
 * be; the slot's own controller, in the cluster where the slot is, makes its key, its configuration and its pod.
 * It says all that this takes, so that a slot may be in another cluster than its Zone. This schema is the only source
 * of the type, the defaults and the CRD.
 */
import { z } from 'zod';
import { conditionList } from './conditions.ts';
import {
  dateTime,
  drainDeadlineSeconds,
  epochSeconds,
  immutable,
  keyStates,
  network,
  nodeKeyLifetimes,
  nodeResources,
  nodeSelector,
  type ObjectMeta,
  observedGeneration,
  type Parsed,
  parseResource,
  placement,
  publicKey,
  regionName,
  url,
  zoneName,
} from './fields.ts';

export const slotRole = () => z.enum(['mix', 'rendezvous', 'superpeer']);
export type SlotRole = z.infer<ReturnType<typeof slotRole>>;

export const NodeSlotSpec = z.object({
  zone: zoneName().meta({ description: 'The zone whose node this is.', ...immutable('zone') }),
  role: slotRole().meta({ description: 'What the node does.', ...immutable('role') }),
  region: regionName().meta({ description: 'The region of the zone that the node is in.', ...immutable('region') }),
  nodeSelector: nodeSelector('Labels of the Kubernetes nodes that the pod runs on.'),
  placement: placement().meta({ description: 'With whom the node may share a machine.' }),
  resources: nodeResources().meta({ description: 'What the node gets, no less and no more.' }),
  network: network().meta({ description: 'How the node is reached.' }),
  port: z.int().min(1024).max(29999).optional().meta({
    description:
      'Where the node takes cells in mode Host; its metrics are network.ports.count higher. The slot’s controller chooses it.',
  }),
  directory: z
    .object({
      url: url().meta({ description: 'Its address.' }),
      rootKey: publicKey().meta({ description: 'The key by which what it says is verified.' }),
    })
    .optional()
    .meta({ description: 'Where the node registers. Until it is known there is no pod.' }),
  keys: z
    .object({
      epochSeconds: epochSeconds().meta({ description: 'How long a consensus of the directory lasts.' }),
      ...nodeKeyLifetimes,
      notBefore: dateTime().optional().meta({ description: 'Keys that were made before this time get successors.' }),
    })
    .prefault({})
    .meta({ description: 'When the node’s keys change.' }),
  drain: z.boolean().default(false).meta({
    description: 'The node may drain, and be ended when nothing rides on it. The zone allows it to few at a time.',
  }),
  drainDeadlineSeconds: drainDeadlineSeconds(),
  paused: z.boolean().default(false).meta({ description: 'The operator leaves the children of the slot as they are.' }),
});
export type NodeSlotSpec = z.infer<typeof NodeSlotSpec>;

/**
 * Pending: no pod that is up. Publishing: up, and the directory does not list it yet. Active: it may carry calls.
 * Draining: it carries those that it has until they have gone. Gone: nothing is left of it.
 */
export const slotState = () => z.enum(['Pending', 'Publishing', 'Active', 'Draining', 'Gone']);
export type SlotState = z.infer<ReturnType<typeof slotState>>;

/** Why a node should drain: it is to be no more, its machine is cordoned, its pod is of an older template, somebody asked. */
export const drainReason = () => z.enum(['Retired', 'Cordoned', 'Outdated', 'Requested']);
export type DrainReason = z.infer<ReturnType<typeof drainReason>>;

export const NodeSlotStatus = z.object({
  observedGeneration: observedGeneration(),
  conditions: conditionList(),
  state: slotState().meta({ description: 'How far it is: operator/README.md tells of each.' }),
  identityKey: publicKey().optional().meta({ description: 'The key under which the directory knows the node.' }),
  address: z.string().max(21).optional().meta({ description: 'Where others reach the node, with its port.' }),
  machine: z.string().max(253).optional().meta({ description: 'The Kubernetes node that the pod is on.' }),
  registered: z.boolean().meta({ description: 'The directory lists the node.' }),
  drainReason: drainReason().optional().meta({ description: 'Why it should drain: operator/README.md tells of each.' }),
  drainingSince: dateTime().optional().meta({ description: 'Since when it has permission to.' }),
  keys: keyStates().optional().meta({ description: 'The keys of the node that change.' }),
  drained: z.boolean().meta({ description: 'Nothing rides on the node any more, or its time to drain is over.' }),
});
export type NodeSlotStatus = z.infer<typeof NodeSlotStatus>;

export interface NodeSlot {
  readonly metadata: ObjectMeta;
  readonly spec: NodeSlotSpec;
  readonly status: NodeSlotStatus | undefined;
}

export const parseSlot = (raw: object): Parsed<NodeSlot> => parseResource(raw, NodeSlotSpec, NodeSlotStatus);
