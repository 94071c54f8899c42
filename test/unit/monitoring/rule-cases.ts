import { burnRates, objectives, windows } from '../../../monitoring/rules.ts';

/** Series as promtool writes them, a value a minute from time 0 on: "0+60x30" is 0, 60, 120, … 30 times more. */
export type Series = Readonly<Record<string, string>>;

/** What an alert must make of series: which of its labels fire at a time, with the value as the description has it. */
export interface AlertCase {
  readonly alert: string;
  readonly series: Series;
  readonly at: string;
  /** None: it must be silent. */
  readonly fires: readonly { readonly labels: Readonly<Record<string, string>>; readonly value?: string }[];
  /** A value every five minutes instead. */
  readonly slow?: true;
}

/** What a recording rule must make of them. */
export interface RecordCase {
  readonly record: string;
  readonly series: Series;
  readonly at: string;
  readonly samples: readonly { readonly labels: string; readonly value: number }[];
}

const MIX = 'role="mix",zone="eu",instance="a",job="herd/herd-nodes"';
const OF_MIX = { role: 'mix', zone: 'eu', instance: 'a', job: 'herd/herd-nodes' };
const OF_INSTANCE = { instance: 'a', job: 'herd/herd-nodes' };
const TO = 'zone="eu",peer_zone="na"';
const OF_TO = { zone: 'eu', peer_zone: 'na' };

/** The same series, with a value that makes the alert fire, and one that does not. */
function pair(
  alert: string,
  at: string,
  series: (value: string) => Series,
  fires: { readonly with: string; readonly labels: Readonly<Record<string, string>>; readonly value?: string },
  silentWith: string,
): AlertCase[] {
  const { labels, value } = fires;
  return [
    { alert, at, series: series(fires.with), fires: [{ labels, ...(value !== undefined && { value }) }] },
    { alert, at, series: series(silentWith), fires: [] },
  ];
}

/** A value every five minutes, for what takes hours. */
const slowly = (cases: readonly AlertCase[]): AlertCase[] => cases.map((one) => ({ ...one, slow: true }));

/** Of an objective: a share that is bad all the time, until `badMinutes` if that is given. */
function badFor(alert: string, share: number, badSteps: number, goodSteps = 0): Series {
  if (alert === 'HerdProbeCallsFailing') {
    const counts = (bad: number, good: number) => {
      const atBend = bad * badSteps;
      const after = goodSteps > 0 ? ` ${atBend + good}+${good}x${goodSteps - 1}` : '';
      return `0+${bad}x${badSteps}${after}`;
    };
    return {
      [`herd_probe_calls_total{${TO},result="failure"}`]: counts(share, 0),
      [`herd_probe_calls_total{${TO},result="success"}`]: counts(1 - share, 1),
    };
  }
  const values = `${share}+0x${badSteps}${goodSteps > 0 ? ` 0+0x${goodSteps - 1}` : ''}`;
  return alert === 'HerdDirectoryStale'
    ? { 'zone:herd_view_stale:ratio{zone="eu"}': values }
    : { 'fleet:herd_reconcile_stale:ratio': values };
}

const subjects: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  HerdProbeCallsFailing: OF_TO,
  HerdDirectoryStale: { zone: 'eu' },
  HerdReconcileStale: {},
};

const minutesOf = (window: string) =>
  Number.parseInt(window, 10) * ({ m: 1, h: 60, d: 1440 }[window.slice(-1)] ?? Number.NaN);

/** The share as humanizePercentage writes it: four significant digits. */
const percentOf = (share: number) => `${Number((share * 100).toPrecision(4))}%`;

/**
 * Each window of an objective: a share a little above its threshold makes it and all that are slower fire, and none
 * that is faster; it is silent again a short window after the end, while the long one is still above.
 */
function burnCases(): AlertCase[] {
  return objectives.flatMap(({ alert, budget }) => {
    const at = (share: number): AlertCase => ({
      alert,
      series: badFor(alert, share, 40),
      at: '40m',
      fires: burnRates
        .filter(({ factor }) => share > factor * budget)
        .map(({ long, severity }) => ({
          labels: { ...subjects[alert], severity, window: long },
          value: percentOf(share),
        })),
    });
    const recovered = burnRates.map(({ short, long }): AlertCase => {
      const badSteps = minutesOf(long) / (minutesOf(long) > 360 ? 60 : 5);
      const goodSteps = minutesOf(short) / 5 + 2;
      // All slower windows, whose short part still has the bad time in it, go on.
      const slower = burnRates.filter((other) => minutesOf(other.short) > minutesOf(short));
      return {
        alert,
        series: badFor(alert, 1, badSteps, goodSteps),
        at: `${5 * (badSteps + goodSteps)}m`,
        fires: slower.map(({ long: window, severity }) => ({
          labels: { ...subjects[alert], severity, window },
        })),
        slow: true,
      };
    });
    return [
      ...burnRates.flatMap(({ factor }) => [at(1.05 * factor * budget), at(0.95 * factor * budget)]),
      ...recovered,
    ];
  });
}

