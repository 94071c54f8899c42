import { chosen, type Dashboard } from './panels.ts';

const of = (name: string) => `${name}{${chosen.node}}`;
const rate = (name: string) => `rate(${of(name)}[$__rate_interval])`;
const node = '{{instance}}';

/** Utilization, saturation and errors of a process; what Figure 6 of the paper shows is its first row. */
export const nodes: Dashboard = {
  uid: 'herd-node',
  title: 'Herd / Node',
  description: 'Processes, one by one: what they use, what they send, what they lose.',
  choices: ['zone', 'role', 'instance'],
  rows: [
    {
      title: 'Use',
      panels: [
        {
          kind: 'lines',
          title: 'Processor',
          description: 'Cores in use, by the process itself and by the kernel for it.',
          unit: 'cores',
          queries: [
            { expr: rate('process_cpu_user_seconds_total'), legend: `${node} user` },
            { expr: rate('process_cpu_system_seconds_total'), legend: `${node} system` },
          ],
          stacked: true,
        },
        {
          kind: 'lines',
          title: 'Traffic',
          description: 'UDP payload, voice and cover alike. Sent and configured are one line when all is well.',
          unit: 'Bps',
          queries: [
            { expr: rate('herd_node_sent_bytes_total'), legend: `${node} sent` },
            { expr: of('herd_node_configured_bytes_per_second'), legend: `${node} configured` },
            { expr: rate('herd_node_received_bytes_total'), legend: `${node} received` },
          ],
          runbook: 'HerdRateDeviates',
        },
        {
          kind: 'lines',
          title: 'Datagrams',
          description: 'As above, counted.',
          unit: 'pps',
          queries: [
            { expr: rate('herd_node_sent_datagrams_total'), legend: `${node} sent` },
            { expr: of('herd_node_configured_datagrams_per_second'), legend: `${node} configured` },
            { expr: rate('herd_node_received_datagrams_total'), legend: `${node} received` },
          ],
          runbook: 'HerdRateDeviates',
        },
        {
          kind: 'lines',
          title: 'Memory',
          description: 'A pod may have 256 MiB.',
          unit: 'bytes',
          queries: [
            { expr: of('process_resident_memory_bytes'), legend: `${node} resident` },
            { expr: of('nodejs_heap_size_used_bytes'), legend: `${node} heap` },
            { expr: of('nodejs_external_memory_bytes'), legend: `${node} buffers` },
          ],
          bad: { from: 241_172_480 },
          runbook: 'HerdMemoryNearLimit',
        },
        {
          kind: 'lines',
          title: 'Clients and half-circuits',
          description: 'Places taken, and offered.',
          unit: 'short',
          queries: [
            { expr: of('herd_node_places_taken'), legend: `${node} taken` },
            { expr: of('herd_node_places_offered'), legend: `${node} offered` },
          ],
          runbook: 'HerdPlacesShort',
        },
        {
          kind: 'lines',
          title: 'Open files',
          description: 'Sockets among them; of as many as the process may have.',
          unit: 'percentunit',
          queries: [{ expr: `${of('process_open_fds')} / ${of('process_max_fds')}`, legend: node }],
        },
      ],
    },
    {
      title: 'Punctuality',
      panels: [
        {
          kind: 'lines',
          title: 'Late slots',
          description: 'Slots that went out more than 2 ms late or not at all.',
          unit: 'cps',
          queries: [{ expr: rate('herd_node_late_slots_total'), legend: node }],
          bad: { from: 0.05 },
          runbook: 'HerdLateSlots',
        },
        {
          kind: 'lines',
          title: 'Ticks',
          description: '50 a second, always.',
          unit: 'cps',
          queries: [{ expr: rate('herd_node_ticks_total'), legend: node }],
        },
        {
          kind: 'lines',
          title: 'Event loop',
          description: 'How late the control thread is; the data plane has a thread of its own.',
          unit: 's',
          queries: [
            { expr: of('nodejs_eventloop_lag_seconds'), legend: `${node} when asked` },
            { expr: of('nodejs_eventloop_lag_p99_seconds'), legend: `${node} p99` },
          ],
          bad: { from: 0.25 },
          runbook: 'HerdEventLoopLag',
        },
        {
          kind: 'lines',
          title: 'Garbage collection',
          description: 'Share of the time.',
          unit: 'percentunit',
          queries: [{ expr: `sum by (role, instance) (${rate('nodejs_gc_duration_seconds_sum')})`, legend: node }],
          runbook: 'HerdEventLoopLag',
        },
      ],
    },
    {
      title: 'Faults',
      panels: [
        {
          kind: 'lines',
          title: 'Drops by reason',
          description: 'What is hostile, broken or too much.',
          unit: 'pps',
          queries: [{ expr: `sum by (reason) (${rate('herd_node_drops_total')})`, legend: '{{reason}}' }],
          runbook: 'HerdNodeOverloaded',
        },
        {
          kind: 'lines',
          title: 'Dropped by the kernel',
          description: 'The socket’s buffer was full.',
          unit: 'pps',
          queries: [{ expr: rate('herd_node_socket_drops_total'), legend: node }],
          bad: { from: 1 },
          runbook: 'HerdSocketDrops',
        },
        {
          kind: 'lines',
          title: 'Links',
          description: 'Up, and asked for by the consensus.',
          unit: 'short',
          queries: [
            { expr: of('herd_node_links_up'), legend: `${node} up` },
            { expr: of('herd_node_links_expected'), legend: `${node} expected` },
          ],
          runbook: 'HerdLinksDown',
        },
        {
          kind: 'lines',
          title: 'Up for',
          description: 'Since the process started.',
          unit: 's',
          queries: [{ expr: `time() - ${of('process_start_time_seconds')}`, legend: node }],
          runbook: 'HerdProcessRestarts',
        },
      ],
    },
  ],
};
