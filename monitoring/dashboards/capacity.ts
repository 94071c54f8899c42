import { chosen, type Dashboard } from './panels.ts';

/** What a month has, 30 days. */
const monthSeconds = 2_592_000;
/** IPv4 and UDP in front of each datagram: what providers charge for. */
const headerBytes = 28;
const onWire = (zones: string) =>
  `sum by (${zones}) (rate(herd_node_sent_bytes_total{${chosen.zone}}[$__rate_interval]) + ${headerBytes} * rate(herd_node_sent_datagrams_total{${chosen.zone}}[$__rate_interval]))`;

export const capacity: Dashboard = {
  uid: 'herd-capacity',
  title: 'Herd / Capacity and cost',
  description: 'How full the zones are, what they carry, and what that costs at the prices given above.',
  choices: ['zone'],
  prices: [
    { name: 'egress_price', label: '$ per GB sent', default: '0.09' },
    { name: 'core_price', label: '$ per core and hour', default: '0.04' },
  ],
  rows: [
    {
      title: 'Capacity',
      panels: [
        {
          kind: 'lines',
          title: 'Places taken, of those offered',
          description: 'At the mixes.',
          unit: 'percentunit',
          queries: [{ expr: `zone:herd_places:ratio{${chosen.zone}}`, legend: '{{zone}}' }],
          bad: { from: 0.85 },
          runbook: 'HerdPlacesShort',
        },
        {
          kind: 'lines',
          title: 'Places',
          description: 'A client takes as many as it has attachments.',
          unit: 'short',
          queries: [
            {
              expr: `sum by (zone, role) (herd_node_places_offered{${chosen.zone}})`,
              legend: '{{zone}} {{role}} offered',
            },
            { expr: `sum by (zone, role) (herd_node_places_taken{${chosen.zone}})`, legend: '{{zone}} {{role}} taken' },
          ],
          runbook: 'HerdPlacesShort',
        },
        {
          kind: 'lines',
          title: 'Channels',
          description: 'Carried by superpeers.',
          unit: 'short',
          queries: [
            { expr: `sum by (zone) (herd_node_channels{${chosen.zone},role="superpeer"})`, legend: '{{zone}}' },
          ],
        },
        {
          kind: 'lines',
          title: 'Processor',
          description: 'Cores in use by role; a mix, rendezvous or superpeer can use little more than one.',
          unit: 'cores',
          queries: [
            {
              expr: `sum by (zone, role) (instance:herd_process_cpu:rate5m{${chosen.zone},role!=""})`,
              legend: '{{zone}} {{role}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Cost',
      panels: [
        {
          kind: 'figure',
          title: 'Traffic in 30 days',
          description: 'What is sent now, with headers, for a month.',
          unit: 'decbytes',
          queries: [{ expr: `sum(${onWire('zone')}) * ${monthSeconds}`, legend: 'sent' }],
          width: 6,
        },
        {
          kind: 'figure',
          title: 'Cost of traffic in 30 days',
          description: 'At the price per GB given above.',
          unit: 'currencyUSD',
          queries: [{ expr: `sum(${onWire('zone')}) * ${monthSeconds} / 1e9 * $egress_price`, legend: 'traffic' }],
          width: 6,
        },
        {
          kind: 'figure',
          title: 'Cost of processor in 30 days',
          description: 'Of the cores in use, not of those that machines have.',
          unit: 'currencyUSD',
          queries: [
            {
              expr: `sum(instance:herd_process_cpu:rate5m{${chosen.zone},role!=""}) * ${monthSeconds / 3600} * $core_price`,
              legend: 'processor',
            },
          ],
          width: 6,
        },
        {
          kind: 'figure',
          title: 'Traffic for one place in 30 days',
          description: 'Of the whole zone, over the places that are taken at its mixes.',
          unit: 'decbytes',
          queries: [
            {
              expr: `sum(${onWire('zone')}) * ${monthSeconds} / (sum(herd_node_places_taken{${chosen.zone},role="mix"}) > 0)`,
              legend: 'per place',
            },
          ],
          width: 6,
        },
        {
          kind: 'lines',
          title: 'Sent on the wire',
          description: 'With headers, by zone and role.',
          unit: 'Bps',
          queries: [{ expr: onWire('zone, role'), legend: '{{zone}} {{role}}' }],
          stacked: true,
          width: 24,
        },
      ],
    },
  ],
};
