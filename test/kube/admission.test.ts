/**
 * What a real API server lets pods be in a namespace of nodes: those of the operator and of the lab's clients as they are,
 * and no pod with a privilege that `restricted` has not, but for the network of its machine. Nothing is stored (dry runs).
 */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import type { V1Container, V1PodSpec, V1SecurityContext } from '@kubernetes/client-node';
import { clientObjects } from '../../lab/herd/resources.ts';
import { hostNamespace } from '../../operator/admission.ts';
import { slotObjects } from '../../operator/objects/slot.ts';
import { directory, key, slot } from '../unit/operator/samples.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { apply, install } from './support/install.ts';

const ports = { cells: 21007, metrics: 21507 };
const image = 'herd.local/node:test';
const node = slotObjects({ slot: slot('eu-eu-mix-0', 'mix'), identityKey: key('a'), directory, ports, image });
const ours = node.statefulSet.spec.template.spec!;
const client = clientObjects({ zone: 'eu', directoryURL: directory.url, rootKey: key('root') }, 'eu', image).find(
  (object) => (object as { kind: string }).kind === 'Pod',
) as { spec: V1PodSpec };

type Change = (pod: V1PodSpec, container: V1Container, context: V1SecurityContext) => void;
const sidecar = (securityContext?: V1SecurityContext): V1Container => ({
  name: 'x',
  image,
  ...(securityContext && { securityContext }),
});

/** What no pod may have in its machine's network. */
function inPod(pod: V1PodSpec): V1PodSpec {
  pod.hostNetwork = false;
  for (const port of pod.containers[0]!.ports!) delete port.hostPort;
  return pod;
}

/** What is changed in one of our pods, and the field that the refusal names. */
const refused: readonly [what: string, change: Change, field: RegExp][] = [
  ['its machine’s processes', (pod) => Object.assign(pod, { hostPID: true }), /spec\.hostPID/],
  ['its machine’s memory', (pod) => Object.assign(pod, { hostIPC: true }), /spec\.hostIPC/],
  ['a folder of its machine', (pod) => void pod.volumes!.push({ name: 'x', hostPath: { path: '/' } }), /spec\.volumes/],
  [
    'a disk of another',
    (pod) => void pod.volumes!.push({ name: 'x', nfs: { server: 'x', path: '/' } }),
    /spec\.volumes/,
  ],
  [
    'a setting of the kernel',
    (pod) => Object.assign(inPod(pod).securityContext!, { sysctls: [{ name: 'net.core.somaxconn', value: '1' }] }),
    /sysctls/,
  ],
  ['root by number', (pod) => Object.assign(pod.securityContext!, { runAsUser: 0 }), /runAsUser/],
  ['root by a container', (_pod, _container, context) => Object.assign(context, { runAsUser: 0 }), /runAsUser/],
  ['root by leave', (pod) => Object.assign(pod.securityContext!, { runAsNonRoot: false }), /runAsNonRoot/],
  [
    'root by leave of a container',
    (_pod, _container, context) => Object.assign(context, { runAsNonRoot: false }),
    /runAsNonRoot/,
  ],
  ['no word of root', (pod) => void delete pod.securityContext!.runAsNonRoot, /runAsNonRoot/],
  ['no security context', (pod) => void delete pod.securityContext, /runAsNonRoot/],
  [
    'any system call',
    (pod) => Object.assign(pod.securityContext!, { seccompProfile: { type: 'Unconfined' } }),
    /seccompProfile/,
  ],
  ['no word of system calls', (pod) => void delete pod.securityContext!.seccompProfile, /seccompProfile/],
  [
    'any system call of a container',
    (_p, _c, context) => Object.assign(context, { seccompProfile: { type: 'Unconfined' } }),
    /seccompProfile/,
  ],
  [
    'no AppArmor',
    (pod) => Object.assign(pod.securityContext!, { appArmorProfile: { type: 'Unconfined' } }),
    /appArmorProfile/,
  ],
  [
    'another SELinux user',
    (pod) => Object.assign(pod.securityContext!, { seLinuxOptions: { user: 'x' } }),
    /seLinuxOptions/,
  ],
  [
    'another SELinux type',
    (_p, _c, context) => Object.assign(context, { seLinuxOptions: { type: 'spc_t' } }),
    /seLinuxOptions/,
  ],
  [
    'privileges',
    (_pod, _container, context) => Object.assign(context, { privileged: true, allowPrivilegeEscalation: true }),
    /privileged must/,
  ],
  [
    'more privileges',
    (_pod, _container, context) => Object.assign(context, { allowPrivilegeEscalation: true }),
    /allowPrivilegeEscalation/,
  ],
  [
    'no word of more privileges',
    (_pod, _container, context) => void delete context.allowPrivilegeEscalation,
    /allowPrivilegeEscalation/,
  ],
  [
    'a capability',
    (_pod, _container, context) => Object.assign(context.capabilities!, { add: ['NET_ADMIN'] }),
    /capabilities\.add/,
  ],
  ['the usual capabilities', (_pod, _container, context) => void delete context.capabilities, /capabilities\.drop/],
  [
    'a container without security context',
    (_pod, container) => void delete container.securityContext,
    /capabilities\.drop/,
  ],
  ['another without one', (pod) => void pod.containers.push(sidecar()), /capabilities\.drop/],
  ['one that begins without one', (pod) => Object.assign(pod, { initContainers: [sidecar()] }), /capabilities\.drop/],
  [
    'one with privileges that begins',
    (pod) => Object.assign(pod, { initContainers: [sidecar({ privileged: true })] }),
    /privileged must/,
  ],
  [
    '/proc as it is',
    (pod, _container, context) => {
      inPod(pod).hostUsers = false;
      context.procMount = 'Unmasked';
    },
    /procMount/,
  ],
  [
    'a probe of others',
    (_pod, container) => Object.assign(container.readinessProbe!.httpGet!, { host: '169.254.169.254' }),
    /livenessProbe\.httpGet\.host/,
  ],
  [
    'a hook at others',
    (_pod, container) =>
      Object.assign(container, { lifecycle: { preStop: { httpGet: { host: '169.254.169.254', port: 80 } } } }),
    /livenessProbe\.httpGet\.host/,
  ],
];

