/**
 * What watches Herd, by the switch of the chart that installs it, `monitoring.NAME.enabled`; manifests/dist/monitoring.yaml
 * has it all. Not every cluster knows the Prometheus operator's kinds.
 */
import {
  dashboardConfigMaps,
  nodeMonitor,
  operatorMonitor,
  probeMonitor,
  prometheusRule,
} from '../monitoring/objects.ts';
import type { Manifest } from '../operator/kube/types.ts';

export const monitoring: Readonly<Record<string, readonly Manifest[]>> = {
  podMonitor: [nodeMonitor, probeMonitor],
  serviceMonitor: [operatorMonitor],
  prometheusRule: [prometheusRule()],
  dashboards: dashboardConfigMaps(),
};
