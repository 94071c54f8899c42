import { chosen, type Dashboard } from './panels.ts';

const node = '{{instance}}';

export const keys: Dashboard = {
  uid: 'herd-keys',
  title: 'Herd / Keys and epochs',
  description: 'How old keys, epochs and views are, and when they end.',
  choices: ['zone'],
  rows: [
    {
      title: 'Now',
      panels: [
        {
          kind: 'figure',
          title: 'Consensus ends in',
          description: 'The first of all. Nodes refuse it then, and their zone ends.',
          unit: 's',
          queries: [
            {
              expr: `min(herd_node_consensus_expiry_timestamp_seconds{${chosen.zone}}) - time()`,
              legend: 'left',
            },
          ],
          bad: { from: 43_200, below: true },
          runbook: 'HerdEpochStuck',
          width: 8,
        },
        {
          kind: 'figure',
          title: 'Age of the epoch',
          description: 'The oldest of all zones.',
          unit: 's',
          queries: [{ expr: `max(zone:herd_epoch_age_seconds:max{${chosen.zone}})`, legend: 'age' }],
          bad: { from: 3600 },
          runbook: 'HerdEpochStuck',
          width: 8,
        },
        {
          kind: 'figure',
          title: 'Epochs behind',
          description: 'Between the first and the last node of a zone; 1 for some seconds when an epoch begins.',
          unit: 'short',
          queries: [
            {
              expr: `max(max by (zone) (herd_node_epoch{${chosen.zone}}) - min by (zone) (herd_node_epoch{${chosen.zone}}))`,
              legend: 'epochs',
            },
          ],
          bad: { from: 2 },
          runbook: 'HerdEpochBehind',
          width: 8,
        },
      ],
    },
    {
      title: 'Keys',
      panels: [
        {
          kind: 'lines',
          title: 'Until a successor is due',
          description: 'Of the first key of each kind, over all nodes and directories. Below 0 it is overdue.',
          unit: 's',
          queries: [
            {
              expr: 'max by (kind) (herd_operator_key_expiry_timestamp_seconds) - time()',
              legend: '{{kind}}',
            },
          ],
          bad: { from: 0, below: true },
          runbook: 'HerdKeyOverdue',
        },
        {
          kind: 'lines',
          title: 'Age of the oldest',
          description: 'Of all newest keys of a kind.',
          unit: 's',
          queries: [{ expr: 'time() - max by (kind) (herd_operator_key_made_timestamp_seconds)', legend: '{{kind}}' }],
          runbook: 'HerdKeyOverdue',
        },
        {
          kind: 'lines',
          title: 'Numbers of nodes’ keys',
          description: 'The newest that each node has read from its files.',
          unit: 'short',
          queries: [{ expr: `herd_node_key_number{${chosen.zone}}`, legend: `${node} {{key}}` }],
          runbook: 'HerdKeyOverdue',
        },
        {
          kind: 'lines',
          title: 'Numbers of signing keys',
          description:
            'Under which each zone’s documents are signed now; 0 is one that ends with the directory’s process.',
          unit: 'short',
          queries: [{ expr: `max by (zone) (herd_directory_signing_key_number{${chosen.zone}})`, legend: '{{zone}}' }],
        },
      ],
    },
    {
      title: 'Views',
      panels: [
        {
          kind: 'lines',
          title: 'Age of the view',
          description: 'Since the directory last answered with one that verified.',
          unit: 's',
          queries: [{ expr: `time() - herd_node_view_timestamp_seconds{${chosen.zone}}`, legend: node }],
          bad: { from: 60 },
          runbook: 'HerdDirectoryStale',
        },
        {
          kind: 'lines',
          title: 'Epoch',
          description: 'By which each node goes, from the newest of its zone.',
          unit: 'short',
          queries: [
            {
              expr: `max by (zone) (herd_node_epoch{${chosen.zone}}) - on (zone) group_right () herd_node_epoch{${chosen.zone}}`,
              legend: node,
            },
          ],
          bad: { from: 2 },
          runbook: 'HerdEpochBehind',
        },
      ],
    },
  ],
};
