/**
 * With whom a node's pod shares a machine.
 *
 * Property: unless the Zone says otherwise no machine has nodes of two layers of a zone, so that nobody who holds one machine
 * sees a call on both sides of what hides it. Those of one layer are spread: over the region's availability zones, and over
 * its machines as well as it goes.
 */
import type { V1Affinity, V1LabelSelector, V1TopologySpreadConstraint } from '@kubernetes/client-node';
import { type Role, roleLabels } from './labels.ts';
import type { NodePod } from './pod.ts';

const machine = 'kubernetes.io/hostname';
const availabilityZone = 'topology.kubernetes.io/zone';
const layers: readonly Role[] = ['mix', 'rendezvous', 'superpeer'];

export function neighbours(node: Pick<NodePod, 'zone' | 'role' | 'placement'>): {
  affinity?: V1Affinity;
  topologySpreadConstraints?: V1TopologySpreadConstraint[];
} {
  const { zone, role, placement } = node;
  const others = { labelSelector: nodesOf(zone, (layer) => layer !== role), topologyKey: machine };
  // It says who is in the zone and carries nothing: better alone, and not at the price of not running.
  if (role === 'directory') {
    const preferred = [{ weight: 100, podAffinityTerm: others }];
    return { affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } } };
  }
  const labelSelector = { matchLabels: roleLabels(zone, role) };
  const even = role === 'rendezvous' && placement.rendezvousSpread === 'Required';
  // Machines of other regions don't count: they lack the labels of nodeSelector.
  const topologySpreadConstraints: V1TopologySpreadConstraint[] = [
    {
      maxSkew: 1,
      topologyKey: availabilityZone,
      whenUnsatisfiable: even ? 'DoNotSchedule' : 'ScheduleAnyway',
      labelSelector,
    },
    { maxSkew: 1, topologyKey: machine, whenUnsatisfiable: 'ScheduleAnyway', labelSelector },
  ];
  if (placement.layers === 'Together') return { topologySpreadConstraints };
  const required = { requiredDuringSchedulingIgnoredDuringExecution: [others] };
  return { affinity: { podAntiAffinity: required }, topologySpreadConstraints };
}

const nodesOf = (zone: string, isOne: (layer: Role) => boolean): V1LabelSelector => ({
  matchLabels: { 'herd.network/zone': zone },
  matchExpressions: [{ key: 'herd.network/role', operator: 'In', values: layers.filter(isOne) }],
});
