/**
 * Everything that a cluster needs to have the operator, as data; run, it prints one List:
 *   node operator/install.ts --image IMAGE --node-image IMAGE [--namespaces a,b] | kubectl apply --server-side -f -
 * With --namespaces the operator watches those alone and elsewhere may only see which machines are cordoned; the namespaces
 * must exist.
 *
 * Or what a cluster needs besides, where a Zone of another cluster has nodes, which must have the operator too:
 *   node operator/install.ts --member NAMESPACE | kubectl apply --server-side -f -
 * How to make the kubeconfig of it that the Zone's cluster needs is told on stderr.
 */
import { parseArgs } from 'node:util';
import { admissionObjects } from './admission.ts';
import { customResourceDefinitions } from './api/schema.ts';
import { leaseName } from './config.ts';
import { clusterRules, memberRules, ownRules, type PolicyRule, watchedRules } from './kube/rbac.ts';
import type { Manifest } from './kube/types.ts';

export interface InstallOptions {
  readonly image: string;
  readonly nodeImage: string;
  /** Namespaces to watch; empty: all. */
  readonly namespaces: readonly string[];
}

export const operatorNamespace = 'herd-system';
const name = 'herd-operator';
/** Of the operator's pods and all else that is the operator's. */
export const labels = { 'app.kubernetes.io/name': 'herd', 'app.kubernetes.io/component': 'operator' };
const rbac = 'rbac.authorization.k8s.io';
const selfcheckName = 'herd-selfcheck';
const metricsPort = 9100;
/** Whose the roles are. */
const operator = { name, namespace: operatorNamespace, labels };

export function installObjects(options: InstallOptions): Manifest[] {
  return [
    ...customResourceDefinitions(),
    ...admissionObjects(labels),
    namespace(),
    networkPolicy(),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: operatorNamespace, labels } },
    ...role('Role', ownRules, operatorNamespace, `${name}-own`),
    ...role('ClusterRole', clusterRules, undefined, `${name}-machines`),
    ...watchedRoles(options.namespaces),
    service(),
    deployment(options),
  ];
}

export const homeAccount = 'herd-home';

/** In a member's namespace: who the operator of the Zone's cluster is here, and what it may do. */
export function memberObjects(inNamespace: string): Manifest[] {
  const account = { name: homeAccount, namespace: inNamespace, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account },
    ...role('Role', memberRules, inNamespace, homeAccount, account),
  ];
}

/** @param inNamespace a member's */
export const memberSteps = (inNamespace: string): string => `\
In this cluster make a kubeconfig of ServiceAccount ${homeAccount}. It lasts for 30 days: put another in its place before.

  server=$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}')
  kubectl get configmap kube-root-ca.crt -n ${inNamespace} -o jsonpath='{.data.ca\\.crt}' > ca.crt
  token=$(kubectl create token ${homeAccount} -n ${inNamespace} --duration=720h)
  config='kubectl config --kubeconfig=member.kubeconfig'
  $config set-cluster member --server="$server" --certificate-authority=ca.crt --embed-certs
  $config set-credentials home --token="$token"
  $config set-context member --cluster=member --user=home
  $config use-context member

In the Zone's cluster and namespace make of it the Secret that a region of the Zone names, now and every time:

  kubectl create secret generic NAME --from-file=kubeconfig=member.kubeconfig --dry-run=client -o yaml |
    kubectl apply --server-side -f -
`;

/** What the operator may do where Zones are; without namespaces: everywhere. */
export function watchedRoles(namespaces: readonly string[]): Manifest[] {
  return namespaces.length === 0
    ? role('ClusterRole', watchedRules, undefined, name)
    : namespaces.flatMap((n) => role('Role', watchedRules, n, name));
}

/** A pod that runs selfcheck.ts once, and its rights: to read the objects that it looks at. */
export function selfcheckObjects(image: string): Manifest[] {
  const own = {
    name: selfcheckName,
    namespace: operatorNamespace,
    labels: { ...labels, 'app.kubernetes.io/component': 'selfcheck' },
  };
  const crds = customResourceDefinitions().map(({ metadata }) => metadata.name);
  const crdRules = [
    {
      apiGroups: ['apiextensions.k8s.io'],
      resources: ['customresourcedefinitions'],
      resourceNames: crds,
      verbs: ['get'],
    },
  ];
  const leaseRules = [
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: [leaseName], verbs: ['get'] },
  ];
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: own },
    ...role('ClusterRole', crdRules, undefined, selfcheckName, own),
    ...role('Role', leaseRules, operatorNamespace, selfcheckName, own),
    selfcheckPod(image, own),
  ];
}

function namespace(): Manifest {
  const enforce = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: operatorNamespace, labels: { ...labels, ...enforce } },
  };
}

