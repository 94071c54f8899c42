import { chosen, type Dashboard } from './panels.ts';

const node = '{{instance}}';

export const zone: Dashboard = {
  uid: 'herd-zone',
  title: 'Herd / Zone',
  description: 'One zone or several: its nodes, its directory, its links to others.',
  choices: ['zone'],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'figure',
          title: 'Ready',
          description: 'The Zone’s condition.',
          unit: 'bool_yes_no',
          queries: [{ expr: `min(herd_operator_zone_ready{${chosen.zone}})`, legend: 'ready' }],
          bad: { from: 1, below: true },
          runbook: 'HerdZoneNotReady',
        },
        {
          kind: 'figure',
          title: 'Age of the oldest view',
          description: 'Nodes ask their directory every 3 s.',
          unit: 's',
          queries: [{ expr: `time() - min(herd_node_view_timestamp_seconds{${chosen.zone}})`, legend: 'age' }],
          bad: { from: 60 },
          runbook: 'HerdDirectoryStale',
        },
        {
          kind: 'figure',
          title: 'Links down',
          description: 'Of all that the consensus asks for.',
          unit: 'short',
          queries: [
            {
              expr: `sum(herd_node_links_expected{${chosen.zone}}) - sum(herd_node_links_up{${chosen.zone}})`,
              legend: 'links',
            },
          ],
          bad: { from: 1 },
          runbook: 'HerdLinksDown',
        },
        {
          kind: 'figure',
          title: 'Places taken',
          description: 'Of those that the mixes offer.',
          unit: 'percentunit',
          queries: [{ expr: `max(zone:herd_places:ratio{${chosen.zone}})`, legend: 'taken' }],
          bad: { from: 0.85 },
          runbook: 'HerdPlacesShort',
        },
        {
          kind: 'figure',
          title: 'Peer zones',
          description: 'Of which the nodes have a consensus; the least of all nodes.',
          unit: 'short',
          queries: [{ expr: `min(herd_node_peer_zones{${chosen.zone}})`, legend: 'known' }],
          runbook: 'HerdPeerZoneMissing',
        },
        {
          kind: 'figure',
          title: 'Nodes that are to end',
          description: 'Retired, cordoned, outdated or asked to drain.',
          unit: 'short',
          queries: [
            {
              expr: `sum(max by (zone, reason) (herd_operator_slots_draining{${chosen.zone}})) or vector(0)`,
              legend: 'nodes',
            },
          ],
          runbook: 'HerdDrainStuck',
        },
      ],
    },
    {
      title: 'Nodes',
      panels: [
        {
          kind: 'lines',
          title: 'Slots by role and state',
          description: 'As the operator has them.',
          unit: 'short',
          queries: [
            {
              expr: `max by (zone, role, state) (herd_operator_slots{${chosen.zone}})`,
              legend: '{{zone}} {{role}} {{state}}',
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Roster',
          description:
            'Nodes in the roster, those of them in the consensus, those that do not answer; peers that the configuration names.',
          unit: 'short',
          queries: [
            { expr: `max by (zone) (herd_directory_roster_nodes{${chosen.zone}})`, legend: '{{zone}} roster' },
            { expr: `max by (zone) (herd_directory_registered_nodes{${chosen.zone}})`, legend: '{{zone}} registered' },
            { expr: `max by (zone) (herd_directory_peer_zones{${chosen.zone}})`, legend: '{{zone}} peers' },
            { expr: `max by (zone) (herd_directory_unanswered_nodes{${chosen.zone}})`, legend: '{{zone}} unanswered' },
          ],
          runbook: 'HerdNodesUnregistered',
        },
        {
          kind: 'lines',
          title: 'Sent, of what should be sent',
          description: 'One, always: the rate is what hides calls.',
          unit: 'percentunit',
          queries: [{ expr: `instance:herd_node_sent_configured:ratio_rate5m{${chosen.zone}}`, legend: node }],
          runbook: 'HerdRateDeviates',
        },
        {
          kind: 'lines',
          title: 'Late slots',
          description: 'Share of slots that went out more than 2 ms late or not at all.',
          unit: 'percentunit',
          queries: [{ expr: `instance:herd_node_late_slots:ratio_rate5m{${chosen.zone}}`, legend: node }],
          bad: { from: 0.001 },
          runbook: 'HerdLateSlots',
        },
      ],
    },
    {
      title: 'Links',
      panels: [
        {
          kind: 'lines',
          title: 'Links down by node',
          description: 'Expected and not up.',
          unit: 'short',
          queries: [
            { expr: `herd_node_links_expected{${chosen.zone}} - herd_node_links_up{${chosen.zone}}`, legend: node },
          ],
          bad: { from: 1 },
          runbook: 'HerdLinksDown',
        },
        {
          kind: 'lines',
          title: 'Mesh rates',
          description: 'Cells a second on every link to a node of that zone; changes with epochs only.',
          unit: 'pps',
          queries: [
            {
              expr: `max by (zone, peer_zone) (herd_node_mesh_cells_per_second{${chosen.zone}})`,
              legend: '{{zone}} → {{peer_zone}}',
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Drops by reason',
          description: 'What is hostile, broken or too much. Reasons that only calls can cause are not told.',
          unit: 'pps',
          queries: [
            {
              expr: `sum by (reason) (rate(herd_node_drops_total{${chosen.zone}}[$__rate_interval]))`,
              legend: '{{reason}}',
            },
          ],
          runbook: 'HerdNodeOverloaded',
        },
        {
          kind: 'lines',
          title: 'Dropped by the kernel',
          description: 'The socket’s buffer was full.',
          unit: 'pps',
          queries: [{ expr: `rate(herd_node_socket_drops_total{${chosen.zone}}[$__rate_interval])`, legend: node }],
          bad: { from: 1 },
          runbook: 'HerdSocketDrops',
        },
      ],
    },
  ],
};
