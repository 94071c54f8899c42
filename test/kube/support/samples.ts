/** Zones and Superpeers to apply. */
import type { Manifest } from '../../../operator/kube/types.ts';

export const namespace = 'herd';

export function zone(name: string, spec: object = {}): Manifest & { spec: object } {
  const base = { provider: 'north', jurisdiction: 'EU', regions: [{ name }] };
  return {
    apiVersion: 'herd.network/v1alpha1',
    kind: 'Zone',
    metadata: { name, namespace },
    spec: { ...base, ...spec },
  };
}

export function superpeer(name: string, zoneRef: string, spec: object = {}): Manifest & { spec: object } {
  const metadata = { name, namespace };
  return {
    apiVersion: 'herd.network/v1alpha1',
    kind: 'Superpeer',
    metadata,
    spec: { zoneRef, managed: { region: zoneRef }, ...spec },
  };
}
