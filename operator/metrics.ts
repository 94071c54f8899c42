/** The operator's metrics, as data. No label names a client, a call or a circuit: the operator knows of none. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { processMetrics } from '../nodes/host/process-metrics.ts';
import type { Condition } from './api/conditions.ts';
import type { KeyState } from './api/fields.ts';
import type { NodeSlot } from './api/slot.ts';
import type { Superpeer } from './api/superpeer.ts';
import type { Zone } from './api/zone.ts';
import { firstExpiries } from './plan/key-rotation.ts';

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  processMetrics(registry);
  return {
    registry,
    reconciles: new Counter({
      name: 'herd_operator_reconcile_total',
      help: 'Reconciles by controller and result.',
      labelNames: ['controller', 'result'] as const,
      registers,
    }),
    reconcileSeconds: new Histogram({
      name: 'herd_operator_reconcile_duration_seconds',
      help: 'How long a reconcile took.',
      labelNames: ['controller'] as const,
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10],
      registers,
    }),
    reconcileSuccess: new Gauge({
      name: 'herd_operator_reconcile_last_success_timestamp_seconds',
      help: 'When a reconcile last succeeded.',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueAdds: new Counter({
      name: 'herd_operator_workqueue_adds_total',
      help: 'Keys that came to wait and did not before.',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueRetries: new Counter({
      name: 'herd_operator_workqueue_retries_total',
      help: 'Keys that wait again since their reconcile failed.',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueSeconds: new Histogram({
      name: 'herd_operator_workqueue_queue_duration_seconds',
      help: 'How long keys were due before a worker took them.',
      labelNames: ['controller'] as const,
      buckets: [0.001, 0.01, 0.1, 1, 10, 60, 300],
      registers,
    }),
    longestRun: new Gauge({
      name: 'herd_operator_workqueue_longest_running_seconds',
      help: 'How long the oldest of the reconciles that run has been at it.',
      labelNames: ['controller'] as const,
      registers,
    }),
    queueDepth: new Gauge({
      name: 'herd_operator_workqueue_depth',
      help: 'Keys that are due and wait for a worker.',
      labelNames: ['controller'] as const,
      registers,
    }),
    kubeRequests: new Counter({
      name: 'herd_operator_kube_requests_total',
      help: 'Requests to the API server by verb, what it was of and HTTP status; code 0 got no answer.',
      labelNames: ['verb', 'resource', 'code'] as const,
      registers,
    }),
    kubeRequestSeconds: new Histogram({
      name: 'herd_operator_kube_request_duration_seconds',
      help: 'Time to the first byte of the API server’s answer.',
      labelNames: ['verb'] as const,
      buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 10, 30],
      registers,
    }),
    watchErrors: new Counter({
      name: 'herd_operator_watch_errors_total',
      help: 'Watches that ended with an error and were taken up again.',
      labelNames: ['resource'] as const,
      registers,
    }),
    watchBegins: new Counter({
      name: 'herd_operator_watch_begins_total',
      help: 'How often all objects of the resource were read: at the start, and when the API server could not continue.',
      labelNames: ['resource', 'by'] as const,
      registers,
    }),
    watchSilentSeconds: new Gauge({
      name: 'herd_operator_watch_silent_seconds',
      help: 'Time since the API server last said anything about the resource, a bookmark included.',
      labelNames: ['resource'] as const,
      registers,
    }),
    keyExpiry: new Gauge({
      name: 'herd_operator_key_expiry_timestamp_seconds',
      help: 'When the first key of a kind, of all nodes or directories, is due to be succeeded.',
      labelNames: ['kind'] as const,
      registers,
    }),
    clusterReachable: new Gauge({
      name: 'herd_operator_cluster_reachable',
      help: 'Whether another cluster that Zones are in can be asked, by the Secret that says where it is.',
      labelNames: ['namespace', 'secret'] as const,
      registers,
    }),
    keyMade: new Gauge({
      name: 'herd_operator_key_made_timestamp_seconds',
      help: 'When the oldest of all newest keys of a kind was made.',
      labelNames: ['kind'] as const,
      registers,
    }),
    zoneReady: new Gauge({
      name: 'herd_operator_zone_ready',
      help: 'Whether the Zone’s condition Ready is True; of zones of one name in several namespaces, of all.',
      labelNames: ['zone'] as const,
      registers,
    }),
    slots: new Gauge({
      name: 'herd_operator_slots',
      help: 'NodeSlots by zone, role and state.',
      labelNames: ['zone', 'role', 'state'] as const,
      registers,
    }),
    draining: new Gauge({
      name: 'herd_operator_slots_draining',
      help: 'NodeSlots that have a reason to end, by it.',
      labelNames: ['zone', 'reason'] as const,
      registers,
    }),
    superpeers: new Gauge({
      name: 'herd_operator_superpeers',
      help: 'Superpeers by zone and the reason of their condition Ready.',
      labelNames: ['zone', 'reason'] as const,
      registers,
    }),
    leader: new Gauge({
      name: 'herd_operator_leader',
      help: 'Whether this instance holds the lease.',
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;

const reconcileResults = ['success', 'error'] as const;

/** Counters that stand at 0 before the first time: of what appears at 1 nobody can say that it has risen. */
export function beginCounting(metrics: Metrics, controllers: readonly string[], resources: readonly string[]): void {
  for (const controller of controllers) {
    for (const result of reconcileResults) metrics.reconciles.inc({ controller, result }, 0);
    metrics.queueAdds.inc({ controller }, 0);
    metrics.queueRetries.inc({ controller }, 0);
  }
  for (const resource of resources) metrics.watchErrors.inc({ resource }, 0);
}

