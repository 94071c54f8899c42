import { chosen, type Dashboard } from './panels.ts';

const of = (name: string) => `${name}{${chosen.zone},role="superpeer"}`;

export const superpeers: Dashboard = {
  uid: 'herd-superpeers',
  title: 'Herd / Superpeers',
  description: 'The untrusted part: who is admitted, what they carry, and what mixes have found out about them.',
  choices: ['zone'],
  rows: [
    {
      title: 'Trust',
      panels: [
        {
          kind: 'figure',
          title: 'Expelled',
          description: 'Left out of the consensus since a mix has proved that they lie.',
          unit: 'short',
          queries: [{ expr: `sum(herd_directory_expelled_superpeers{${chosen.zone}})`, legend: 'superpeers' }],
          bad: { from: 1 },
          runbook: 'HerdSuperpeerExpelled',
          width: 8,
        },
        {
          kind: 'figure',
          title: 'Ready',
          description: 'Superpeers whose condition Ready is True.',
          unit: 'short',
          queries: [
            {
              expr: `sum(max by (zone) (herd_operator_superpeers{${chosen.zone},reason="Ready"})) or vector(0)`,
              legend: 'superpeers',
            },
          ],
          width: 8,
        },
        {
          kind: 'figure',
          title: 'All',
          description: 'Superpeer resources.',
          unit: 'short',
          queries: [
            {
              expr: `sum(max by (zone, reason) (herd_operator_superpeers{${chosen.zone}})) or vector(0)`,
              legend: 'superpeers',
            },
          ],
          width: 8,
        },
        {
          kind: 'lines',
          title: 'By reason',
          description: 'The reason of the condition Ready.',
          unit: 'short',
          queries: [
            {
              expr: `max by (zone, reason) (herd_operator_superpeers{${chosen.zone}})`,
              legend: '{{zone}} {{reason}}',
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Audits',
          description: 'That mixes have begun, an hour.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (zone) (increase(herd_node_audits_total{${chosen.zone},role="mix"}[1h]))`,
              legend: '{{zone}}',
            },
          ],
        },
        {
          kind: 'lines',
          title: 'Findings',
          description: 'Guilty: a superpeer lies. Jams: a client does. Doubtful: it was not to be known. An hour.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (zone, reason) (increase(herd_node_audit_findings_total{${chosen.zone},role="mix"}[1h]))`,
              legend: '{{zone}} {{reason}}',
            },
          ],
          runbook: 'HerdSuperpeerExpelled',
        },
      ],
    },
    {
      title: 'Load: the paper’s Figure 6',
      panels: [
        {
          kind: 'lines',
          title: 'Clients',
          description: 'Places taken on each.',
          unit: 'short',
          queries: [{ expr: of('herd_node_places_taken'), legend: '{{instance}}' }],
        },
        {
          kind: 'lines',
          title: 'Channels',
          description: 'That the consensus gives to each.',
          unit: 'short',
          queries: [{ expr: of('herd_node_channels'), legend: '{{instance}}' }],
        },
        {
          kind: 'lines',
          title: 'Processor',
          description: 'Cores in use.',
          unit: 'cores',
          queries: [{ expr: of('instance:herd_process_cpu:rate5m'), legend: '{{instance}}' }],
        },
        {
          kind: 'lines',
          title: 'Traffic',
          description: 'UDP payload, sent and received.',
          unit: 'Bps',
          queries: [
            { expr: `rate(${of('herd_node_sent_bytes_total')}[$__rate_interval])`, legend: '{{instance}} sent' },
            {
              expr: `rate(${of('herd_node_received_bytes_total')}[$__rate_interval])`,
              legend: '{{instance}} received',
            },
          ],
        },
      ],
    },
  ],
};
