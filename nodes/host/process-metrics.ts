import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import manifest from '../../package.json' with { type: 'json' };

/** Of what the library tells of a process, what somebody looks at: a name that is not here is not told. */
const KEPT: ReadonlySet<string> = new Set([
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'process_open_fds',
  'process_max_fds',
  // The library measures p99 when it is asked for this one, and never without.
  'nodejs_eventloop_lag_seconds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
  'nodejs_gc_duration_seconds',
]);

/** What every process of Herd tells of itself, whatever it does: which version it is, processor, memory, event loop. */
export function processMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) if (!KEPT.has(name)) registry.removeSingleMetric(name);
  new Gauge({
    name: 'herd_build_info',
    help: 'The version that runs; always 1.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: manifest.version }, 1);
}
