/**
 * What Prometheus records and alerts on, as data.
 *
 * What users notice is paged, by how fast it uses up its objective's budget of 30 days; causes are tickets. An alert says
 * zone, role and instance, and nothing of clients or calls, of which no metric tells.
 */

export interface RuleOptions {
  /** Where docs/runbooks/ can be read; ends with a slash. */
  readonly runbooks: string;
  /** As the Zones have it: an epoch that lasts four times as long is stuck. */
  readonly epochSeconds: number;
}

export const defaultOptions: RuleOptions = { runbooks: 'https://herd.network/docs/runbooks/', epochSeconds: 900 };

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>> & { readonly severity: 'page' | 'ticket' };
  readonly annotations: Readonly<Record<'summary' | 'description' | 'runbook_url', string>>;
}

export type Rule = RecordingRule | AlertingRule;

export interface RuleGroup {
  readonly name: string;
  readonly rules: readonly Rule[];
}

export const isAlert = (rule: Rule): rule is AlertingRule => 'alert' in rule;

/** Who is asked about an alert. */
const owner = 'herd';

/** Of a 30 days' budget: how many times faster than allowed it is used up, over both windows, before somebody is told. */
export const burnRates = [
  { long: '1h', short: '5m', factor: 14.4, severity: 'page' },
  { long: '6h', short: '30m', factor: 6, severity: 'page' },
  { long: '1d', short: '2h', factor: 3, severity: 'ticket' },
  { long: '3d', short: '6h', factor: 1, severity: 'ticket' },
] as const;

export const windows = [...new Set(burnRates.flatMap(({ long, short }) => [short, long]))];

/** What users are promised: the share of `ratio` that may be bad. */
export interface Objective {
  readonly alert: string;
  readonly budget: number;
  /** The recorded share of what was bad over a window. */
  readonly ratio: (window: string) => string;
  readonly summary: string;
  readonly description: string;
}

export const objectives: readonly Objective[] = [
  {
    alert: 'HerdProbeCallsFailing',
    budget: 0.01,
    ratio: (window) => `zone_peer_zone:herd_probe_failures:ratio_rate${window}`,
    summary: 'Calls from zone {{ $labels.zone }} to zone {{ $labels.peer_zone }} fail',
    description: '{{ $value | humanizePercentage }} of the probe calls have failed; 1% may.',
  },
  {
    alert: 'HerdDirectoryStale',
    budget: 0.005,
    ratio: (window) => `zone:herd_view_stale:avg${window}`,
    summary: 'Nodes of zone {{ $labels.zone }} hear nothing new from its directory',
    description:
      '{{ $value | humanizePercentage }} of the time a node’s view was older than a minute; 0.5% may. Nobody can join, drain or rotate keys.',
  },
  {
    alert: 'HerdReconcileStale',
    budget: 0.005,
    ratio: (window) => `fleet:herd_reconcile_stale:avg${window}`,
    summary: 'The operator does not reconcile Zones',
    description:
      '{{ $value | humanizePercentage }} of the time no Zone had been reconciled for 5 minutes; 0.5% may. Nothing is repaired.',
  },
];

/** Why users may notice something soon. Without `for` it is told at once. */
interface Cause {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly summary: string;
  readonly description: string;
}

const where = '{{ $labels.role }} {{ $labels.instance }} of zone {{ $labels.zone }}';
const percent = '{{ $value | humanizePercentage }}';

function probeCauses(): Cause[] {
  return [
    {
      alert: 'HerdProbeQualityPoor',
      expr: 'avg by (zone, peer_zone) (avg_over_time(herd_probe_mos[30m])) < 3.6',
      for: '15m',
      summary: 'Calls from zone {{ $labels.zone }} to zone {{ $labels.peer_zone }} sound poor',
      description:
        'The mean opinion score of probe calls is {{ $value | humanize }}; many users are dissatisfied below 3.6.',
    },
    {
      alert: 'HerdProbeGone',
      expr: `group by (zone, peer_zone) (herd_probe_calls_total offset 1h)
unless
group by (zone, peer_zone) (herd_probe_calls_total)`,
      for: '15m',
      summary: 'The probe from zone {{ $labels.zone }} to zone {{ $labels.peer_zone }} is gone',
      description: 'It told of calls an hour ago and does not now: whether calls work is not known.',
    },
  ];
}

