/** The operator's metrics, as data. No label names a client, a call or a circuit: the operator knows of none. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  // process_cpu_seconds_total, resident memory, event loop lag.
  collectDefaultMetrics({ register: registry });
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
    queueDepth: new Gauge({
      name: 'herd_operator_workqueue_depth',
      help: 'Keys that are due and wait for a worker.',
      labelNames: ['controller'] as const,
      registers,
    }),
    kubeRequests: new Counter({
      name: 'herd_operator_kube_requests_total',
      help: 'Requests to the API server by verb and HTTP status; code 0 got no answer.',
      labelNames: ['verb', 'code'] as const,
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
    leader: new Gauge({
      name: 'herd_operator_leader',
      help: 'Whether this instance holds the lease.',
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
