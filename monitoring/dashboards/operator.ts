import type { Dashboard } from './panels.ts';

const by = (label: string, name: string) => `sum by (${label}) (rate(${name}[$__rate_interval]))`;
const p99 = (label: string, name: string) =>
  `histogram_quantile(0.99, sum by (${label}, le) (rate(${name}_bucket[$__rate_interval])))`;
const process = 'job=~".*herd-operator.*"';

export const operator: Dashboard = {
  uid: 'herd-operator',
  title: 'Herd / Operator',
  description: 'Does it do what it should, does it keep up, and does the API server answer?',
  choices: [],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'figure',
          title: 'Leaders',
          description: 'One.',
          unit: 'short',
          queries: [{ expr: 'sum(herd_operator_leader) or vector(0)', legend: 'leaders' }],
          bad: { from: 1, below: true },
          runbook: 'HerdOperatorNoLeader',
          width: 6,
        },
        {
          kind: 'figure',
          title: 'Since a Zone was reconciled',
          description: 'Each is looked at every 30 s.',
          unit: 's',
          queries: [
            {
              expr: 'time() - max(herd_operator_reconcile_last_success_timestamp_seconds{controller="zone"})',
              legend: 'zone',
            },
          ],
          bad: { from: 300 },
          runbook: 'HerdReconcileStale',
          width: 6,
        },
        {
          kind: 'figure',
          title: 'Waiting',
          description: 'Objects that are due, all controllers.',
          unit: 'short',
          queries: [{ expr: 'sum(max by (controller) (herd_operator_workqueue_depth))', legend: 'objects' }],
          bad: { from: 100 },
          runbook: 'HerdQueueDeep',
          width: 6,
        },
        {
          kind: 'figure',
          title: 'Longest silence of a watch',
          description: 'After 150 s without a word it is begun anew.',
          unit: 's',
          queries: [{ expr: 'max(herd_operator_watch_silent_seconds)', legend: 'watch' }],
          bad: { from: 300 },
          runbook: 'HerdWatchSilent',
          width: 6,
        },
      ],
    },
    {
      title: 'Reconciles',
      panels: [
        {
          kind: 'lines',
          title: 'By result',
          description: 'A second.',
          unit: 'cps',
          queries: [
            { expr: by('controller, result', 'herd_operator_reconcile_total'), legend: '{{controller}} {{result}}' },
          ],
          runbook: 'HerdReconcileErrors',
        },
        {
          kind: 'lines',
          title: 'Duration',
          description: '99th percentile.',
          unit: 's',
          queries: [{ expr: p99('controller', 'herd_operator_reconcile_duration_seconds'), legend: '{{controller}}' }],
          runbook: 'HerdReconcileHangs',
        },
        {
          kind: 'lines',
          title: 'Oldest that runs',
          description: 'It should end within seconds.',
          unit: 's',
          queries: [
            { expr: 'max by (controller) (herd_operator_workqueue_longest_running_seconds)', legend: '{{controller}}' },
          ],
          bad: { from: 300 },
          runbook: 'HerdReconcileHangs',
        },
        {
          kind: 'lines',
          title: 'Queue: added and tried again',
          description: 'Objects a second.',
          unit: 'cps',
          queries: [
            { expr: by('controller', 'herd_operator_workqueue_adds_total'), legend: '{{controller}} added' },
            { expr: by('controller', 'herd_operator_workqueue_retries_total'), legend: '{{controller}} tried again' },
          ],
          runbook: 'HerdReconcileErrors',
        },
        {
          kind: 'lines',
          title: 'Queue: waiting time',
          description: 'From being due to being taken, 99th percentile.',
          unit: 's',
          queries: [
            { expr: p99('controller', 'herd_operator_workqueue_queue_duration_seconds'), legend: '{{controller}}' },
          ],
          bad: { from: 60 },
          runbook: 'HerdQueueSlow',
        },
        {
          kind: 'lines',
          title: 'Queue: depth',
          description: 'Objects that are due.',
          unit: 'short',
          queries: [{ expr: 'max by (controller) (herd_operator_workqueue_depth)', legend: '{{controller}}' }],
          bad: { from: 100 },
          runbook: 'HerdQueueDeep',
        },
      ],
    },
    {
      title: 'API server',
      panels: [
        {
          kind: 'lines',
          title: 'Requests',
          description: 'A second, by verb and status; 0 is no answer.',
          unit: 'cps',
          queries: [{ expr: by('verb, code', 'herd_operator_kube_requests_total'), legend: '{{verb}} {{code}}' }],
          runbook: 'HerdAPIErrors',
        },
        {
          kind: 'lines',
          title: 'Requests by what they were of',
          description: 'A second, by verb and resource.',
          unit: 'cps',
          queries: [
            { expr: by('verb, resource', 'herd_operator_kube_requests_total'), legend: '{{verb}} {{resource}}' },
          ],
          runbook: 'HerdAPIErrors',
        },
        {
          kind: 'lines',
          title: 'Errors',
          description: 'Share of requests with no answer, 401, 403, 429 or 5xx.',
          unit: 'percentunit',
          queries: [{ expr: 'verb:herd_operator_kube_errors:ratio_rate5m', legend: '{{verb}}' }],
          bad: { from: 0.05 },
          runbook: 'HerdAPIErrors',
        },
        {
          kind: 'lines',
          title: 'Answer',
          description: 'Time to the first byte, 99th percentile.',
          unit: 's',
          queries: [{ expr: p99('verb', 'herd_operator_kube_request_duration_seconds'), legend: '{{verb}}' }],
          runbook: 'HerdAPIErrors',
        },
        {
          kind: 'lines',
          title: 'Watches that were begun anew, or ended with an error',
          description: 'An hour.',
          unit: 'short',
          queries: [
            {
              expr: 'sum by (resource, by) (increase(herd_operator_watch_begins_total[1h]))',
              legend: '{{resource}} begun by {{by}}',
            },
            {
              expr: 'sum by (resource) (increase(herd_operator_watch_errors_total[1h]))',
              legend: '{{resource}} error',
            },
          ],
          runbook: 'HerdWatchSilent',
        },
      ],
    },
    {
      title: 'Other clusters',
      panels: [
        {
          kind: 'lines',
          title: 'Reached',
          description: '1: the cluster that the Secret names answers. Nothing here if all Zones are in one cluster.',
          unit: 'bool_yes_no',
          queries: [
            {
              expr: 'max by (namespace, secret) (herd_operator_cluster_reachable)',
              legend: '{{namespace}}/{{secret}}',
            },
          ],
          bad: { from: 1, below: true },
          runbook: 'HerdClusterUnreachable',
          width: 24,
        },
      ],
    },
    {
      title: 'Process',
      panels: [
        {
          kind: 'lines',
          title: 'Processor',
          description: 'Cores in use.',
          unit: 'cores',
          queries: [{ expr: `instance:herd_process_cpu:rate5m{${process}}`, legend: '{{instance}}' }],
        },
        {
          kind: 'lines',
          title: 'Memory',
          description: 'Its pod may have 256 MiB.',
          unit: 'bytes',
          queries: [{ expr: `process_resident_memory_bytes{${process}}`, legend: '{{instance}}' }],
          bad: { from: 241_172_480 },
          runbook: 'HerdMemoryNearLimit',
        },
      ],
    },
  ],
};