function nodeCauses(): Cause[] {
  return [
    {
      alert: 'HerdTargetDown',
      expr: 'up{job=~".*herd.*"} == 0',
      for: '10m',
      summary: '{{ $labels.job }} {{ $labels.instance }} does not answer Prometheus',
      description: 'It is down, or its /metrics cannot be reached.',
    },
    {
      alert: 'HerdNodesNotScraped',
      expr: `max by (zone, role) (herd_operator_slots{state="Active"})
-
(
    count by (zone, role) (herd_node_ticks_total)
  or
    0 * max by (zone, role) (herd_operator_slots{state="Active"})
) > 0`,
      for: '15m',
      summary: 'Prometheus does not see all nodes of role {{ $labels.role }} of zone {{ $labels.zone }}',
      description: '{{ $value }} that the operator calls Active have no metrics.',
    },
    {
      alert: 'HerdLateSlots',
      expr: 'instance:herd_node_late_slots:ratio_rate5m > 0.001',
      for: '15m',
      summary: `Sending is late at ${where}`,
      description: `${percent} of the slots went out more than 2 ms late or not at all: whoever watches the wire sees load.`,
    },
    {
      alert: 'HerdSocketDrops',
      expr: 'rate(herd_node_socket_drops_total[10m]) > 0',
      for: '15m',
      summary: `The kernel drops datagrams at ${where}`,
      description: '{{ $value | humanize }} a second come faster than the process takes them.',
    },
    {
      alert: 'HerdNodeOverloaded',
      expr: 'sum by (zone, role, instance) (rate(herd_node_drops_total{reason=~"inbox_full|outbox_full|table_full"}[10m])) > 0',
      for: '15m',
      summary: `No room at ${where}`,
      description: '{{ $value | humanize }} datagrams a second find a ring or table full.',
    },
    {
      alert: 'HerdRateDeviates',
      expr: 'abs(instance:herd_node_sent_configured:ratio_rate5m - 1) > 0.05',
      for: '15m',
      summary: `The sending rate is not the configured one at ${where}`,
      description: `It is off by ${percent}. The rate is what hides calls: it must not depend on anything.`,
    },
    {
      alert: 'HerdLinksDown',
      expr: 'herd_node_links_up < herd_node_links_expected',
      for: '10m',
      summary: `Links are down at ${where}`,
      description: 'Only {{ $value }} of the links that the consensus asks for are up.',
    },
    {
      alert: 'HerdProcessRestarts',
      expr: 'changes(process_start_time_seconds{job=~".*herd.*"}[1h]) > 3',
      summary: '{{ $labels.job }} {{ $labels.instance }} starts again and again',
      description: '{{ $value }} times in the last hour.',
    },
    {
      alert: 'HerdEventLoopLag',
      expr: 'nodejs_eventloop_lag_p99_seconds{job=~".*herd.*"} > 0.25',
      for: '15m',
      summary: '{{ $labels.job }} {{ $labels.instance }} is slow to answer',
      description: 'Its event loop is {{ $value | humanizeDuration }} late, at the 99th percentile.',
    },
    {
      alert: 'HerdMemoryNearLimit',
      expr: 'process_resident_memory_bytes{job=~".*herd.*"} > 230 * 1024 * 1024',
      for: '10m',
      summary: '{{ $labels.job }} {{ $labels.instance }} is about to run out of memory',
      description: 'It has {{ $value | humanize1024 }}B of the 256 MiB that its pod may have.',
    },
    {
      alert: 'HerdVersionSkew',
      expr: 'count(count by (version) (herd_build_info)) > 1',
      for: '6h',
      summary: 'More than one version of Herd runs',
      description: '{{ $value }} versions have run beside each other for hours: an upgrade does not come to its end.',
    },
  ];
}

