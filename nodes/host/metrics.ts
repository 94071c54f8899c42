import { Counter, Gauge, Registry } from 'prom-client';
import type { Consensus, NodeRole } from '../config/consensus.ts';
import { DROP_REASONS, DROPS_OF_CALLS } from '../core/drop.ts';
import { MILLISECOND_US, type Micros } from '../core/units.ts';
import { KEY_KINDS, type NodeKeys } from '../crypto/keys.ts';
import { meshRatesAt } from '../link/mesh.ts';
import { TICKS_PER_SECOND } from '../wire/constants.ts';
import type { VerifiedView } from './directory-client.ts';
import { processMetrics } from './process-metrics.ts';
import type { Stat, Stats } from './stats.ts';

/**
 * What a node tells Prometheus. Metrics are a side channel: labels name roles, zones, reasons, kinds of keys and versions,
 * real and cover traffic are never counted apart, and nothing that only calls can cause is told.
 */
export interface PlaneNumbers {
  readonly stats: Stats;
  /** What the kernel has thrown away before the plane could take it. */
  readonly socketDrops: () => number;
}

/** A directory has no plane. */
export function nodeRegistry(role: string, zone: string, plane: PlaneNumbers | undefined): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role, zone });
  processMetrics(registry);
  if (plane) planeMetrics(registry, plane);
  return registry;
}

function planeMetrics(registry: Registry, { stats, socketDrops }: PlaneNumbers): void {
  const counterOf = (name: string, help: string, value: () => number) => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  };
  const counter = (name: string, help: string, stat: Stat) => counterOf(name, help, () => stats.get(stat));
  const gauge = (name: string, help: string, stat: Stat, factor = 1) => {
    gaugeOf(registry, name, help, () => stats.get(stat) * factor);
  };
  counter('herd_node_ticks_total', 'Ticks of the data plane, one per 20 ms.', 'ticks');
  counter('herd_node_late_slots_total', 'Slots that went out more than 2 ms late or not at all.', 'late_slots');
  counter('herd_node_received_datagrams_total', 'Datagrams received, valid or not.', 'datagrams_received');
  counter('herd_node_sent_datagrams_total', 'Datagrams sent, voice and cover alike.', 'datagrams_sent');
  counter('herd_node_received_bytes_total', 'UDP payload received.', 'bytes_received');
  counter('herd_node_sent_bytes_total', 'UDP payload sent.', 'bytes_sent');
  gauge(
    'herd_node_configured_datagrams_per_second',
    'What the node should send: the constant rates of its links, channels and clients. Handshakes and audits come on top.',
    'configured_datagrams_per_tick',
    TICKS_PER_SECOND,
  );
  gauge(
    'herd_node_configured_bytes_per_second',
    'The UDP payload of what the node should send.',
    'configured_bytes_per_tick',
    TICKS_PER_SECOND,
  );
  counterOf(
    'herd_node_socket_drops_total',
    'Datagrams that the kernel threw away since the socket’s buffer was full.',
    socketDrops,
  );
  gauge('herd_node_links_up', 'Links to other nodes over which something can be sent.', 'links_up');
  gauge('herd_node_links_expected', 'Links to other nodes that the consensus asks for.', 'links_expected');
  gauge(
    'herd_node_places_taken',
    'Clients or half-circuits held; constant while clients stay attached.',
    'places_taken',
  );
  counter('herd_node_audits_total', 'Audits of channels that a mix has begun.', 'audits_started');
  new Counter({
    name: 'herd_node_audit_findings_total',
    help: 'What audits found: superpeers that lie, clients that jam, clients of whom it is not known.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const reason of ['guilty', 'jams', 'doubtful'] as const) this.inc({ reason }, stats.get(`audits_${reason}`));
    },
  });
  new Counter({
    name: 'herd_node_drops_total',
    help: 'Datagrams and cells thrown away, by reason; reasons that only calls can cause are not told.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [index, reason] of DROP_REASONS.entries())
        if (!DROPS_OF_CALLS.has(reason)) this.inc({ reason }, stats.drops[index]!);
    },
  });
}

function gaugeOf(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}

