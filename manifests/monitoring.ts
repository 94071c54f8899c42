/**
 * Objects of the Prometheus operator, which not every cluster knows: manifests/dist/monitoring.yaml has them all, and in
 * the chart each name here is a switch, `monitoring.NAME.enabled`. This is the place to add others.
 * Metrics are a side channel: nobody reads a node more often than once a minute.
 */
import { labels, operatorNamespace } from '../operator/install.ts';
import type { Manifest } from '../operator/kube/types.ts';
import { managedBy } from '../operator/objects/labels.ts';

const apiVersion = 'monitoring.coreos.com/v1';
const metadata = (name: string) => ({ name, namespace: operatorNamespace, labels });
const endpoint = { port: 'metrics', interval: '60s' };

/** Their metrics bear zone and role. */
const nodes: Manifest & { spec: object } = {
  apiVersion,
  kind: 'PodMonitor',
  metadata: metadata('herd-nodes'),
  spec: {
    namespaceSelector: { any: true },
    selector: { matchLabels: { 'app.kubernetes.io/name': 'herd', 'app.kubernetes.io/managed-by': managedBy } },
    podMetricsEndpoints: [endpoint],
  },
};

const operator: Manifest & { spec: object } = {
  apiVersion,
  kind: 'ServiceMonitor',
  metadata: metadata('herd-operator'),
  spec: { selector: { matchLabels: labels }, endpoints: [endpoint] },
};

export const monitoring: Readonly<Record<string, readonly Manifest[]>> = {
  podMonitor: [nodes],
  serviceMonitor: [operator],
};
