import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { DROP_REASONS } from '../core/drop.ts';
import { KEY_KINDS, type NodeKeys } from '../crypto/keys.ts';
import type { Stat, Stats } from './stats.ts';

/**
 * What a node tells Prometheus. Metrics are a side channel: labels are role, zone and drop reason, real and cover
 * traffic are never counted apart.
 */
export function nodeRegistry(role: string, zone: string, stats: Stats | undefined): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ role, zone });
  collectDefaultMetrics({ register: registry });
  if (!stats) return registry;
  const counter = (name: string, help: string, stat: Stat) => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(stats.get(stat));
      },
    });
  };
  const gauge = (name: string, help: string, stat: Stat) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(stats.get(stat));
      },
    });
  };
  counter('herd_node_ticks_total', 'Ticks of the data plane, one per 20 ms.', 'ticks');
  counter('herd_node_late_slots_total', 'Slots that went out more than 2 ms late or not at all.', 'late_slots');
  counter('herd_node_received_datagrams_total', 'Datagrams received, valid or not.', 'datagrams_received');
  counter('herd_node_sent_datagrams_total', 'Datagrams sent, voice and cover alike.', 'datagrams_sent');
  counter('herd_node_received_bytes_total', 'UDP payload received.', 'bytes_received');
  counter('herd_node_sent_bytes_total', 'UDP payload sent.', 'bytes_sent');
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
    help: 'Datagrams and cells thrown away, by reason.',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [index, reason] of DROP_REASONS.entries()) this.inc({ reason }, stats.drops[index]!);
    },
  });
  return registry;
}

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

/** Under which key a directory signs for each of its zones; 0 is one that ends with the process. */
export function signingKeysGauge(
  registry: Registry,
  numbers: () => Iterable<readonly [zone: string, number: number]>,
): void {
  new Gauge({
    name: 'herd_directory_signing_key_number',
    help: 'Number of the key that signs the zone’s documents now.',
    labelNames: ['zone'],
    registers: [registry],
    collect() {
      for (const [zone, number] of numbers()) this.set({ zone }, number);
    },
  });
}

/** A directory's own metric. */
export function unansweredGauge(registry: Registry, unanswered: () => number): void {
  new Gauge({
    name: 'herd_directory_unanswered_nodes',
    help: 'Nodes that have registered and do not answer where they say they are.',
    registers: [registry],
    collect() {
      this.set(unanswered());
    },
  });
}

/** Another. */
export function expelledGauge(registry: Registry, expelled: () => number): void {
  new Gauge({
    name: 'herd_directory_expelled_superpeers',
    help: 'Superpeers that are left out of the consensus because a mix has found them to lie.',
    registers: [registry],
    collect() {
      this.set(expelled());
    },
  });
}
