/** At most one node of a zone's role may be evicted at a time. A pod that is not ready may always go: it carries no calls. */
import type { V1PodDisruptionBudgetSpec } from '@kubernetes/client-node';
import type { Zone } from '../api/zone.ts';
import type { Manifest } from '../kube/types.ts';
import { childMetadata, type Role, roleLabels, roleName } from './labels.ts';

export function disruptionBudget(zone: Zone, role: Role): Manifest & { spec: V1PodDisruptionBudgetSpec } {
  const labels = roleLabels(zone.metadata.name, role);
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: childMetadata({ kind: 'Zone', metadata: zone.metadata }, roleName(zone.metadata.name, role), labels),
    spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: { matchLabels: labels } },
  };
}
