/**
 * A client that nobody talks over: it calls another at intervals, or only answers, and Prometheus hears how calls went
 * (nodes/client/probe.ts). The charts have one for each entry of the value `probes`.
 *
 * Its identity is its own, in a Secret that only whoever runs it makes: a contact follows from it, by which others call.
 */
import { createHash } from 'node:crypto';
import type { V1Container, V1PodSpec, V1PodTemplateSpec } from '@kubernetes/client-node';
import type { ClientConfig } from '../nodes/config/node.ts';
import type { Manifest } from '../operator/kube/types.ts';
import { configHashAnnotation } from '../operator/objects/labels.ts';
import { asNobody } from '../operator/objects/pod.ts';

export interface Probe {
  /** DNS label, of at most 50 letters. */
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  readonly zone: string;
  /** As in the Zone's status. */
  readonly directory: ClientConfig['directory'];
  /** Of the same namespace; its key `identity` is base64 of 32 random bytes. */
  readonly identitySecret: string;
  /** Where users of the zone are: it measures what is heard there. */
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** Undefined: it only answers. */
  readonly calls: ClientConfig['probe'] | undefined;
}

/** Beside the name of Herd, on all that is a probe's. */
export const probeLabels = { 'app.kubernetes.io/name': 'herd', 'app.kubernetes.io/component': 'probe' };
const probeLabel = 'herd.network/probe';
export const probeName = (name: string) => `herd-probe-${name}`;

const ports = { cells: 7000, metrics: 9100, control: 7800 };

/** A client's file `node.json`. */
export function clientFile(client: Pick<ClientConfig, 'id' | 'zone' | 'directory' | 'probe'>): { 'node.json': string } {
  const { cells, metrics, control } = ports;
  const config: ClientConfig = {
    role: 'client',
    ...client,
    listen: { port: cells },
    metrics: { port: metrics },
    control: { port: control },
  };
  return { 'node.json': JSON.stringify(config) };
}

const securityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
};
const resources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } };

/** What runs the image of all nodes as a client does: the same rights, for other programs of a client's pod as well. */
export const confined = (name: string, image: string, args: string[]): V1Container => ({
  name,
  image,
  args,
  securityContext,
  resources,
});

const asked = (path: string) => ({ httpGet: { path, port: ports.metrics }, timeoutSeconds: 2 });

/** A pod with a client, of a ConfigMap with its file and of a Secret with its identity. */
export function clientPod(image: string, configMap: string, identitySecret: string): V1PodSpec {
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // Nothing asks for a name.
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 2,
    securityContext: asNobody,
    containers: [
      {
        ...confined('client', image, ['nodes/client/main.ts']),
        ports: [{ name: 'metrics', containerPort: ports.metrics, protocol: 'TCP' }],
        readinessProbe: { ...asked('/readyz'), periodSeconds: 1 },
        // As nodes have it (operator/objects/pod.ts): on a busy machine a client takes more than ten seconds to start.
        livenessProbe: { ...asked('/healthz'), periodSeconds: 10, failureThreshold: 3, initialDelaySeconds: 10 },
        volumeMounts: [
          { name: 'config', mountPath: '/etc/herd/config', readOnly: true },
          { name: 'keys', mountPath: '/etc/herd/keys', readOnly: true },
          { name: 'tmp', mountPath: '/tmp' },
        ],
      },
    ],
    volumes: [
      { name: 'config', configMap: { name: configMap } },
      { name: 'keys', secret: { secretName: identitySecret, defaultMode: 0o440 } },
      { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
    ],
  };
}

export function probeObjects(probe: Probe): [Manifest & { data: object }, Manifest & { spec: object }] {
  const name = probeName(probe.name);
  const labels = { ...probeLabels, [probeLabel]: probe.name };
  const metadata = { name, namespace: probe.namespace, labels };
  const { zone, directory, calls } = probe;
  const data = clientFile({ id: name, zone, directory, ...(calls ? { probe: calls } : {}) });
  // The daemon reads its file once.
  const hash = createHash('sha256').update(data['node.json']).digest('hex');
  const template: V1PodTemplateSpec = {
    metadata: { labels, annotations: { [configHashAnnotation]: hash } },
    spec: { ...clientPod(probe.image, name, probe.identitySecret), nodeSelector: { ...probe.nodeSelector } },
  };
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      // Two with one identity would take each other's calls.
      spec: { replicas: 1, strategy: { type: 'Recreate' }, selector: { matchLabels: labels }, template },
    },
  ];
}