function zoneCauses({ epochSeconds }: RuleOptions): Cause[] {
  return [
    {
      alert: 'HerdZoneNotReady',
      expr: 'max by (zone) (herd_operator_zone_ready) == 0',
      for: '15m',
      summary: 'Zone {{ $labels.zone }} is not Ready',
      description: 'Its condition Ready says why.',
    },
    {
      alert: 'HerdNodesUnregistered',
      expr: 'max by (zone) (herd_directory_roster_nodes - herd_directory_registered_nodes) > 0',
      for: '15m',
      summary: 'Nodes of zone {{ $labels.zone }} are not in its consensus',
      description: '{{ $value }} of its roster do not renew their descriptors, or are expelled.',
    },
    {
      alert: 'HerdNodesUnanswered',
      expr: 'max by (zone, instance) (herd_directory_unanswered_nodes) > 0',
      for: '15m',
      summary: 'Nodes do not answer where they say they are',
      description:
        'The directory of zone {{ $labels.zone }} does not reach {{ $value }}; clients are sent elsewhere while there are others.',
    },
    {
      alert: 'HerdSuperpeerExpelled',
      expr: 'max by (zone, instance) (herd_directory_expelled_superpeers) > 0',
      summary: 'A superpeer was found to lie',
      description:
        'The directory of zone {{ $labels.zone }} leaves out {{ $value }}. A person decides whether one comes back.',
    },
    {
      alert: 'HerdPeerZoneMissing',
      expr: 'max by (zone) (herd_directory_peer_zones) - min by (zone) (herd_node_peer_zones) > 0',
      for: '15m',
      summary: 'Zone {{ $labels.zone }} has lost a peer zone',
      description: 'Nodes have no consensus of {{ $value }} of the zones that are its peers: no calls between them.',
    },
    {
      alert: 'HerdEpochBehind',
      expr: `(
  max by (zone) (herd_node_epoch)
  - on (zone) group_right ()
  herd_node_epoch
) > 1`,
      for: '5m',
      summary: `An old consensus at ${where}`,
      description: 'It is {{ $value }} epochs behind the others of its zone.',
    },
    {
      alert: 'HerdEpochStuck',
      expr: `zone:herd_epoch_age_seconds:max > ${4 * epochSeconds}`,
      for: '5m',
      summary: 'No new epoch begins in zone {{ $labels.zone }}',
      description: 'The current one has lasted {{ $value | humanizeDuration }}.',
    },
    {
      alert: 'HerdKeyOverdue',
      expr: 'time() - max by (kind) (herd_operator_key_expiry_timestamp_seconds) > 900',
      for: '5m',
      summary: 'A key of kind {{ $labels.kind }} was not succeeded in time',
      description: 'Its successor was due {{ $value | humanizeDuration }} ago.',
    },
    {
      alert: 'HerdDrainStuck',
      expr: 'max by (zone, reason) (herd_operator_slots_draining) > 0',
      for: '3h',
      summary: 'Nodes of zone {{ $labels.zone }} do not come to their end',
      description: '{{ $value }} have a reason to drain ({{ $labels.reason }}) and are still there.',
    },
    {
      alert: 'HerdPlacesShort',
      expr: 'zone:herd_places:ratio > 0.85',
      for: '30m',
      summary: 'Zone {{ $labels.zone }} is nearly full',
      description: `${percent} of its places are taken; who comes next may be refused.`,
    },
  ];
}

function operatorCauses(): Cause[] {
  return [
    {
      alert: 'HerdOperatorNoLeader',
      expr: '(sum(herd_operator_leader) or vector(0)) == 0',
      for: '5m',
      summary: 'No operator leads',
      description: 'None runs, none holds the lease, or none is scraped. What runs goes on; nothing is repaired.',
    },
    {
      alert: 'HerdClusterUnreachable',
      expr: 'max by (namespace, secret) (herd_operator_cluster_reachable) == 0',
      for: '15m',
      summary: 'The operator does not reach the cluster of Secret {{ $labels.namespace }}/{{ $labels.secret }}',
      description: 'What runs there goes on; nothing there is repaired, drained or upgraded.',
    },
    {
      alert: 'HerdReconcileErrors',
      expr: `sum by (controller) (rate(herd_operator_reconcile_total{result="error"}[15m]))
/
sum by (controller) (rate(herd_operator_reconcile_total[15m])) > 0.1`,
      for: '15m',
      summary: 'Reconciles of {{ $labels.controller }} fail',
      description: `${percent} of them end with an error.`,
    },
    {
      alert: 'HerdReconcileHangs',
      expr: 'max by (controller) (herd_operator_workqueue_longest_running_seconds) > 300',
      for: '5m',
      summary: 'A reconcile of {{ $labels.controller }} does not end',
      description: 'It has run for {{ $value | humanizeDuration }}.',
    },
    {
      alert: 'HerdQueueDeep',
      expr: 'max by (controller) (herd_operator_workqueue_depth) > 100',
      for: '15m',
      summary: 'The operator does not keep up with {{ $labels.controller }}',
      description: '{{ $value }} objects are due and wait.',
    },
    {
      alert: 'HerdQueueSlow',
      expr: 'histogram_quantile(0.99, sum by (controller, le) (rate(herd_operator_workqueue_queue_duration_seconds_bucket[15m]))) > 60',
      for: '15m',
      summary: 'Changes of {{ $labels.controller }} wait long for the operator',
      description: 'One in a hundred waits {{ $value | humanizeDuration }} or longer.',
    },
    {
      alert: 'HerdWatchSilent',
      expr: 'max by (resource) (herd_operator_watch_silent_seconds) > 300',
      for: '5m',
      summary: 'The operator hears nothing about {{ $labels.resource }}',
      description: 'The API server has said nothing for {{ $value | humanizeDuration }}, not even a bookmark.',
    },
    {
      alert: 'HerdAPIErrors',
      expr: 'verb:herd_operator_kube_errors:ratio_rate5m > 0.05',
      for: '15m',
      summary: 'The API server fails the operator ({{ $labels.verb }})',
      description: `${percent} of the requests got no answer, 401, 403, 429 or 5xx.`,
    },
  ];
}