export interface Fleet {
  readonly zones: readonly Zone[];
  readonly slots: readonly NodeSlot[];
  readonly superpeers: readonly Superpeer[];
}

/** What statuses say, counted: names of zones, roles and reasons, and none of nodes. */
export function measureFleet(metrics: Metrics, { zones, slots, superpeers }: Fleet): void {
  const { zoneReady, slots: counted, draining, superpeers: admitted, keyExpiry, keyMade } = metrics;
  for (const gauge of [zoneReady, counted, draining, admitted, keyExpiry, keyMade]) gauge.reset();
  const unready = new Set(zones.filter(({ status }) => !isReady(status)).map(({ metadata }) => metadata.name));
  for (const { metadata } of zones) zoneReady.set({ zone: metadata.name }, unready.has(metadata.name) ? 0 : 1);
  for (const { spec, status } of slots) {
    counted.inc({ zone: spec.zone, role: spec.role, state: status?.state ?? 'Pending' });
    if (status?.drainReason) draining.inc({ zone: spec.zone, reason: status.drainReason });
  }
  for (const { spec, status } of superpeers)
    admitted.inc({ zone: spec.zoneRef, reason: readyOf(status)?.reason ?? 'Unknown' });
  const statuses = [...zones, ...slots].flatMap(({ status }) => status ?? []);
  for (const [kind, seconds] of firstExpiries(statuses)) keyExpiry.set({ kind }, seconds);
  for (const [kind, seconds] of oldestKeys(statuses)) keyMade.set({ kind }, seconds);
}

type WithConditions = { readonly conditions: readonly Condition[] } | undefined;
const readyOf = (status: WithConditions) => status?.conditions.find(({ type }) => type === 'Ready');
const isReady = (status: WithConditions) => readyOf(status)?.status === 'True';

/** When the oldest of all newest keys of a kind was made, seconds since 1970: a status lists them by number. */
function oldestKeys(statuses: Iterable<{ readonly keys?: readonly KeyState[] | undefined }>): Map<string, number> {
  const oldest = new Map<string, number>();
  for (const { keys = [] } of statuses) {
    const newest = new Map<string, number>();
    for (const { name, made } of keys) {
      const kind = name.split('-')[0]!;
      newest.set(kind, Math.max(newest.get(kind) ?? 0, Date.parse(made) / 1000));
    }
    for (const [kind, seconds] of newest) oldest.set(kind, Math.min(oldest.get(kind) ?? seconds, seconds));
  }
  return oldest;
}