/** Nobody asks the operator for anything but its metrics and probes. */
function networkPolicy(): Manifest & { spec: object } {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name, namespace: operatorNamespace, labels },
    spec: {
      podSelector: { matchLabels: labels },
      policyTypes: ['Ingress'],
      ingress: [{ ports: [{ protocol: 'TCP', port: 'metrics' }] }],
    },
  };
}

function role(
  kind: 'ClusterRole' | 'Role',
  rules: readonly PolicyRule[],
  inNamespace: string | undefined,
  roleName: string,
  account = operator,
): Manifest[] {
  const metadata = {
    name: roleName,
    labels: { ...account.labels },
    ...(inNamespace ? { namespace: inNamespace } : {}),
  };
  const granted = { apiVersion: `${rbac}/v1`, kind, metadata, rules };
  const bound = {
    apiVersion: `${rbac}/v1`,
    kind: `${kind}Binding`,
    metadata,
    roleRef: { apiGroup: rbac, kind, name: roleName },
    subjects: [{ kind: 'ServiceAccount', name: account.name, namespace: account.namespace }],
  };
  return [granted, bound];
}

/** For who scrapes metrics, and the self-check: only ready operators answer. */
function service(): Manifest & { spec: object } {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: operatorNamespace, labels },
    spec: {
      selector: labels,
      ports: [{ name: 'metrics', port: metricsPort, targetPort: 'metrics', protocol: 'TCP' }],
    },
  };
}

const podSecurity = {
  runAsNonRoot: true,
  runAsUser: 65532,
  runAsGroup: 65532,
  seccompProfile: { type: 'RuntimeDefault' },
};
const containerSecurity = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

const fromField = (variable: string, fieldPath: string) => ({ name: variable, valueFrom: { fieldRef: { fieldPath } } });

function deployment({ image, nodeImage, namespaces }: InstallOptions): Manifest & { spec: object } {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: operatorNamespace, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: name,
          enableServiceLinks: false,
          dnsPolicy: 'Default', // nothing asks for a name
          terminationGracePeriodSeconds: 30,
          securityContext: podSecurity,
          containers: [
            {
              name: 'operator',
              image,
              imagePullPolicy: 'IfNotPresent',
              // A small heap rather than few collections: most of it is copies of the cluster's objects, which stay.
              args: ['--max-semi-space-size=8', '--heap-growing-percent=25', 'operator/main.ts'],
              env: [
                { name: 'HERD_NODE_IMAGE', value: nodeImage },
                { name: 'HERD_NAMESPACES', value: namespaces.join(',') },
                fromField('POD_NAME', 'metadata.name'),
                fromField('POD_NAMESPACE', 'metadata.namespace'),
              ],
              ports: [{ name: 'metrics', containerPort: metricsPort, protocol: 'TCP' }],
              livenessProbe: {
                httpGet: { path: '/healthz', port: 'metrics' },
                periodSeconds: 10,
                initialDelaySeconds: 10,
              },
              readinessProbe: { httpGet: { path: '/readyz', port: 'metrics' }, periodSeconds: 1 },
              resources: { requests: { cpu: '20m', memory: '96Mi' }, limits: { memory: '256Mi' } },
              securityContext: containerSecurity,
            },
          ],
        },
      },
    },
  };
}

function selfcheckPod(image: string, own: typeof operator): Manifest & { spec: object } {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: own,
    spec: {
      serviceAccountName: selfcheckName,
      restartPolicy: 'Never',
      dnsPolicy: 'Default',
      // The operator's Service is found by its variables: a cluster need not have DNS.
      enableServiceLinks: true,
      securityContext: podSecurity,
      containers: [
        {
          name: 'selfcheck',
          image,
          imagePullPolicy: 'IfNotPresent',
          args: ['operator/selfcheck.ts'],
          env: [fromField('POD_NAMESPACE', 'metadata.namespace')],
          resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '128Mi' } },
          securityContext: containerSecurity,
        },
      ],
    },
  };
}

const usage = `\
usage: node operator/install.ts --image IMAGE --node-image IMAGE [--namespaces a,b]
       node operator/install.ts --member NAMESPACE
`;
const print = (items: readonly Manifest[]) =>
  process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 1)}\n`);

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      image: { type: 'string' },
      'node-image': { type: 'string' },
      namespaces: { type: 'string', default: '' },
      member: { type: 'string' },
    },
  });
  const { image, 'node-image': nodeImage, namespaces, member } = values;
  if (member) {
    print(memberObjects(member));
    process.stderr.write(memberSteps(member));
  } else if (image && nodeImage) {
    print(installObjects({ image, nodeImage, namespaces: namespaces.split(',').filter((n) => n !== '') }));
  } else {
    process.stderr.write(usage);
    process.exit(2);
  }
}