/** What a node knows of the world: to be called once it has a first view. `tag` is its own name in it. */
export function viewMetrics(registry: Registry, role: NodeRole, tag: string, newest: () => VerifiedView): void {
  gaugeOf(
    registry,
    'herd_node_view_timestamp_seconds',
    'When the directory last answered with a view that verified.',
    () => newest().verifiedMs / 1000,
  );
  gaugeOf(registry, 'herd_node_epoch', 'Epoch of the consensus that the node goes by.', () => newest().view.own.epoch);
  gaugeOf(
    registry,
    'herd_node_consensus_expiry_timestamp_seconds',
    'Until when that consensus is good.',
    () => newest().view.own.validUntilMs / 1000,
  );
  gaugeOf(
    registry,
    'herd_node_peer_zones',
    'Other zones whose consensus the node has.',
    () => newest().view.peers.length,
  );
  if (role !== 'rendezvous') {
    const channels = () => channelsOf(newest().view.own, tag);
    gaugeOf(registry, 'herd_node_channels', 'Channels that the consensus gives to the node.', channels);
    gaugeOf(registry, 'herd_node_places_offered', 'Places for clients on these channels, and without any.', () => {
      const { clientsPerChannel, directClients } = newest().view.own.params;
      return channels() * clientsPerChannel + (role === 'mix' ? directClients : 0);
    });
  }
  if (role === 'superpeer') return;
  new Gauge({
    name: 'herd_node_mesh_cells_per_second',
    help: 'Rate in force of every mesh link to a node of that zone, as the consensus has it.',
    labelNames: ['peer_zone'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [zone, rate] of meshRatesAt((Date.now() * MILLISECOND_US) as Micros, newest().view))
        this.set({ peer_zone: zone }, rate);
    },
  });
}

const channelsOf = ({ channels }: Consensus, tag: string) =>
  channels.filter(({ mix, superpeer }) => mix.tag === tag || superpeer.tag === tag).length;

/** Which keys a node has: it has read its files if the number is that of the newest. */
export function keyNumbersGauge(registry: Registry, keys: () => NodeKeys): void {
  new Gauge({
    name: 'herd_node_key_number',
    help: 'Number of the newest of the node’s keys of that kind.',
    labelNames: ['key'],
    registers: [registry],
    collect() {
      for (const key of KEY_KINDS) this.set({ key }, keys()[key].at(-1)!.number);
    },
  });
}

/** What a directory knows of one of its zones. */
export interface ServedZoneNumbers {
  readonly zone: string;
  /** Of the key that signs now; 0 is one that ends with the process. */
  readonly signingKey: number;
  readonly roster: number;
  readonly registered: number;
  readonly peers: number;
}

/** A directory's own metrics. The label `zone` is here that of which something is said. */
export function directoryMetrics(
  registry: Registry,
  counts: { readonly expelled: () => number; readonly unanswered: () => number },
  zones: () => readonly ServedZoneNumbers[],
): void {
  const byZone = (name: string, help: string, value: (zone: ServedZoneNumbers) => number) => {
    new Gauge({
      name,
      help,
      labelNames: ['zone'],
      registers: [registry],
      collect() {
        this.reset();
        for (const zone of zones()) this.set({ zone: zone.zone }, value(zone));
      },
    });
  };
  gaugeOf(
    registry,
    'herd_directory_expelled_superpeers',
    'Superpeers that are left out of the consensus because a mix has found them to lie.',
    counts.expelled,
  );
  gaugeOf(
    registry,
    'herd_directory_unanswered_nodes',
    'Nodes that have registered and do not answer where they say they are.',
    counts.unanswered,
  );
  byZone(
    'herd_directory_signing_key_number',
    'Number of the key that signs the zone’s documents now.',
    ({ signingKey }) => signingKey,
  );
  byZone('herd_directory_roster_nodes', 'Nodes that the zone’s roster has.', ({ roster }) => roster);
  byZone(
    'herd_directory_registered_nodes',
    'Nodes of the roster that renew their descriptors and are not expelled.',
    ({ registered }) => registered,
  );
  byZone('herd_directory_peer_zones', 'Zones that the zone’s configuration names as peers.', ({ peers }) => peers);
}