suite('a namespace of nodes', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    await install(plane.admin, 'elsewhere');
    await apply(plane.admin, {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'nodes', labels: hostNamespace },
    });
    await eventually(async () => (await create('nodes', changed(refused[0]![1]))) !== undefined, 'the policy');
  });
  after(() => plane?.stop());

  /** @returns why not, if not */
  const create = async (namespace: string, spec: V1PodSpec): Promise<string | undefined> => {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'tried' }, spec };
    const { code, body } = await plane.raw('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod);
    return code === 201 ? undefined : (body as { message: string }).message;
  };
  const changed = (change: Change): V1PodSpec => {
    const pod = structuredClone(ours);
    change(pod, pod.containers[0]!, pod.containers[0]!.securityContext!);
    return pod;
  };

  test('takes our nodes, in their machine’s network', async () => {
    assert.equal(ours.hostNetwork, true);
    assert.equal(await create('nodes', ours), undefined);
  });

  test('takes the lab’s clients', async () => {
    assert.equal(await create('nodes', client.spec), undefined);
  });

  test('takes what restricted takes', async () => {
    const pod = changed((_pod, _container, context) => {
      context.capabilities!.add = ['NET_BIND_SERVICE'];
      context.seccompProfile = { type: 'Localhost', localhostProfile: 'x.json' };
    });
    assert.equal(await create('nodes', pod), undefined);
  });

  for (const [what, change, field] of refused) {
    test(`refuses a pod with ${what}`, async () => {
      const message = await create('nodes', changed(change));
      assert.match(message ?? 'taken', /ValidatingAdmissionPolicy 'herd-nodes'/);
      assert.match(message!, field);
    });
  }

  test('says all that is wrong with a pod at once', async () => {
    const message = await create('nodes', {
      hostPID: true,
      containers: [{ name: 'c', image, securityContext: { privileged: true } }],
    });
    for (const field of ['hostPID', 'privileged', 'runAsNonRoot', 'seccompProfile', 'capabilities.drop'])
      assert.ok(message!.includes(field), `${field} in ${message}`);
  });

  test('does not mind other namespaces', async () => {
    assert.equal(await create('elsewhere', changed(refused[0]![1])), undefined);
  });
});
