/** Conditions after the Kubernetes convention: one entry per type, a stable CamelCase reason, a sentence for people. */
import { z } from 'zod';
import { generation } from './fields.ts';

export const Condition = z.object({
  type: z.string().min(1).max(63),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[A-Za-z]([A-Za-z0-9]*)$/),
  message: z.string().max(1024),
  observedGeneration: generation(),
  lastTransitionTime: z.string().max(32).meta({ format: 'date-time' }),
});
export type Condition = z.infer<typeof Condition>;

/** The list is a map by type, so that two field managers could own different conditions. */
export const conditionList = () =>
  z
    .array(Condition)
    .max(16)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

export type ZoneConditionType =
  | 'ClustersReachable'
  | 'DirectoryReady'
  | 'KeysReady'
  | 'PeersResolved'
  | 'Progressing'
  | 'Ready';
export type SuperpeerConditionType = 'Approved' | 'Reached' | 'Ready' | 'Registered' | 'Trusted' | 'ZoneFound';
export type SlotConditionType =
  | 'Addressed'
  | 'KeysReady'
  | 'PodReady'
  | 'PortsGiven'
  | 'Reached'
  | 'Ready'
  | 'Registered';
