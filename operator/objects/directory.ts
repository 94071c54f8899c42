/** Kubernetes objects of a zone's directory: its Service has to exist before anything else can be told its address. */
import { isIPv6 } from 'node:net';
import type { V1ServiceSpec } from '@kubernetes/client-node';
import type { Region, Zone } from '../api/zone.ts';
import type { Manifest } from '../kube/types.ts';
import { configHash, configMap, type DirectoryConfig, ports, type ServedZone } from './config.ts';
import {
  childMetadata,
  type Owner,
  regionSelector,
  roleLabels,
  roleName,
  rootSecretName,
  signingSecretName,
} from './labels.ts';
import { nodeStatefulSet } from './pod.ts';
import { seedKey } from './secret.ts';

const ownerOf = (zone: Zone): Owner => ({ kind: 'Zone', metadata: zone.metadata });

export function directoryService(zone: Zone): Manifest & { spec: V1ServiceSpec } {
  const labels = roleLabels(zone.metadata.name, 'directory');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: childMetadata(ownerOf(zone), roleName(zone.metadata.name, 'directory'), labels),
    spec: {
      type: 'ClusterIP',
      selector: labels,
      ports: [{ name: 'http', port: ports.directory, targetPort: 'http', protocol: 'TCP' }],
    },
  };
}

export const selectorOf = ({ name, nodeSelector }: Region) => nodeSelector ?? regionSelector(name);

/** By address, not by name: a cluster need not have DNS. */
export function directoryURL(clusterIP: string): string {
  return `http://${isIPv6(clusterIP) ? `[${clusterIP}]` : clusterIP}:${ports.directory}`;
}

export interface DirectoryInput {
  readonly zone: Zone;
  readonly id: string;
  readonly served: readonly ServedZone[];
  /** Root public key of every served zone, in the order of served. */
  readonly rootKeys: readonly string[];
  readonly image: string;
}

export function directoryObjects({ zone, id, served, rootKeys, image }: DirectoryInput) {
  const owner = ownerOf(zone);
  const config: DirectoryConfig = {
    role: 'directory',
    id,
    listen: { port: ports.directory },
    metrics: { port: ports.metrics },
    epochSeconds: zone.spec.epochSeconds,
    zones: served,
  };
  const statefulSet = nodeStatefulSet({
    owner,
    zone: zone.metadata.name,
    role: 'directory',
    id,
    nodeSelector: selectorOf(zone.spec.regions[0]!),
    placement: zone.spec.placement,
    // It waits most of the time, but everybody waits for it to start.
    resources: { cpu: '500m', memory: '256Mi' },
    image,
    // Behind its Service: it is asked over HTTP and sends nothing at a constant rate.
    onHost: false,
    ports: [
      { name: 'http', port: ports.directory, protocol: 'TCP' },
      { name: 'metrics', port: ports.metrics, protocol: 'TCP' },
    ],
    keys: served.flatMap(({ zone: name }) => [
      { secret: { name: rootSecretName(name), items: [{ key: seedKey.root, path: name }] } },
      { secret: { name: signingSecretName(name) } },
    ]),
    // The configuration is read again when it changes, all but the epochs.
    configHash: configHash(rootKeys, config.epochSeconds),
    updateStrategy: 'RollingUpdate',
  });
  return { configMap: configMap(owner, zone.metadata.name, config), statefulSet, podHash: configHash(config) };
}
