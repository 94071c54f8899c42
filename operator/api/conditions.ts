/** Conditions after the Kubernetes convention: one entry per type, a stable CamelCase reason, a sentence for people. */
import { z } from 'zod';
import { dateTime, observedGeneration } from './fields.ts';

export const Condition = z.object({
  type: z.string().min(1).max(63).meta({ description: 'What it is about.' }),
  status: z.enum(['True', 'False', 'Unknown']).meta({ description: 'True is as it should be, but for Progressing.' }),
  reason: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[A-Za-z]([A-Za-z0-9]*)$/)
    .meta({ description: 'Why, in a word that stays the same.' }),
  message: z.string().max(1024).meta({ description: 'Why, in a sentence for people.' }),
  observedGeneration: observedGeneration(),
  lastTransitionTime: dateTime().meta({ description: 'Since when the status is what it is.' }),
});
export type Condition = z.infer<typeof Condition>;

/** The list is a map by type, so that two field managers could own different conditions. */
export const conditionList = () =>
  z
    .array(Condition)
    .max(16)
    .meta({
      description: 'How it is, one entry for each thing that can be wrong.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    });

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