function recordings(): RecordingRule[] {
  const probes = windows.map((window) => ({
    record: `zone_peer_zone:herd_probe_failures:ratio_rate${window}`,
    expr: `sum by (zone, peer_zone) (rate(herd_probe_calls_total{result="failure"}[${window}]))
/
sum by (zone, peer_zone) (rate(herd_probe_calls_total[${window}]))`,
  }));
  const averages = (stale: string) =>
    windows.map((window) => ({ record: `${stale}:avg${window}`, expr: `avg_over_time(${stale}:ratio[${window}])` }));
  return [
    ...probes,
    {
      record: 'zone:herd_view_stale:ratio',
      expr: 'avg by (zone) (time() - herd_node_view_timestamp_seconds > bool 60)',
    },
    ...averages('zone:herd_view_stale'),
    {
      record: 'fleet:herd_reconcile_stale:ratio',
      expr: `(
  time()
  - (max(herd_operator_reconcile_last_success_timestamp_seconds{controller="zone"}) or vector(0))
  > bool 300
)
and on ()
(count(herd_operator_zone_ready) > 0)`,
    },
    ...averages('fleet:herd_reconcile_stale'),
    {
      record: 'instance:herd_node_sent_configured:ratio_rate5m',
      // The rate of a counter that is younger than the window comes out too low, by as much as it is younger.
      expr: `rate(herd_node_sent_datagrams_total[5m]) / (avg_over_time(herd_node_configured_datagrams_per_second[5m]) > 0)
and
herd_node_sent_datagrams_total offset 5m`,
    },
    {
      record: 'instance:herd_node_late_slots:ratio_rate5m',
      expr: 'rate(herd_node_late_slots_total[5m]) / rate(herd_node_ticks_total[5m])',
    },
    {
      record: 'instance:herd_process_cpu:rate5m',
      expr: `(rate(process_cpu_user_seconds_total[5m]) + rate(process_cpu_system_seconds_total[5m]))
and on (job, instance)
herd_build_info`,
    },
    {
      record: 'zone_role:herd_node_sent_bytes:rate5m',
      expr: 'sum by (zone, role) (rate(herd_node_sent_bytes_total[5m]))',
    },
    {
      record: 'zone:herd_epoch_age_seconds:max',
      // A consensus is good for a day from the start of its epoch.
      expr: 'time() - (min by (zone) (herd_node_consensus_expiry_timestamp_seconds) - 86400)',
    },
    {
      record: 'zone:herd_places:ratio',
      expr: 'sum by (zone) (herd_node_places_taken{role="mix"}) / sum by (zone) (herd_node_places_offered{role="mix"})',
    },
    {
      record: 'verb:herd_operator_kube_errors:ratio_rate5m',
      // While none has failed there is no series that counts them.
      expr: `(
    sum by (verb) (rate(herd_operator_kube_requests_total{code=~"0|401|403|429|5.."}[5m]))
  or
    0 * sum by (verb) (rate(herd_operator_kube_requests_total[5m]))
)
/
sum by (verb) (rate(herd_operator_kube_requests_total[5m]))`,
    },
  ];
}

function burnAlerts({ runbooks }: RuleOptions): AlertingRule[] {
  return objectives.flatMap(({ alert, budget, ratio, summary, description }) =>
    burnRates.map(({ long, short, factor, severity }) => {
      const threshold = Number((factor * budget).toPrecision(6));
      return {
        alert,
        expr: `${ratio(long)} > ${threshold}\nand\n${ratio(short)} > ${threshold}`,
        labels: { severity, owner, window: long },
        annotations: { summary, description, runbook_url: `${runbooks}${alert}.md` },
      };
    }),
  );
}

const ticket =
  ({ runbooks }: RuleOptions) =>
  ({ summary, description, ...cause }: Cause): AlertingRule => ({
    ...cause,
    labels: { severity: 'ticket', owner },
    annotations: { summary, description, runbook_url: `${runbooks}${cause.alert}.md` },
  });

/** All of them; each group is a file of monitoring/rules/. */
export function ruleGroups(options: RuleOptions = defaultOptions): RuleGroup[] {
  const causes = (found: readonly Cause[]) => found.map(ticket(options));
  return [
    { name: 'herd-recordings', rules: recordings() },
    { name: 'herd-objectives', rules: burnAlerts(options) },
    { name: 'herd-probes', rules: causes(probeCauses()) },
    { name: 'herd-nodes', rules: causes(nodeCauses()) },
    { name: 'herd-zones', rules: causes(zoneCauses(options)) },
    { name: 'herd-operator', rules: causes(operatorCauses()) },
  ];
}
