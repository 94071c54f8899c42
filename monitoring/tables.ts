/** docs/metrics.md, of what the code says of each metric. */
import { metricLines } from './exporters.ts';

const intro = `<!-- Made from the code by \`npm run monitoring\`. -->

# Metrics

Nodes serve \`/metrics\` on port \`metrics\` of their pods, as the operator does. Nodes and directories put \`role\` and
\`zone\` on each series; the operator's series have the label \`zone\` where they are about one.

What is not told, and why:

- **Nothing of a client, a circuit, a call or an address**, as a label or otherwise. A test holds the labels to a list
  (\`test/unit/monitoring/metrics.test.ts\`).
- **Voice and cover are one number.** What a node sends is constant by design: \`herd_node_configured_datagrams_per_second\` says how much
  it should be, and any deviation is a fault.
- **Blocking, channels in use and the use of a mesh link** are not told per node, nor are drops that only calls can cause: they would
  tell how many calls there are. That calls are refused shows in probe calls (\`herd_probe_calls_total\`), which are nobody's.
- \`queue_full\` and \`queue_standing\` among the reasons of drops are what a stall has piled up. On a mesh link only cells of calls
  wait, so a node that stalls tells that there were calls; neither whose nor how many.
- \`herd_node_places_taken\` changes when clients come and go, which whoever sees the node's wire knows too.

A client tells of probe calls when its configuration has \`probe: {contact, everySeconds, callSeconds}\`: it calls that contact, another
client, as often, and nobody else should talk over either. The chart has them as its value \`probes\` (\`charts/herd/README.md\`).

Scrape once a minute: what is finer says more of when something happened than anybody has to know. The rules ask for jobs that have
\`herd\` in their names, as the monitors of \`manifests/\` and \`charts/\` give them. They also make \`instance\` a pod's namespace and name: a node
is known by it in dashboards and alerts, and keeps it when it is started again at another address.
`;

export function metricsTable(): string {
  const lines = metricLines();
  const all = Math.max(...lines.map(({ by }) => by.length));
  const rows = lines.map(({ name, type, labels, by, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    by.length === all ? 'all' : by.join(', '),
    help,
  ]);
  return `${intro}\n${markdownTable(['metric', 'type', 'labels', 'of', 'what'], rows)}`;
}

/** As the formatter would have it. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[], fill = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!, fill)).join(' | ')} |\n`;
  return [
    line(head),
    line(
      head.map(() => ''),
      '-',
    ),
    ...rows.map((row) => line(row)),
  ].join('');
}
