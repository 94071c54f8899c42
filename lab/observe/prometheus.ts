/** Debian's Prometheus, which finds what it reads as the Prometheus operator would have it find it, with our rules. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Endpoint, type Monitor, monitors } from '../../monitoring/objects.ts';
import { isAlert, type RuleGroup, ruleGroups } from '../../monitoring/rules.ts';
import type { Kubectl } from '../calls/client.ts';
import { dieWithLab, startDaemon } from '../host/daemon.ts';
import type { Run } from '../host/run.ts';
import { waitFor } from '../host/wait.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { discover, type TargetFiles } from './discovery.ts';

const PORT = 9090;
const START_MS_MAX = 20_000;
const ANSWER_MS_MAX = 20_000;

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value as Prometheus writes it. */
  readonly values: readonly (readonly [number, string])[];
}

/** A part of time, in seconds since 1970, and how many seconds lie between two answers. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

export interface Target {
  readonly scrapePool: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
}

export class Prometheus {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** @throws {Error} with what Prometheus says of a query that it does not take */
  async #ask<T>(what: string, parameters: Record<string, string> = {}): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${what}?${new URLSearchParams(parameters)}`, {
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const answer = (await response.json()) as { data: T; error?: string };
    if (!response.ok) throw new Error(`Prometheus: ${answer.error ?? response.status} (${JSON.stringify(parameters)})`);
    return answer.data;
  }

  async range(query: string, { start, end, step }: Span): Promise<Series[]> {
    const span = { start: `${start}`, end: `${end}`, step: `${step}` };
    return (await this.#ask<{ result: Series[] }>('query_range', { query, ...span })).result;
  }

  async targets(): Promise<Target[]> {
    return (await this.#ask<{ activeTargets: Target[] }>('targets', { state: 'active' })).activeTargets;
  }
}

/** How often it reads and how long an alert is pending are divided by `pace`; windows of rules are what they are. */
export async function startPrometheus(
  run: Run,
  { controlPlane }: Cluster,
  kubectl: Kubectl,
  pace: number,
): Promise<Prometheus> {
  const folder = path.join(run.directory, 'prometheus');
  await mkdir(folder);
  const config = path.join(folder, 'prometheus.json');
  const rules = path.join(folder, 'rules.json');
  const files = { pods: path.join(folder, 'pods.json'), endpoints: path.join(folder, 'endpoints.json') };
  await discover(run, kubectl, files);
  await writeFile(rules, JSON.stringify({ groups: paced(ruleGroups(), pace) }));
  await writeFile(config, JSON.stringify(prometheusConfig(rules, files, pace)));
  // Beside the control plane, which is near to all regions and in none: whichever is parted, it stays.
  await startDaemon(run, 'prometheus', [
    ...dieWithLab,
    ...['nsenter', `--net=/run/netns/${controlPlane.netns}`, 'prometheus', `--config.file=${config}`],
    ...[`--storage.tsdb.path=${path.join(folder, 'data')}`, `--web.listen-address=0.0.0.0:${PORT}`],
  ]);
  const url = `http://${controlPlane.address}:${PORT}`;
  await waitFor(run, 'Prometheus', START_MS_MAX, async () => (await fetch(`${url}/-/ready`)).ok || undefined);
  return new Prometheus(url);
}

export const prometheusConfig = (rules: string, files: TargetFiles, pace: number): object => ({
  global: { scrape_interval: `${scrapeSeconds(pace)}s`, evaluation_interval: `${scrapeSeconds(pace)}s` },
  rule_files: [rules],
  scrape_configs: monitors.map((monitor) => scrape(monitor, files, pace)),
});

/** As monitors have it, at a run's pace. */
export const scrapeSeconds = (pace: number): number => Math.round(60 / pace);

export const pendingSeconds = (text: string | undefined, pace: number): number =>
  text === undefined ? 0 : Math.round((Number.parseInt(text, 10) * (text.endsWith('h') ? 3600 : 60)) / pace);

export const paced = (groups: readonly RuleGroup[], pace: number) =>
  groups.map(({ name, rules }) => ({
    name,
    rules: rules.map((rule) =>
      isAlert(rule) && rule.for !== undefined ? { ...rule, for: `${pendingSeconds(rule.for, pace)}s` } : rule,
    ),
  }));

/** What the Prometheus operator makes of a monitor. */
function scrape({ kind, metadata, spec }: Monitor, files: TargetFiles, pace: number): object {
  const isPods = kind === 'PodMonitor';
  const found: readonly Endpoint[] = (isPods ? spec.podMetricsEndpoints : spec.endpoints)!;
  const [endpoint] = found;
  const label = (text: string) => text.replace(/[^a-zA-Z0-9_]/g, '_');
  const meta = (name: string) => `__meta_kubernetes_${name}`;
  const labelled = isPods ? 'pod_label_' : 'service_label_';
  return {
    job_name: `${kind}/${metadata.namespace}/${metadata.name}`,
    scrape_timeout: `${Math.min(10, scrapeSeconds(pace))}s`,
    honor_labels: endpoint!.honorLabels === true,
    file_sd_configs: [{ files: [isPods ? files.pods : files.endpoints] }],
    relabel_configs: [
      ...(isPods ? [{ action: 'drop', source_labels: [meta('pod_phase')], regex: '(Failed|Succeeded)' }] : []),
      ...(spec.namespaceSelector
        ? []
        : [{ action: 'keep', source_labels: [meta('namespace')], regex: metadata.namespace! }]),
      ...Object.entries(spec.selector.matchLabels).map(([name, value]) => ({
        action: 'keep',
        source_labels: [meta(labelled + label(name))],
        regex: value,
      })),
      {
        action: 'keep',
        source_labels: [meta(isPods ? 'pod_container_port_name' : 'endpoint_port_name')],
        regex: endpoint!.port,
      },
      { source_labels: [meta('namespace')], target_label: 'namespace' },
      { source_labels: [meta('pod_name')], target_label: 'pod' },
      isPods
        ? { target_label: 'job', replacement: `${metadata.namespace}/${metadata.name}` }
        : { source_labels: [meta('service_name')], target_label: 'job' },
      ...endpoint!.relabelings.map(({ sourceLabels, separator, targetLabel }) => ({
        source_labels: sourceLabels,
        separator,
        target_label: targetLabel,
      })),
    ],
  };
}