const histogram = (name: string, labels: string, counts: Readonly<Record<string, string>>): Series =>
  Object.fromEntries(Object.entries(counts).map(([le, values]) => [`${name}_bucket{${labels},le="${le}"}`, values]));

const causes: readonly AlertCase[][] = [
  pair(
    'HerdProbeQualityPoor',
    '60m',
    (mos) => ({ [`herd_probe_mos{${TO},instance="p"}`]: `${mos}+0x60` }),
    { with: '3.5', labels: OF_TO, value: '3.5' },
    '3.7',
  ),
  pair(
    'HerdProbeGone',
    '90m',
    (values) => ({ [`herd_probe_calls_total{${TO},result="success"}`]: values }),
    { with: '0+1x60 stale', labels: OF_TO },
    '0+1x90',
  ),
  pair(
    'HerdTargetDown',
    '15m',
    (up) => ({ 'up{job="herd/herd-nodes",instance="a"}': `${up}+0x15`, 'up{job="other",instance="b"}': '0+0x15' }),
    { with: '0', labels: OF_INSTANCE },
    '1',
  ),
  pair(
    'HerdNodesNotScraped',
    '20m',
    (nodes) => ({
      'herd_operator_slots{zone="eu",role="mix",state="Active",instance="o"}': `${nodes}+0x20`,
      [`herd_node_ticks_total{${MIX}}`]: '0+3000x20',
    }),
    { with: '3', labels: { zone: 'eu', role: 'mix' }, value: '2' },
    '1',
  ),
  [
    {
      alert: 'HerdNodesNotScraped',
      series: { 'herd_operator_slots{zone="eu",role="mix",state="Active",instance="o"}': '2+0x20' },
      at: '20m',
      fires: [{ labels: { zone: 'eu', role: 'mix' }, value: '2' }],
    },
  ],
  pair(
    'HerdLateSlots',
    '30m',
    (late) => ({
      [`herd_node_late_slots_total{${MIX}}`]: `0+${late}x30`,
      [`herd_node_ticks_total{${MIX}}`]: '0+3000x30',
    }),
    { with: '6', labels: OF_MIX, value: '0.2%' },
    '2',
  ),
  pair(
    'HerdSocketDrops',
    '30m',
    (drops) => ({ [`herd_node_socket_drops_total{${MIX}}`]: `0+${drops}x30` }),
    { with: '120', labels: OF_MIX, value: '2' },
    '0',
  ),
  pair(
    'HerdNodeOverloaded',
    '30m',
    (drops) => ({
      [`herd_node_drops_total{${MIX},reason="inbox_full"}`]: `0+${drops}x30`,
      [`herd_node_drops_total{${MIX},reason="bad_tag"}`]: '0+600x30',
    }),
    { with: '60', labels: { role: 'mix', zone: 'eu', instance: 'a' }, value: '1' },
    '0',
  ),
  ...['50', '40'].map((sent) =>
    pair(
      'HerdRateDeviates',
      '30m',
      (configured) => ({
        [`herd_node_sent_datagrams_total{${MIX}}`]: `0+${Number(sent) * 60}x30`,
        [`herd_node_configured_datagrams_per_second{${MIX}}`]: `${configured}+0x30`,
      }),
      sent === '50' ? { with: '40', labels: OF_MIX, value: '25%' } : { with: '50', labels: OF_MIX, value: '20%' },
      sent,
    ),
  ),
  pair(
    'HerdLinksDown',
    '15m',
    (up) => ({ [`herd_node_links_up{${MIX}}`]: `${up}+0x15`, [`herd_node_links_expected{${MIX}}`]: '5+0x15' }),
    { with: '4', labels: OF_MIX, value: '4' },
    '5',
  ),
  pair(
    'HerdProcessRestarts',
    '30m',
    (starts) => ({ [`process_start_time_seconds{${MIX}}`]: starts }),
    { with: '1 1 2 2 3 3 4 4 5+0x22', labels: OF_MIX, value: '4' },
    '1 1 2 2 3 3 4 4 4+0x22',
  ),
  pair(
    'HerdEventLoopLag',
    '30m',
    (lag) => ({ [`nodejs_eventloop_lag_p99_seconds{${MIX}}`]: `${lag}+0x30` }),
    { with: '2', labels: OF_MIX, value: '2s' },
    '0.1',
  ),
  pair(
    'HerdMemoryNearLimit',
    '20m',
    (bytes) => ({ [`process_resident_memory_bytes{${MIX}}`]: `${bytes}+0x20` }),
    { with: '251658240', labels: OF_MIX, value: '240Mi' },
    '104857600',
  ),
  slowly(
    pair(
      'HerdVersionSkew',
      '400m',
      (version) => ({
        'herd_build_info{instance="a",version="1"}': '1+0x80',
        [`herd_build_info{instance="b",version="${version}"}`]: '1+0x80',
      }),
      { with: '2', labels: {} },
      '1',
    ),
  ),
  pair(
    'HerdZoneNotReady',
    '20m',
    (ready) => ({ 'herd_operator_zone_ready{zone="eu",instance="o"}': `${ready}+0x20` }),
    { with: '0', labels: { zone: 'eu' } },
    '1',
  ),
  pair(
    'HerdNodesUnregistered',
    '20m',
    (registered) => ({
      'herd_directory_roster_nodes{zone="eu",role="directory",instance="d"}': '5+0x20',
      'herd_directory_registered_nodes{zone="eu",role="directory",instance="d"}': `${registered}+0x20`,
    }),
    { with: '3', labels: { zone: 'eu' }, value: '2' },
    '5',
  ),
  pair(
    'HerdNodesUnanswered',
    '20m',
    (unanswered) => ({ 'herd_directory_unanswered_nodes{zone="eu",instance="d"}': `${unanswered}+0x20` }),
    { with: '2', labels: { zone: 'eu', instance: 'd' }, value: '2' },
    '0',
  ),
  pair(
    'HerdSuperpeerExpelled',
    '5m',
    (expelled) => ({ 'herd_directory_expelled_superpeers{zone="eu",instance="d"}': `${expelled}+0x5` }),
    { with: '1', labels: { zone: 'eu', instance: 'd' }, value: '1' },
    '0',
  ),
  pair(
    'HerdPeerZoneMissing',
    '20m',
    (known) => ({
      'herd_directory_peer_zones{zone="eu",instance="d"}': '3+0x20',
      [`herd_node_peer_zones{${MIX}}`]: `${known}+0x20`,
    }),
    { with: '2', labels: { zone: 'eu' }, value: '1' },
    '3',
  ),
  pair(
    'HerdEpochBehind',
    '10m',
    (epoch) => ({
      [`herd_node_epoch{${MIX}}`]: `${epoch}+0x10`,
      'herd_node_epoch{role="mix",zone="eu",instance="b",job="herd/herd-nodes"}': '9+0x10',
    }),
    { with: '6', labels: OF_MIX, value: '3' },
    '8',
  ),
  pair(
    'HerdEpochStuck',
    '90m',
    (begun) => ({ [`herd_node_consensus_expiry_timestamp_seconds{${MIX}}`]: `${begun}+0x90` }),
    { with: '86400', labels: { zone: 'eu' }, value: '1h 30m 0s' },
    '89400',
  ),
  pair(
    'HerdKeyOverdue',
    '60m',
    (due) => ({ 'herd_operator_key_expiry_timestamp_seconds{kind="link",instance="o"}': `${due}+0x60` }),
    { with: '1800', labels: { kind: 'link' }, value: '30m 0s' },
    '3000',
  ),
  slowly(
    pair(
      'HerdDrainStuck',
      '200m',
      (draining) => ({ 'herd_operator_slots_draining{zone="eu",reason="Outdated",instance="o"}': draining }),
      { with: '1+0x40', labels: { zone: 'eu', reason: 'Outdated' } },
      '1+0x20 stale',
    ),
  ),
  pair(
    'HerdPlacesShort',
    '40m',
    (taken) => ({
      [`herd_node_places_taken{${MIX}}`]: `${taken}+0x40`,
      [`herd_node_places_offered{${MIX}}`]: '100+0x40',
    }),
    { with: '90', labels: { zone: 'eu' }, value: '90%' },
    '80',
  ),
  pair(
    'HerdOperatorNoLeader',
    '10m',
    (leader) => ({ 'herd_operator_leader{instance="o"}': `${leader}+0x10` }),
    { with: '0', labels: {} },
    '1',
  ),
  [{ alert: 'HerdOperatorNoLeader', series: { other: '1+0x10' }, at: '10m', fires: [{ labels: {} }] }],
  pair(
    'HerdClusterUnreachable',
    '20m',
    (reachable) => ({
      'herd_operator_cluster_reachable{namespace="herd",secret="na",instance="o"}': `${reachable}+0x20`,
    }),
    { with: '0', labels: { namespace: 'herd', secret: 'na' } },
    '1',
  ),
  pair(
    'HerdReconcileErrors',
    '40m',
    (errors) => ({
      'herd_operator_reconcile_total{controller="zone",result="error",instance="o"}': `0+${errors}x40`,
      'herd_operator_reconcile_total{controller="zone",result="success",instance="o"}': '0+6x40',
    }),
    { with: '2', labels: { controller: 'zone' }, value: '25%' },
    '0',
  ),
  pair(
    'HerdReconcileHangs',
    '15m',
    (seconds) => ({ 'herd_operator_workqueue_longest_running_seconds{controller="slot",instance="o"}': seconds }),
    { with: '0+60x15', labels: { controller: 'slot' }, value: '15m 0s' },
    '1+0x15',
  ),
  pair(
    'HerdQueueDeep',
    '20m',
    (depth) => ({ 'herd_operator_workqueue_depth{controller="slot",instance="o"}': `${depth}+0x20` }),
    { with: '150', labels: { controller: 'slot' }, value: '150' },
    '3',
  ),
  pair(
    'HerdQueueSlow',
    '40m',
    (quick) =>
      histogram('herd_operator_workqueue_queue_duration_seconds', 'controller="slot",instance="o"', {
        '10': `0+${quick}x40`,
        '60': `0+${quick}x40`,
        '300': '0+60x40',
        '+Inf': '0+60x40',
      }),
    { with: '0', labels: { controller: 'slot' }, value: '4m 57s' },
    '60',
  ),
  pair(
    'HerdWatchSilent',
    '15m',
    (seconds) => ({ 'herd_operator_watch_silent_seconds{resource="zones",instance="o"}': seconds }),
    { with: '0+60x15', labels: { resource: 'zones' }, value: '15m 0s' },
    '40+0x15',
  ),
  pair(
    'HerdAPIErrors',
    '30m',
    (errors) => ({
      'herd_operator_kube_requests_total{verb="get",code="500",instance="o"}': `0+${errors}x30`,
      'herd_operator_kube_requests_total{verb="get",code="200",instance="o"}': '0+9x30',
      'herd_operator_kube_requests_total{verb="get",code="404",instance="o"}': '0+30x30',
    }),
    { with: '13', labels: { verb: 'get' }, value: '25%' },
    '1',
  ),
];

