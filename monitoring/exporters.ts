/** Who exports metrics, and which: the registries as the daemons make them, for the table in docs/ and for tests. */
import type { Registry } from 'prom-client';
import { type ProbeMetrics, probeMetrics } from '../nodes/client/probe.ts';
import type { NodeKeys } from '../nodes/crypto/keys.ts';
import type { VerifiedView } from '../nodes/host/directory-client.ts';
import {
  directoryMetrics,
  keyNumbersGauge,
  nodeRegistry,
  type ServedZoneNumbers,
  viewMetrics,
} from '../nodes/host/metrics.ts';
import { Stats } from '../nodes/host/stats.ts';
import { createMetrics, type Metrics } from '../operator/metrics.ts';

/** What the daemons' metrics are read from; nothing of it is asked for until somebody scrapes. */
export interface Sources {
  readonly view: () => VerifiedView;
  readonly tag: string;
  readonly keys: () => NodeKeys;
  readonly served: () => readonly ServedZoneNumbers[];
}

const relays = ['mix', 'rendezvous', 'superpeer'] as const;

export interface Exporters {
  /** By role; the operator's is beside them. */
  readonly registries: ReadonlyMap<string, Registry>;
  readonly operator: Metrics;
  readonly probe: ProbeMetrics;
}

export function exporters({ view, tag, keys, served }: Sources): Exporters {
  const registries = new Map<string, Registry>();
  for (const role of relays) {
    const registry = nodeRegistry(role, 'eu', { stats: new Stats(), socketDrops: () => 0 });
    keyNumbersGauge(registry, keys);
    viewMetrics(registry, role, tag, view);
    registries.set(role, registry);
  }
  const directory = nodeRegistry('directory', 'eu', undefined);
  directoryMetrics(directory, { expelled: () => 0, unanswered: () => 0 }, served);
  registries.set('directory', directory);
  const client = nodeRegistry('client', 'eu', { stats: new Stats(), socketDrops: () => 0 });
  const probe = probeMetrics(client);
  registries.set('client', client);
  const operator = createMetrics();
  registries.set('operator', operator.registry);
  return { registries, operator, probe };
}

export interface MetricLine {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Roles that export it. */
  readonly by: readonly string[];
}

const unasked = (): never => {
  throw new Error('nobody scrapes here');
};

/** Every metric that the code exports, by name. */
export function metricLines(): MetricLine[] {
  const lines = new Map<string, MetricLine>();
  for (const [role, registry] of exporters({ view: unasked, tag: '', keys: unasked, served: unasked }).registries) {
    for (const metric of registry.getMetricsAsArray()) {
      const { name, help, type, labelNames } = metric as unknown as {
        name: string;
        help: string;
        type: string;
        labelNames: string[];
      };
      const known = lines.get(name);
      const by = [...(known?.by ?? []), role];
      lines.set(name, {
        name,
        type: String(type),
        help,
        labels: [...labelNames].filter((label) => label !== 'le'),
        by,
      });
    }
  }
  return [...lines.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
