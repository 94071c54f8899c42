/**
 * Two providers, each with a zone in two regions, so that there is another mix, rendezvous and superpeer for whoever
 * loses one. The callers bring two attachments each, and every call takes a channel at both of its ends.
 */
import type { Manifest } from '../../operator/kube/types.ts';
import { NAMESPACE } from '../herd/resources.ts';

export interface ChaosZone {
  readonly name: string;
  readonly provider: string;
  readonly jurisdiction: string;
  readonly regions: readonly [string, string];
}

export const CHAOS_ZONES: readonly ChaosZone[] = [
  { name: 'eu', provider: 'north', jurisdiction: 'EU', regions: ['eu', 'sa'] },
  { name: 'na', provider: 'south', jurisdiction: 'US', regions: ['na', 'au'] },
];

const SUPERPEERS = 3;
/** As in test/sim/scenarios/upgrade.ts, as far as two cores go: with fewer both of a client's channels are too often others'. */
const CHANNELS_PER_CALL = 1.5;

const apiVersion = 'herd.network/v1alpha1';

export function chaosObjects(calls: number): Manifest[] {
  return CHAOS_ZONES.flatMap((zone) => [
    ...Array.from({ length: SUPERPEERS }, (_, index) => superpeer(zone, index, Math.ceil(CHANNELS_PER_CALL * calls))),
    chaosZone(zone, calls),
  ]);
}

function superpeer({ name, regions }: ChaosZone, index: number, channels: number): Manifest & { spec: object } {
  const region = regions[index % regions.length]!;
  const metadata = { name: `${name}-sp-${index}`, namespace: NAMESPACE };
  return { apiVersion, kind: 'Superpeer', metadata, spec: { zoneRef: name, managed: { region }, channels } };
}

/** @param mixes in the first region; in the other there is one */
export function chaosZone(zone: ChaosZone, calls: number, mixes = 1): Manifest & { spec: object } {
  const { name, provider, jurisdiction, regions } = zone;
  return {
    apiVersion,
    kind: 'Zone',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      provider,
      jurisdiction,
      regions: [{ name: regions[0], mixes: { replicas: mixes } }, { name: regions[1] }],
      profile: 'A',
      attachmentsPerClient: 2,
      clientsPerChannel: 4,
      // All calls may have to go through one mix and one rendezvous for a while.
      chaff: { cellsPerTick: calls },
      epochSeconds: 60,
      drainDeadlineSeconds: 300,
      // As in herd/resources.ts; one region has six nodes and an operator.
      placement: { layers: 'Together' },
      network: { addresses: 'Private' },
      resources: { cpu: '200m' },
      peers: CHAOS_ZONES.filter((other) => other !== zone).map((other) => ({ zone: other.name })),
    },
  };
}
