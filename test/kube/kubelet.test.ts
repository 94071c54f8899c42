/** The played StatefulSet controller and kubelet do what the operator's tests believe that Kubernetes does. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { type Manifest, pods, type StatefulSet, statefulSets } from '../../operator/kube/types.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { apply } from './support/install.ts';
import { isReady, type PlayedKubelet, playKubelet, revisionLabel, revisionOf } from './support/kubelet.ts';

const namespace = 'herd';

const statefulSet = (name: string, type: string, image: string): Manifest & { spec: object } => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name, namespace },
  spec: {
    replicas: 1,
    updateStrategy: { type },
    selector: { matchLabels: { node: name } },
    template: { metadata: { labels: { node: name } }, spec: { containers: [{ name: 'c', image }] } },
  },
});

suite('a played kubelet', { skip }, () => {
  let plane: ControlPlane;
  let kubelet: PlayedKubelet;
  const machines = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'];
  before(async () => {
    plane = await startControlPlane({ controllers: true });
    await apply(plane.admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
    kubelet = await playKubelet(plane, { machineOf: () => machines.shift()! });
  });
  after(async () => {
    await kubelet?.stop();
    await plane?.stop();
  });

  const set = (name: string, type: string, image: string) =>
    plane.admin.apply(statefulSets, statefulSet(name, type, image), 'test');
  const setOf = (name: string) => plane.admin.get(statefulSets, namespace, name);
  const podOf = (name: string) => plane.admin.get(pods, namespace, `${name}-0`);
  const complete = ({ metadata, status }: StatefulSet) =>
    status?.observedGeneration === metadata.generation &&
    status?.readyReplicas === 1 &&
    status.currentRevision === status.updateRevision;
  const whole = (name: string) =>
    eventually(async () => {
      const set = (await setOf(name))!;
      return complete(set) && set;
    }, `a complete ${name}`);

  test('under OnDelete a pod outlives a changed template, and deleted it comes back with the new one elsewhere', async () => {
    await set('kept', 'OnDelete', 'image:1');
    const first = await whole('kept');
    const before = (await podOf('kept'))!;
    assert.deepEqual([before.spec!.nodeName, before.metadata.labels![revisionLabel]], ['first', revisionOf(first)]);

    await set('kept', 'OnDelete', 'image:2');
    const outdated = await eventually(async () => {
      const { status } = (await setOf('kept'))!;
      return status?.observedGeneration === 2 && status;
    }, 'an observed second template');
    assert.deepEqual([outdated.updatedReplicas, outdated.readyReplicas], [undefined, 1]);
    assert.notEqual(outdated.currentRevision, outdated.updateRevision);
    assert.equal((await podOf('kept'))!.metadata.uid, before.metadata.uid);

    await plane.admin.delete(pods, namespace, 'kept-0');
    const second = await whole('kept');
    const after = (await podOf('kept'))!;
    assert.equal(second.status!.currentRevision, revisionOf(second));
    assert.deepEqual([after.spec!.nodeName, after.spec!.containers[0]!.image], ['second', 'image:2']);
    assert.notEqual(after.status!.podIP, before.status!.podIP);
  });

  test('under RollingUpdate a changed template replaces the pod', async () => {
    await set('rolled', 'RollingUpdate', 'image:1');
    await whole('rolled');
    await set('rolled', 'RollingUpdate', 'image:2');
    await whole('rolled');
    assert.equal((await podOf('rolled'))!.spec!.containers[0]!.image, 'image:2');
  });

  test('a held pod runs without being ready, until it is released and when it is held again', async () => {
    kubelet.hold(namespace, 'held');
    await set('held', 'OnDelete', 'image:1');
    await eventually(async () => (await podOf('held'))?.status?.phase === 'Running', 'a pod that runs');
    assert.equal(isReady((await podOf('held'))!), false);
    kubelet.release(namespace, 'held');
    await whole('held');
    kubelet.hold(namespace, 'held');
    await eventually(async () => (await setOf('held'))!.status!.readyReplicas === undefined, 'a pod that is not ready');
  });

  test('the pod of a deleted StatefulSet goes, and one of a new StatefulSet of that name is another', async () => {
    const { uid } = (await podOf('kept'))!.metadata;
    await plane.admin.delete(statefulSets, namespace, 'kept');
    await set('kept', 'OnDelete', 'image:1');
    await whole('kept');
    assert.notEqual((await podOf('kept'))!.metadata.uid, uid);
    await plane.admin.delete(statefulSets, namespace, 'kept');
    await eventually(async () => (await podOf('kept')) === undefined, 'the end of the pod');
  });
});