export const alertCases: readonly AlertCase[] = [...burnCases(), ...causes.flat()];

const perWindow: readonly RecordCase[] = windows.flatMap((window) => [
  {
    record: `zone_peer_zone:herd_probe_failures:ratio_rate${window}`,
    series: {
      [`herd_probe_calls_total{${TO},result="failure",instance="p"}`]: '0+1x40',
      [`herd_probe_calls_total{${TO},result="success",instance="p"}`]: '0+3x40',
    },
    at: '40m',
    samples: [{ labels: TO, value: 0.25 }],
  },
  {
    record: `zone:herd_view_stale:avg${window}`,
    series: { 'zone:herd_view_stale:ratio{zone="eu"}': '0.5+0x40' },
    at: '40m',
    samples: [{ labels: 'zone="eu"', value: 0.5 }],
  },
  {
    record: `fleet:herd_reconcile_stale:avg${window}`,
    series: { 'fleet:herd_reconcile_stale:ratio': '0.5+0x40' },
    at: '40m',
    samples: [{ labels: '', value: 0.5 }],
  },
]);

const reconciled = (seconds: string): Series => ({
  'herd_operator_reconcile_last_success_timestamp_seconds{controller="zone",instance="o"}': seconds,
  'herd_operator_reconcile_last_success_timestamp_seconds{controller="slot",instance="o"}': '0+60x40',
});

