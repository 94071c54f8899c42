import { randomBytes } from 'node:crypto';
import { clientFile, clientPod, confined } from '../../monitoring/probe.ts';
import { hostNamespace } from '../../operator/admission.ts';
import { regionSelector } from '../../operator/objects/labels.ts';

/**
 * The deployment of the paper's section 4.3 as Kubernetes resources: four zones, eight mixes and rendezvous, two
 * directories, four superpeers; and a client in each zone.
 */
export const NAMESPACE = 'herd';
export const CLIENT_CONTAINER = 'client';
export const ECHO_CONTAINER = 'direct-echo';
export const ECHO_PORT = 7100;

interface ZonePlan {
  readonly name: string;
  readonly jurisdiction: string;
  readonly provider: string;
  /** The zone whose directory serves this one too; undefined: it has its own. */
  readonly directoryOf?: string;
}

/** Two providers, each with a directory for both of its zones. */
const PLANS: readonly ZonePlan[] = [
  { name: 'eu', jurisdiction: 'EU', provider: 'north' },
  { name: 'na', jurisdiction: 'US', provider: 'south' },
  { name: 'sa', jurisdiction: 'BR', provider: 'north', directoryOf: 'eu' },
  { name: 'au', jurisdiction: 'AU', provider: 'south', directoryOf: 'na' },
];

export const ZONES = PLANS.map(({ name }) => name);

/** Which region (value of the node label) each zone's pods run in. */
export type Regions = ReadonlyMap<string, string>;

/** Deals zones to regions in turn; in the local cluster each zone has the region of its name. */
export function regionsFor(available: readonly string[]): Regions {
  return new Map(
    ZONES.map((zone, index) => [zone, available.includes(zone) ? zone : available[index % available.length]!]),
  );
}

export function namespaceObject(): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels: hostNamespace } };
}

export function herdObjects(regions: Regions): object[] {
  const metadata = (name: string) => ({ name, namespace: NAMESPACE });
  const apiVersion = 'herd.network/v1alpha1';
  const superpeers = PLANS.map(({ name }) => ({
    apiVersion,
    kind: 'Superpeer',
    metadata: metadata(`${name}-sp`),
    spec: { zoneRef: name, managed: { region: regions.get(name) }, channels: 1 },
  }));
  const zones = PLANS.map(({ name, jurisdiction, provider, directoryOf }) => ({
    apiVersion,
    kind: 'Zone',
    metadata: metadata(name),
    spec: {
      provider,
      jurisdiction,
      regions: [{ name: regions.get(name) }],
      directory: directoryOf ? { zoneRef: directoryOf } : {},
      // The paper's rows are G.711.
      profile: 'A',
      // With one mix and one rendezvous to a zone its client has no other to go to: whatever drains waits in vain.
      drainDeadlineSeconds: 30,
      // A region has one machine, of which the kubelets of all regions believe that it is theirs.
      placement: { layers: 'Together' },
      // All parties are in the emulated network, where the machines have no other addresses.
      network: { addresses: 'Private' },
      resources: { cpu: '400m' },
      peers: ZONES.filter((zone) => zone !== name).map((zone) => ({ zone })),
    },
  }));
  return [...superpeers, ...zones];
}

export interface ZoneAccess {
  readonly zone: string;
  readonly directoryURL: string;
  readonly rootKey: string;
}

/** The client of a zone: its identity, its configuration, and a pod that also answers direct echoes, for Drac's delay. */
export function clientObjects(access: ZoneAccess, region: string, image: string): object[] {
  const name = `client-${access.zone}`;
  const metadata = { name, namespace: NAMESPACE, labels: { app: 'herd-client', zone: access.zone } };
  const directory = { url: access.directoryURL, rootKey: access.rootKey };
  const pod = clientPod(image, name, name);
  return [
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      // A lab client is new in every run; a person's client keeps its own identity.
      stringData: { identity: randomBytes(32).toString('base64') },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: clientFile({ id: name, zone: access.zone, directory }) },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: {
        ...pod,
        nodeSelector: regionSelector(region),
        containers: [
          ...pod.containers,
          confined(ECHO_CONTAINER, image, ['nodes/client/direct-echo.ts', 'serve', String(ECHO_PORT)]),
        ],
      },
    },
  ];
}
