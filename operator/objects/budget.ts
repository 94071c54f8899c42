/**
 * What may be evicted. A directory at will: clients have its last consensus. Of the other nodes none that is ready: their
 * calls go elsewhere first, for which the operator sees to it that a cordoned machine's slots drain. It then deletes
 * the pod, and `kubectl drain`, which has been waiting, goes on. A pod that is not ready may always go: it carries no calls.
 */
import type { V1PodDisruptionBudgetSpec } from '@kubernetes/client-node';
import type { NodeSlot } from '../api/slot.ts';
import type { Zone } from '../api/zone.ts';
import type { Manifest } from '../kube/types.ts';
import { childMetadata, nodeLabels, type Role, roleLabels, roleName } from './labels.ts';

type Budget = Manifest & { spec: V1PodDisruptionBudgetSpec };

/** Of one node, whose Zone is in another cluster: its budgets are not here. */
export function slotBudget({ metadata, spec }: NodeSlot): Budget {
  const labels = { ...roleLabels(spec.zone, spec.role), ...nodeLabels(metadata.name) };
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata({ kind: 'NodeSlot', metadata }, metadata.name, labels),
    spec: {
      maxUnavailable: 0,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: nodeLabels(metadata.name) },
    },
  };
}

export function disruptionBudget(zone: Zone, role: Role): Budget {
  const labels = roleLabels(zone.metadata.name, role);
  const maxUnavailable = role === 'directory' ? 1 : 0;
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata({ kind: 'Zone', metadata: zone.metadata }, roleName(zone.metadata.name, role), labels),
    spec: { maxUnavailable, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: labels } },
  };
}