export const recordCases: readonly RecordCase[] = [
  ...perWindow,
  {
    // One heard a minute ago or less, one never.
    record: 'zone:herd_view_stale:ratio',
    series: {
      'herd_node_view_timestamp_seconds{zone="eu",instance="a"}': '0+60x10',
      'herd_node_view_timestamp_seconds{zone="eu",instance="b"}': '0+0x10',
    },
    at: '10m',
    samples: [{ labels: 'zone="eu"', value: 0.5 }],
  },
  ...(
    [
      ['0+60x40', 0],
      ['0+0x40', 1],
    ] as const
  ).map(([seconds, value]) => ({
    record: 'fleet:herd_reconcile_stale:ratio',
    series: { ...reconciled(seconds), 'herd_operator_zone_ready{zone="eu",instance="o"}': '1+0x40' },
    at: '40m',
    samples: [{ labels: '', value }],
  })),
  {
    // Without a Zone there is nothing to reconcile.
    record: 'fleet:herd_reconcile_stale:ratio',
    series: reconciled('0+0x40'),
    at: '40m',
    samples: [],
  },
  {
    record: 'instance:herd_node_sent_configured:ratio_rate5m',
    series: {
      [`herd_node_sent_datagrams_total{${MIX}}`]: '0+3000x10',
      [`herd_node_configured_datagrams_per_second{${MIX}}`]: '100+0x10',
    },
    at: '10m',
    samples: [{ labels: MIX, value: 0.5 }],
  },
  {
    record: 'instance:herd_node_sent_configured:ratio_rate5m',
    // It has just started, and sends all that it should.
    series: {
      [`herd_node_sent_datagrams_total{${MIX}}`]: '_x8 0+6000x2',
      [`herd_node_configured_datagrams_per_second{${MIX}}`]: '_x8 100+0x2',
    },
    at: '10m',
    samples: [],
  },
  {
    record: 'instance:herd_node_late_slots:ratio_rate5m',
    series: {
      [`herd_node_late_slots_total{${MIX}}`]: '0+750x10',
      [`herd_node_ticks_total{${MIX}}`]: '0+3000x10',
    },
    at: '10m',
    samples: [{ labels: MIX, value: 0.25 }],
  },
  {
    // Whose process is not Herd's does not count.
    record: 'instance:herd_process_cpu:rate5m',
    series: {
      [`process_cpu_user_seconds_total{${MIX}}`]: '0+30x10',
      [`process_cpu_system_seconds_total{${MIX}}`]: '0+15x10',
      [`herd_build_info{${MIX},version="1"}`]: '1+0x10',
      'process_cpu_user_seconds_total{job="other",instance="b"}': '0+30x10',
      'process_cpu_system_seconds_total{job="other",instance="b"}': '0+30x10',
    },
    at: '10m',
    samples: [{ labels: MIX, value: 0.75 }],
  },
  {
    record: 'zone_role:herd_node_sent_bytes:rate5m',
    series: {
      [`herd_node_sent_bytes_total{${MIX}}`]: '0+60000x10',
      'herd_node_sent_bytes_total{role="mix",zone="eu",instance="b"}': '0+120000x10',
    },
    at: '10m',
    samples: [{ labels: 'role="mix",zone="eu"', value: 3000 }],
  },
  {
    record: 'zone:herd_epoch_age_seconds:max',
    series: {
      [`herd_node_consensus_expiry_timestamp_seconds{${MIX}}`]: '86400+0x10',
      'herd_node_consensus_expiry_timestamp_seconds{role="mix",zone="eu",instance="b"}': '86700+0x10',
    },
    at: '10m',
    samples: [{ labels: 'zone="eu"', value: 600 }],
  },
  {
    record: 'zone:herd_places:ratio',
    series: {
      [`herd_node_places_taken{${MIX}}`]: '25+0x10',
      [`herd_node_places_offered{${MIX}}`]: '100+0x10',
      'herd_node_places_taken{role="superpeer",zone="eu",instance="s"}': '25+0x10',
      'herd_node_places_offered{role="superpeer",zone="eu",instance="s"}': '25+0x10',
    },
    at: '10m',
    samples: [{ labels: 'zone="eu"', value: 0.25 }],
  },
  {
    record: 'verb:herd_operator_kube_errors:ratio_rate5m',
    series: {
      'herd_operator_kube_requests_total{verb="get",code="0",instance="o"}': '0+15x10',
      'herd_operator_kube_requests_total{verb="get",code="200",instance="o"}': '0+30x10',
      'herd_operator_kube_requests_total{verb="get",code="409",instance="o"}': '0+15x10',
    },
    at: '10m',
    samples: [{ labels: 'verb="get"', value: 0.25 }],
  },
  {
    record: 'verb:herd_operator_kube_errors:ratio_rate5m',
    series: { 'herd_operator_kube_requests_total{verb="get",code="200",instance="o"}': '0+30x10' },
    at: '10m',
    samples: [{ labels: 'verb="get"', value: 0 }],
  },
];
