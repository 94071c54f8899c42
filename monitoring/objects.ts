/**
 * What a cluster with the Prometheus operator, and a Grafana that reads ConfigMaps, is given to watch Herd.
 * Metrics are a side channel: nobody reads a node more often than once a minute.
 */
import { labels, operatorNamespace } from '../operator/install.ts';
import type { Manifest } from '../operator/kube/types.ts';
import { managedBy } from '../operator/objects/labels.ts';
import { dashboards } from './dashboards/index.ts';
import { dashboardJson } from './dashboards/panels.ts';
import { probeLabels } from './probe.ts';
import { defaultOptions, type RuleOptions, ruleGroups } from './rules.ts';

const apiVersion = 'monitoring.coreos.com/v1';
const metadata = (name: string) => ({ name, namespace: operatorNamespace, labels });
const podLabels = ['namespace', 'pod_name'].map((name) => `__meta_kubernetes_${name}`);
const endpoint = {
  port: 'metrics',
  interval: '60s',
  /** People know a node by its name and not by an address, and it keeps the name when it is started again. */
  relabelings: [{ sourceLabels: podLabels, separator: '/', targetLabel: 'instance' }],
};

/** What Prometheus reads, of its operator's kinds PodMonitor and ServiceMonitor. */
export interface Monitor extends Manifest {
  readonly spec: {
    readonly namespaceSelector?: { readonly any: true };
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly podMetricsEndpoints?: readonly Endpoint[];
    readonly endpoints?: readonly Endpoint[];
  };
}
export type Endpoint = typeof endpoint & { readonly honorLabels?: true };

/** All nodes' pods; their metrics bear zone and role. */
export const nodeMonitor: Monitor = {
  apiVersion,
  kind: 'PodMonitor',
  metadata: metadata('herd-nodes'),
  spec: {
    namespaceSelector: { any: true },
    selector: { matchLabels: { 'app.kubernetes.io/name': 'herd', 'app.kubernetes.io/managed-by': managedBy } },
    podMetricsEndpoints: [endpoint],
  },
};

/** Those of its own namespace, where the chart puts them. */
export const probeMonitor: Monitor = {
  apiVersion,
  kind: 'PodMonitor',
  metadata: metadata('herd-probes'),
  spec: { selector: { matchLabels: probeLabels }, podMetricsEndpoints: [endpoint] },
};

/** The label `namespace` of its metrics is that of which something is said. */
export const operatorMonitor: Monitor = {
  apiVersion,
  kind: 'ServiceMonitor',
  metadata: metadata('herd-operator'),
  spec: { selector: { matchLabels: labels }, endpoints: [{ ...endpoint, honorLabels: true }] },
};

export const monitors: readonly Monitor[] = [nodeMonitor, probeMonitor, operatorMonitor];

export function prometheusRule(options: RuleOptions = defaultOptions): Manifest & { spec: object } {
  return { apiVersion, kind: 'PrometheusRule', metadata: metadata('herd'), spec: { groups: ruleGroups(options) } };
}

/** The label is the one that Grafana's sidecar looks for; the folder, the annotation. */
export function dashboardConfigMaps({ runbooks }: RuleOptions = defaultOptions): (Manifest & { data: object })[] {
  return dashboards.map((dashboard) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      ...metadata(`${dashboard.uid}-dashboard`),
      labels: { ...labels, grafana_dashboard: '1' },
      annotations: { grafana_folder: 'Herd' },
    },
    data: { [`${dashboard.uid}.json`]: JSON.stringify(dashboardJson(dashboard, runbooks)) },
  }));
}
