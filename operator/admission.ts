/**
 * What a pod may be in a namespace of nodes. They have the network of their machine, for which the Pod Security Standard
 * `restricted` gives no leave, so such a namespace has to be `privileged`; this policy asks for all else that `restricted`
 * does (kubernetes.io/docs/concepts/security/pod-security-standards). Who may make pods there still gets no privileges.
 */
import type { Manifest } from './kube/types.ts';

/** Namespaces that the policy is for. */
export const nodesNamespace = { 'herd.network/nodes': 'true' };

/** Of a namespace whose nodes have the network of their machine. */
export const hostNamespace = { ...nodesNamespace, 'pod-security.kubernetes.io/enforce': 'privileged' };

interface Ban {
  readonly expression: string;
  /** Names the field. */
  readonly message: string;
}

const volumes = [
  ...['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret'],
];
const seLinuxTypes = ['', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t'];

/** Of the pod and of all containers: `it` is a security context. */
const everywhere = (condition: string) => `([variables.pod] + variables.contexts).all(it, ${condition})`;
const containers = (condition: string) => `variables.contexts.all(it, ${condition})`;
const field = (path: string, otherwise: string) => `it.?${path.replaceAll('.', '.?')}.orValue(${otherwise})`;
const noHost = (probe: string) =>
  ['httpGet', 'tcpSocket'].map((by) => `c.?${probe}.?${by}.?host.orValue('') == ''`).join(' && ');

const bans: readonly Ban[] = [
  { expression: '!object.spec.?hostPID.orValue(false)', message: 'spec.hostPID must not be true' },
  { expression: '!object.spec.?hostIPC.orValue(false)', message: 'spec.hostIPC must not be true' },
  {
    expression: `object.spec.?volumes.orValue([]).all(v, ${volumes.map((kind) => `has(v.${kind})`).join(' || ')})`,
    message: `spec.volumes[*] must be of ${volumes.join(', ')}, not of hostPath or another`,
  },
  {
    expression: everywhere(`!${field('windowsOptions.hostProcess', 'false')}`),
    message: 'securityContext.windowsOptions.hostProcess must not be true',
  },
  {
    expression: containers(`!${field('privileged', 'false')}`),
    message: 'spec.containers[*].securityContext.privileged must not be true',
  },
  {
    expression: containers(`!${field('allowPrivilegeEscalation', 'true')}`),
    message: 'spec.containers[*].securityContext.allowPrivilegeEscalation must be false',
  },
  {
    expression: containers(`'ALL' in ${field('capabilities.drop', '[]')}`),
    message: 'spec.containers[*].securityContext.capabilities.drop must have ALL',
  },
  {
    expression: containers(`${field('capabilities.add', '[]')}.all(added, added == 'NET_BIND_SERVICE')`),
    message: 'spec.containers[*].securityContext.capabilities.add may have NET_BIND_SERVICE alone',
  },
  {
    expression: containers(field('runAsNonRoot', 'variables.pod.?runAsNonRoot.orValue(false)')),
    message: 'spec.securityContext.runAsNonRoot must be true, and no container’s may be false',
  },
  {
    expression: everywhere(`${field('runAsUser', '1')} != 0`),
    message: 'spec.securityContext.runAsUser must not be 0, nor that of spec.containers[*]',
  },
  {
    expression: [
      containers(
        `${field('seccompProfile.type', "variables.pod.?seccompProfile.?type.orValue('')")} in ['RuntimeDefault', 'Localhost']`,
      ),
      everywhere(`${field('seccompProfile.type', "''")} != 'Unconfined'`),
    ].join(' && '),
    message:
      'spec.securityContext.seccompProfile.type must be RuntimeDefault or Localhost, or that of spec.containers[*]',
  },
  {
    expression: containers(`${field('procMount', "'Default'")} == 'Default'`),
    message: 'spec.containers[*].securityContext.procMount must be Default',
  },
  {
    expression: [
      everywhere(`${field('appArmorProfile.type', "'RuntimeDefault'")} != 'Unconfined'`),
      `object.metadata.?annotations.orValue({}).all(name, !name.startsWith('container.apparmor.security.beta.kubernetes.io/') || object.metadata.annotations[name] != 'unconfined')`,
    ].join(' && '),
    message: 'securityContext.appArmorProfile.type must not be Unconfined',
  },
  {
    expression: everywhere(
      `${field('seLinuxOptions.type', "''")} in ${JSON.stringify(seLinuxTypes)} && ${field('seLinuxOptions.user', "''")} == '' && ${field('seLinuxOptions.role', "''")} == ''`,
    ),
    message: 'securityContext.seLinuxOptions may have the type of a container, and neither user nor role',
  },
  {
    // Some are safe in a network of the pod's own; here they would be the machine's.
    expression: 'size(variables.pod.?sysctls.orValue([])) == 0',
    message: 'spec.securityContext.sysctls must be empty',
  },
  {
    expression: `variables.containers.all(c, ${['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle.?postStart', 'lifecycle.?preStop'].map(noHost).join(' && ')})`,
    message: 'spec.containers[*].livenessProbe.httpGet.host must be empty, and so in every other probe and hook',
  },
];

const name = 'herd-nodes';
const admission = 'admissionregistration.k8s.io/v1';

export function admissionObjects(labels: Record<string, string>): (Manifest & { spec: object })[] {
  const pods = (operation: string, resource: string) => ({
    apiGroups: [''],
    apiVersions: ['v1'],
    operations: [operation],
    resources: [resource],
  });
  const lists = ['containers', 'initContainers', 'ephemeralContainers'];
  const variables = [
    { name: 'containers', expression: lists.map((of) => `object.spec.?${of}.orValue([])`).join(' + ') },
    { name: 'pod', expression: 'object.spec.?securityContext.orValue({})' },
    { name: 'contexts', expression: 'variables.containers.map(c, c.?securityContext.orValue({}))' },
    // All at once: of several validations the API server tells of one.
    {
      name: 'problems',
      expression: bans.map((ban) => `(${ban.expression} ? [] : [${JSON.stringify(ban.message)}])`).join(' + '),
    },
  ];
  const spec = {
    failurePolicy: 'Fail',
    matchConstraints: { resourceRules: [pods('CREATE', 'pods'), pods('UPDATE', 'pods/ephemeralcontainers')] },
    variables,
    validations: [{ expression: 'size(variables.problems) == 0', messageExpression: "variables.problems.join('; ')" }],
  };
  const binding = {
    policyName: name,
    validationActions: ['Deny'],
    matchResources: { namespaceSelector: { matchLabels: nodesNamespace } },
  };
  const metadata = { name, labels };
  return [
    { apiVersion: admission, kind: 'ValidatingAdmissionPolicy', metadata, spec },
    { apiVersion: admission, kind: 'ValidatingAdmissionPolicyBinding', metadata, spec: binding },
  ];
}
