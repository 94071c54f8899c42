/** What a provider writes first: two zones that link with each other and with another provider's, and their superpeers. */
import { hostNamespace } from '../operator/admission.ts';
import { apiVersion } from '../operator/api/fields.ts';
import type { Manifest } from '../operator/kube/types.ts';

const namespace = 'herd';

/** Public halves of keys that were made for this and thrown away; yours come from who runs the other end. */
const strangers = {
  rootKey: 'yinimKb7/tFQxamNZr7MpH2jitDe5d/xElBDPZedSwc=',
  identityKey: 'u6lUOCs1mtj/KOZglGccjPCvzwax4Aaw9qey0mc3z3M=',
};

const resource = (kind: string, name: string, spec: object): Manifest & { spec: object } => ({
  apiVersion,
  kind,
  metadata: { name, namespace },
  spec,
});

export function sampleObjects(): Manifest[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: hostNamespace } },
    resource('Zone', 'eu', {
      provider: 'north',
      jurisdiction: 'EU',
      regions: [{ name: 'eu', mixes: { replicas: 2 }, rendezvous: { replicas: 2 } }],
      peers: [{ zone: 'na' }, { zone: 'au', url: 'http://directory.au.example:8080', rootKey: strangers.rootKey }],
    }),
    // Zones of one provider may share a directory.
    resource('Zone', 'na', {
      provider: 'north',
      jurisdiction: 'US',
      regions: [{ name: 'na' }],
      directory: { zoneRef: 'eu' },
      peers: [{ zone: 'eu' }],
    }),
    resource('Superpeer', 'eu-managed', { zoneRef: 'eu', channels: 2, managed: { region: 'eu' } }),
    resource('Superpeer', 'na-managed', { zoneRef: 'na', channels: 2, managed: { region: 'na' } }),
    // Admitted once somebody sets its condition Approved to True.
    resource('Superpeer', 'eu-volunteer', { zoneRef: 'eu', external: { identityKey: strangers.identityKey } }),
  ];
}
