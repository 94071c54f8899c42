import type { Dashboard } from './panels.ts';

const pair = '{{zone}} → {{peer_zone}}';

/** What users notice first, then what there is. */
export const fleet: Dashboard = {
  uid: 'herd-fleet',
  title: 'Herd / Fleet',
  description: 'Do calls work, and is everything there? Calls are those of probes: users’ are counted nowhere.',
  choices: ['zone'],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'figure',
          title: 'Probe calls that fail',
          description: 'Share of the last hour.',
          unit: 'percentunit',
          queries: [
            { expr: 'max(zone_peer_zone:herd_probe_failures:ratio_rate1h{zone=~"$zone"})', legend: 'worst pair' },
          ],
          bad: { from: 0.01 },
          runbook: 'HerdProbeCallsFailing',
        },
        {
          kind: 'figure',
          title: 'Opinion score',
          description: 'Of the worst pair’s last probe call; 4.4 is as good as a telephone gets.',
          unit: 'short',
          queries: [{ expr: 'min(herd_probe_mos{zone=~"$zone"})', legend: 'worst pair' }],
          bad: { from: 3.6, below: true },
          runbook: 'HerdProbeQualityPoor',
        },
        {
          kind: 'figure',
          title: 'Zones not Ready',
          description: 'Of those that the operator has.',
          unit: 'short',
          queries: [
            {
              expr: 'count(max by (zone) (herd_operator_zone_ready{zone=~"$zone"}) == 0) or vector(0)',
              legend: 'zones',
            },
          ],
          bad: { from: 1 },
          runbook: 'HerdZoneNotReady',
        },
        {
          kind: 'figure',
          title: 'Alerts that fire',
          description: 'Herd’s own.',
          unit: 'short',
          queries: [{ expr: 'count(ALERTS{alertname=~"Herd.*",alertstate="firing"}) or vector(0)', legend: 'alerts' }],
          bad: { from: 1 },
        },
        {
          kind: 'figure',
          title: 'Processes that answer',
          description: 'Share of what Prometheus should reach.',
          unit: 'percentunit',
          queries: [{ expr: 'avg(up{job=~".*herd.*"})', legend: 'up' }],
          bad: { from: 1, below: true },
          runbook: 'HerdTargetDown',
        },
        {
          kind: 'figure',
          title: 'Versions',
          description: 'More than one while an upgrade is on its way.',
          unit: 'short',
          queries: [{ expr: 'count(count by (version) (herd_build_info))', legend: 'versions' }],
          bad: { from: 2 },
          runbook: 'HerdVersionSkew',
        },
      ],
    },
    {
      title: 'Probe calls',
      panels: [
        {
          kind: 'lines',
          title: 'Calls by result',
          description: 'How many a second, and what came of them.',
          unit: 'cps',
          queries: [
            {
              expr: 'sum by (zone, peer_zone, result) (rate(herd_probe_calls_total{zone=~"$zone"}[$__rate_interval]))',
              legend: `${pair} {{result}}`,
            },
          ],
          runbook: 'HerdProbeCallsFailing',
        },
        {
          kind: 'lines',
          title: 'Set-up',
          description: 'From dialling to the answer, 99th percentile.',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (zone, peer_zone, le) (rate(herd_probe_setup_seconds_bucket{zone=~"$zone"}[1h])))',
              legend: pair,
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Mouth to ear',
          description: 'Network, packetization and playout buffer. Above 0.25 s people begin to talk over each other.',
          unit: 's',
          queries: [
            { expr: 'max by (zone, peer_zone) (herd_probe_one_way_delay_seconds{zone=~"$zone"})', legend: pair },
          ],
          bad: { from: 0.25 },
          runbook: 'HerdProbeQualityPoor',
        },
        {
          kind: 'lines',
          title: 'Loss',
          description: 'Frames that were lost or late.',
          unit: 'percentunit',
          queries: [{ expr: 'max by (zone, peer_zone) (herd_probe_loss_ratio{zone=~"$zone"})', legend: pair }],
          bad: { from: 0.03 },
          runbook: 'HerdProbeQualityPoor',
        },
        {
          kind: 'lines',
          title: 'Since the last good call',
          description: 'The probe’s interval, if all is well.',
          unit: 's',
          queries: [
            {
              expr: 'time() - max by (zone, peer_zone) (herd_probe_last_success_timestamp_seconds{zone=~"$zone"})',
              legend: pair,
            },
          ],
          runbook: 'HerdProbeGone',
        },
        {
          kind: 'lines',
          title: 'What directory and operator owe',
          description:
            'Share of the last hour in which views were older than a minute, or no Zone was reconciled for 5 minutes.',
          unit: 'percentunit',
          queries: [
            { expr: 'zone:herd_view_stale:avg1h{zone=~"$zone"}', legend: 'views of {{zone}}' },
            { expr: 'fleet:herd_reconcile_stale:avg1h', legend: 'reconciles' },
          ],
          bad: { from: 0.005 },
          runbook: 'HerdDirectoryStale',
        },
      ],
    },
    {
      title: 'What there is',
      panels: [
        {
          kind: 'lines',
          title: 'Nodes by state',
          description: 'As the operator has them.',
          unit: 'short',
          queries: [
            {
              expr: 'sum by (state) (max by (zone, role, state) (herd_operator_slots{zone=~"$zone"}))',
              legend: '{{state}}',
            },
          ],
          stacked: true,
        },
        {
          kind: 'lines',
          title: 'Nodes in the consensus, of those in the roster',
          description: 'Less than all: some do not renew, or are expelled.',
          unit: 'percentunit',
          queries: [
            {
              expr: 'max by (zone) (herd_directory_registered_nodes{zone=~"$zone"} / herd_directory_roster_nodes{zone=~"$zone"})',
              legend: '{{zone}}',
            },
          ],
          bad: { from: 1, below: true },
          runbook: 'HerdNodesUnregistered',
        },
        {
          kind: 'lines',
          title: 'Sent by zone',
          description: 'UDP payload. A flat line is health: it changes with nodes and clients, never with calls.',
          unit: 'Bps',
          queries: [
            { expr: 'sum by (zone) (zone_role:herd_node_sent_bytes:rate5m{zone=~"$zone"})', legend: '{{zone}}' },
          ],
        },
        {
          kind: 'lines',
          title: 'Processes by version',
          description: 'Of all roles.',
          unit: 'short',
          queries: [{ expr: 'count by (version) (herd_build_info)', legend: '{{version}}' }],
          stacked: true,
        },
      ],
    },
  ],
};
