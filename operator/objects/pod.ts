/** The StatefulSet of one node: what all roles have in common. One replica each, since every node has its own identity. */
import type { V1StatefulSetSpec, V1VolumeProjection } from '@kubernetes/client-node';
import type { NodeResources, Placement } from '../api/fields.ts';
import type { Manifest } from '../kube/types.ts';
import {
  addressAnnotation,
  childMetadata,
  configHashAnnotation,
  nodeLabels,
  type Owner,
  type Role,
  roleLabels,
} from './labels.ts';
import { neighbours } from './neighbours.ts';

export interface NodePod {
  readonly owner: Owner;
  readonly zone: string;
  readonly role: Role;
  readonly id: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly placement: Placement;
  /** Asked for and granted alike (Guaranteed): who gets more when others get less has packets that tell of them. */
  readonly resources: NodeResources;
  readonly image: string;
  /** It has the network of its machine, and no other pod there may have its ports. */
  readonly onHost: boolean;
  readonly ports: readonly NodePort[];
  /** What is mounted as files into /etc/herd/keys. */
  readonly keys: readonly V1VolumeProjection[];
  readonly configHash: string;
  readonly updateStrategy: 'OnDelete' | 'RollingUpdate';
}

interface NodePort {
  readonly name: 'cells' | 'http' | 'metrics';
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

export type NodeStatefulSet = Manifest & { spec: V1StatefulSetSpec };

const uid = 65532;

/** The group lets a daemon read the mounted seeds, whose files nobody else may. */
export const asNobody = {
  runAsNonRoot: true,
  runAsUser: uid,
  runAsGroup: uid,
  fsGroup: uid,
  seccompProfile: { type: 'RuntimeDefault' },
};
/** As nodes/host/daemon.ts has it when it is not told otherwise. */
const graceSeconds = 45;

/** What a node knows of itself that changes while it runs. */
const address = { path: 'address', fieldRef: { fieldPath: `metadata.annotations['${addressAnnotation}']` } };

/**
 * A machine that the control plane can't reach may carry calls all the same, which would be lost when it is reached again
 * if its pods had been given up meanwhile; and nobody could have taken their place, since each is the only one of its name.
 */
const patience = ['not-ready', 'unreachable'].map((taint) => ({
  key: `node.kubernetes.io/${taint}`,
  operator: 'Exists' as const,
  effect: 'NoExecute' as const,
}));

const probe = (path: string) => ({ httpGet: { path, port: 'metrics' }, timeoutSeconds: 2 });

export function nodeStatefulSet(node: NodePod): NodeStatefulSet {
  const labels = { ...roleLabels(node.zone, node.role), ...nodeLabels(node.id) };
  const metadata = childMetadata(node.owner, node.id, labels);
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata,
    spec: {
      replicas: 1,
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: node.updateStrategy },
      selector: { matchLabels: nodeLabels(node.id) },
      template: {
        metadata: { labels: { ...metadata.labels }, annotations: { [configHashAnnotation]: node.configHash } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          dnsPolicy: 'Default', // nothing asks for a name
          // Whoever ends the pod without asking the operator lets its calls go elsewhere first.
          terminationGracePeriodSeconds: node.role === 'directory' ? 5 : graceSeconds + 15,
          nodeSelector: { ...node.nodeSelector },
          ...neighbours(node),
          tolerations: patience,
          ...(node.onHost ? { hostNetwork: true } : {}),
          securityContext: asNobody,
          containers: [
            {
              name: node.role,
              image: node.image,
              imagePullPolicy: 'IfNotPresent',
              args: [`nodes/${node.role}/main.ts`],
              // Where Prometheus and the kubelet ask; in the network of a machine not at its other addresses.
              env: [{ name: 'HERD_PROBES_ADDRESS', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
              ports: node.ports.map(({ name, port, protocol }) => ({
                name,
                containerPort: port,
                ...(node.onHost ? { hostPort: port } : {}),
                protocol,
              })),
              livenessProbe: { ...probe('/healthz'), periodSeconds: 10, failureThreshold: 3, initialDelaySeconds: 10 },
              readinessProbe: { ...probe('/readyz'), periodSeconds: 1 },
              resources: { requests: { ...node.resources }, limits: { ...node.resources } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [
                { name: 'config', mountPath: '/etc/herd/config', readOnly: true },
                { name: 'keys', mountPath: '/etc/herd/keys', readOnly: true },
                ...(node.role === 'directory' ? [] : [{ name: 'pod', mountPath: '/etc/herd/pod', readOnly: true }]),
              ],
            },
          ],
          volumes: [
            { name: 'config', configMap: { name: node.id } },
            ...(node.role === 'directory' ? [] : [{ name: 'pod', downwardAPI: { items: [address] } }]),
            { name: 'keys', projected: { defaultMode: 0o440, sources: [...node.keys] } },
          ],
        },
      },
    },
  };
}
