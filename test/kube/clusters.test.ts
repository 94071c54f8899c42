/** A Zone that spans two clusters, each with an operator of its own: two real API servers. Pods and the directory are played. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { Manager } from '../../operator/controllers/manager.ts';
import { memberObjects } from '../../operator/install.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { memberRules } from '../../operator/kube/rbac.ts';
import * as kube from '../../operator/kube/types.ts';
import { drainAnnotation, homeLabel } from '../../operator/objects/labels.ts';
import { type ControlPlane, eventually, type HomeToken, skip, startControlPlane } from './support/control-plane.ts';
import { PlayedDirectories } from './support/directory.ts';
import { type FaultyServer, startFaultyServer } from './support/faults.ts';
import { permissionsOf } from './support/gate.ts';
import { apply, install } from './support/install.ts';
import { type PlayedKubelet, playKubelet } from './support/kubelet.ts';
import { namespace, superpeer, zone } from './support/samples.ts';

interface Status {
  readonly conditions: { type: string; status: string; reason: string; message: string }[];
  readonly clusters?: { secret: string; regions: string[]; reachable: boolean }[];
  readonly state?: string;
}

/** Nodes of the west, in the other cluster. */
const western = ['eu-west-mix-0', 'eu-west-rendezvous-0'];
const eastern = ['eu-east-mix-0', 'eu-east-rendezvous-0'];

suite('a Zone that spans clusters', { skip }, () => {
  let east: ControlPlane;
  let west: ControlPlane;
  /** Where the operator of the east finds the west. */
  let between: FaultyServer;
  const kubelets: PlayedKubelet[] = [];
  let directories: PlayedDirectories;
  let operatorEast: Running;
  let operatorWest: Running;
  /** Whether operators have leave to write in other clusters. */
  let leads = true;
  const failures: string[] = [];
  /** Zones whose reconcile ended since the operator of the east started. */
  const reconciled: string[] = [];

  interface Running {
    stop(): Promise<void>;
  }

  before(async () => {
    [east, west] = (await Promise.all([0, 1].map(() => startControlPlane({ controllers: true })))) as [
      ControlPlane,
      ControlPlane,
    ];
    between = await startFaultyServer(west);
    for (const plane of [east, west]) await install(plane.admin, namespace);
    for (const object of memberObjects(namespace)) await apply(west.admin, object);
    await apply(west.admin, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'machine-a' } });
    const machineOf = ({ metadata: { name } }: kube.KubeObject) =>
      name === 'eu-west-mix-0' ? 'machine-a' : 'machine-b';
    kubelets.push(await playKubelet(east), await playKubelet(west, { machineOf }));
    directories = new PlayedDirectories(east.admin);
    directories.registered.set('eu', [...eastern, ...western, 'eu-sp']);
    [operatorEast, operatorWest] = await Promise.all([operate(east), operate(west)]);
  });
  after(async () => {
    await Promise.all([operatorEast?.stop(), operatorWest?.stop()]);
    await Promise.all(kubelets.map((kubelet) => kubelet.stop()));
    await between?.close();
    await Promise.all([east?.stop(), west?.stop()]);
  });

  async function operate(plane: ControlPlane): Promise<Running> {
    const stopping = new AbortController();
    const client = new KubeClient(plane.operatorCluster());
    const manager = new Manager({
      client,
      memberClient: { writeMsLeft: () => (leads ? 10_000 : undefined) },
      namespaces: [],
      nodeImage: 'herd.local/node:test',
      instance: 'test',
      askDirectory: directories.ask,
      onReconcile: (controller, key, _seconds, error) => {
        if (error) failures.push(`${controller} ${key}: ${error}`);
        if (plane === east && controller === 'zone') reconciled.push(key);
      },
      onWatchError: () => {},
      kubeconfigMs: 300,
    });
    await manager.sync(stopping.signal);
    manager.start();
    return {
      async stop() {
        stopping.abort();
        await manager.stop();
        await client.close();
      },
    };
  }

  const statusOf = async (plane: ControlPlane, resource: kube.Resource<kube.CustomResource>, name: string) =>
    (await plane.admin.get(resource, namespace, name))?.status as Status | undefined;
  const zoneSays = (type: string, status: string, reason?: string) =>
    eventually(
      async () =>
        (await statusOf(east, kube.zones, 'eu'))?.conditions.find(
          (c) => c.type === type && c.status === status && (reason === undefined || c.reason === reason),
        ),
      `${type}=${status} ${reason ?? ''}`,
      60_000,
    );
  const slotIn = (plane: ControlPlane, name: string) => plane.admin.get(kube.nodeSlots, namespace, name);
  const slotIs = (plane: ControlPlane, name: string, state: string) =>
    eventually(async () => (await statusOf(plane, kube.nodeSlots, name))?.state === state, `${name} ${state}`);
  const slotsIn = async (plane: ControlPlane) =>
    (await plane.admin.list(kube.nodeSlots, { namespace })).items.map(({ metadata }) => metadata.name).sort();
  const roster = async () => (await directories.roster('eu')).map(({ id }) => id);
  const podIn = async (plane: ControlPlane, name: string) =>
    (await plane.admin.get(kube.pods, namespace, `${name}-0`))?.metadata.uid;
  const names = async (plane: ControlPlane, resource: kube.Resource<kube.KubeObject>) =>
    (await plane.admin.list(resource, { namespace })).items.map(({ metadata }) => metadata.name);
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 3_000));

  const kubeconfig = (content: object | undefined) =>
    apply(east.admin, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'west', namespace },
      stringData: content === undefined ? {} : { kubeconfig: JSON.stringify(content) },
    } as kube.Manifest);
  const goodKubeconfig = (token: HomeToken = 'home-token') => kubeconfig(west.homeKubeconfig(between.port, token));

  const regions = [{ name: 'east' }, { name: 'west', cluster: { kubeconfigSecretRef: { name: 'west' } } }];
  const spanning = (spec: object = {}) =>
    apply(east.admin, zone('eu', { regions, directory: { externalURL: 'http://directory.example' }, ...spec }));
  const annotate = (plane: ControlPlane, name: string, annotations: Record<string, string>) =>
    apply(plane.admin, {
      apiVersion: 'herd.network/v1alpha1',
      kind: 'NodeSlot',
      metadata: { name, namespace, annotations },
    });
  const cordon = (unschedulable: boolean) =>
    apply(west.admin, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'machine-a' },
      spec: { unschedulable },
    } as kube.Manifest);
  const partition = () => {
    between.fault = () => ({ kind: 'hang', bytes: 0 });
    between.cut();
  };
  const heal = () => {
    between.fault = () => undefined;
    between.cut();
  };

  test('says what is wrong with a kubeconfig, and goes on where it can', async () => {
    await spanning();
    await zoneSays('ClustersReachable', 'False', 'KubeconfigMissing');
    await kubeconfig({
      ...west.homeKubeconfig(between.port, 'home-token'),
      users: [{ name: 'home', user: { exec: { command: 'secret-program' }, tokenFile: '/etc/secret' } }],
    });
    const { message } = await zoneSays('ClustersReachable', 'False', 'KubeconfigInvalid');
    assert.match(message, /user\.exec: is not taken; user\.tokenFile: is not taken/);
    assert.doesNotMatch(message, /secret/);
    for (const name of eastern) await slotIs(east, name, 'Active');
    assert.deepEqual(await slotsIn(west), []);
    assert.deepEqual(between.asked, []);
  });

  test('has its nodes made there by the operator there, and is Ready; no key leaves its cluster', async () => {
    await goodKubeconfig();
    await zoneSays('ClustersReachable', 'True', 'AllReachable');
    await zoneSays('Ready', 'True');
    assert.deepEqual(await slotsIn(east), eastern);
    assert.deepEqual(await slotsIn(west), western);
    const { metadata } = (await east.admin.get(kube.zones, namespace, 'eu'))!;
    for (const name of western) {
      const slot = (await slotIn(west, name))!;
      assert.deepEqual([slot.metadata.labels![homeLabel], slot.metadata.ownerReferences], [metadata.uid, undefined]);
    }
    assert.deepEqual((await roster()).sort(), [...eastern, ...western].sort());
    const [here, there] = await Promise.all([east, west].map((plane) => names(plane, kube.secrets)));
    assert.deepEqual(
      here!.filter((name) => name.startsWith('eu-west')),
      [],
    );
    assert.deepEqual(there!.sort(), western.flatMap((name) => [`${name}-identity`, `${name}-keys`]).sort());
  });

  test('writes nothing there when nothing changes', async () => {
    await quiet();
    between.asked.length = 0;
    await quiet();
    assert.deepEqual(
      between.asked.filter(({ method }) => method !== 'GET'),
      [],
    );
  });

  test('has a superpeer there, which goes when nobody wants it any more', async () => {
    await apply(east.admin, superpeer('eu-sp', 'eu', { managed: { region: 'west' } }));
    await slotIs(west, 'eu-sp', 'Active');
    assert.equal(await slotIn(east, 'eu-sp'), undefined);
    await eventually(async () => (await roster()).includes('eu-sp'), 'the superpeer in the roster');
    await east.admin.delete(kube.superpeers, namespace, 'eu-sp');
    await slotIs(west, 'eu-sp', 'Draining');
    directories.empty.add('eu-sp');
    await eventually(async () => (await slotIn(west, 'eu-sp')) === undefined, 'the end of its slot');
    directories.empty.clear();
  });

  test('lets a node there drain when its machine is cordoned, one of a role in all clusters', async () => {
    await zoneSays('Ready', 'True');
    const before = await podIn(west, 'eu-west-mix-0');
    assert.ok((await names(west, kube.podDisruptionBudgets)).includes('eu-west-mix-0'));
    await cordon(true);
    await slotIs(west, 'eu-west-mix-0', 'Draining');
    await annotate(east, 'eu-east-mix-0', { [drainAnnotation]: 'somebody asks' });
    await quiet();
    assert.equal(((await slotIn(east, 'eu-east-mix-0'))!.spec as { drain: boolean }).drain, false);
    assert.equal(await podIn(west, 'eu-west-mix-0'), before, 'calls ride on it');
    directories.empty.add('eu-west-mix-0');
    await eventually(async () => ![before, undefined].includes(await podIn(west, 'eu-west-mix-0')), 'another pod');
    await cordon(false);
    await slotIs(west, 'eu-west-mix-0', 'Active');
    await slotIs(east, 'eu-east-mix-0', 'Draining');
    await annotate(east, 'eu-east-mix-0', {});
    await slotIs(east, 'eu-east-mix-0', 'Active');
    directories.empty.clear();
  });

  test('shares no slot with a Zone of its name in the other cluster', async () => {
    const before = await Promise.all(western.map(async (name) => (await slotIn(west, name))!.metadata.uid));
    await apply(west.admin, zone('eu', { regions: [{ name: 'west' }] }));
    await eventually(async () => {
      const { conditions = [] } = (await statusOf(west, kube.zones, 'eu')) ?? {};
      const ready = conditions.find(({ type }) => type === 'Ready');
      return ready?.reason === 'SlotOfAnother' && western.every((name) => ready.message.includes(name));
    }, 'a refusal');
    await west.admin.delete(kube.zones, namespace, 'eu');
    await eventually(async () => (await west.admin.get(kube.zones, namespace, 'eu')) === undefined, 'its end');
    const now = await Promise.all(western.map(async (name) => (await slotIn(west, name))!.metadata));
    assert.deepEqual(
      now.map(({ uid, deletionTimestamp }) => [uid, deletionTimestamp]),
      before.map((uid) => [uid, undefined]),
    );
    await zoneSays('Ready', 'True');
  });

  test('loses nothing while the other cluster can’t be reached, even over a restart, and holds up no other zone', async () => {
    const rosterBefore = await eventually(async () => {
      const entries = await directories.roster('eu');
      return entries.every(({ draining }) => !draining) && entries;
    }, 'a roster in which nobody drains');
    partition();
    await zoneSays('ClustersReachable', 'False', 'Unreachable');
    await zoneSays('Ready', 'Unknown', 'Unreachable');
    await annotate(east, 'eu-east-mix-0', { [drainAnnotation]: 'somebody asks' });
    await operatorEast.stop();
    reconciled.length = 0;
    operatorEast = await operate(east);
    await apply(east.admin, zone('ch'));
    await eventually(() => slotIn(east, 'ch-ch-mix-0'), 'a slot of another zone', 5_000);
    await zoneSays('ClustersReachable', 'False', 'Unreachable');
    await eventually(() => reconciled.filter((key) => key === `${namespace}/eu`).length >= 2, 'two looks', 60_000);
    assert.deepEqual(await directories.roster('eu'), rosterBefore);
    assert.equal(((await slotIn(east, 'eu-east-mix-0'))!.spec as { drain: boolean }).drain, false);
    assert.deepEqual(await slotsIn(west), western);
    const [cluster] = (await statusOf(east, kube.zones, 'eu'))!.clusters!;
    assert.deepEqual([cluster!.reachable, cluster!.regions], [false, ['west']]);
  });

  test('goes on when the cluster is back', async () => {
    heal();
    await zoneSays('ClustersReachable', 'True');
    await slotIs(east, 'eu-east-mix-0', 'Draining');
    await annotate(east, 'eu-east-mix-0', {});
    await slotIs(east, 'eu-east-mix-0', 'Active');
    await zoneSays('Ready', 'True');
    assert.deepEqual((await roster()).sort(), [...eastern, ...western].sort());
  });

  test('takes up a new credential when the old one is refused', async () => {
    between.fault = ({ token }) => (token === 'Bearer home-token' ? { kind: 'answer', code: 401 } : undefined);
    between.cut();
    await zoneSays('ClustersReachable', 'False', 'Forbidden');
    await goodKubeconfig('next-home-token');
    await zoneSays('ClustersReachable', 'True');
    assert.ok(between.asked.some(({ token }) => token === 'Bearer next-home-token'));
    assert.deepEqual(await slotsIn(west), western);
    between.fault = () => undefined;
  });

  test('writes nothing there without the lease', async () => {
    const deadlineOf = async (name: string) =>
      ((await slotIn(west, name))!.spec as { drainDeadlineSeconds: number }).drainDeadlineSeconds;
    leads = false;
    between.asked.length = 0;
    await spanning({ drainDeadlineSeconds: 100 });
    await quiet();
    assert.deepEqual(
      between.asked.filter(({ method }) => method !== 'GET'),
      [],
    );
    leads = true;
    await spanning({ drainDeadlineSeconds: 200 });
    for (const name of western) await eventually(async () => (await deadlineOf(name)) === 200, `the edit of ${name}`);
  });

  test('that gives up its region there lets the nodes drain, and asks there no more when they have gone', async () => {
    await spanning({ regions: [{ name: 'east' }] });
    // One after the other.
    for (const name of western) {
      await slotIs(west, name, 'Draining');
      directories.empty.add(name);
    }
    await eventually(async () => (await slotsIn(west)).length === 0, 'no slot there');
    directories.empty.clear();
    await eventually(async () => (await statusOf(east, kube.zones, 'eu'))!.clusters === undefined, 'no cluster');
    assert.deepEqual((await roster()).sort(), eastern);
    await zoneSays('Ready', 'True');
    between.asked.length = 0;
    await quiet();
    assert.deepEqual(between.asked, []);
  });

  test('that is deleted waits until its nodes there have gone', async () => {
    await spanning();
    for (const name of western) await slotIs(west, name, 'Active');
    await east.admin.delete(kube.zones, namespace, 'eu');
    for (const name of western) await slotIs(west, name, 'Draining');
    for (const name of eastern) directories.empty.add(name);
    await eventually(async () => !(await slotsIn(east)).some((name) => name.startsWith('eu')), 'no slot here');
    assert.ok(await east.admin.get(kube.zones, namespace, 'eu'));
    for (const name of western) directories.empty.add(name);
    await eventually(async () => (await east.admin.get(kube.zones, namespace, 'eu')) === undefined, 'its end', 60_000);
    assert.deepEqual(await slotsIn(west), []);
  });

  test('asks there for what it is granted, all of it, and is granted nothing else', async () => {
    const used = between.asked.flatMap(({ method, url }) => permissionsOf(method, `${url.pathname}${url.search}`, 201));
    assert.deepEqual(
      [...new Set(used.map((p) => `${p.namespace}: ${p.verb} ${p.group}/${p.resource}`))].sort(),
      memberRules
        .flatMap(({ apiGroups: [group], resources: [resource], verbs }) =>
          verbs.map((verb) => `${namespace}: ${verb} ${group}/${resource}`),
        )
        .sort(),
    );
    const client = new KubeClient(west.homeCluster('home-token'));
    const [inside, outside] = await Promise.all([namespace, 'herd-system'].map((name) => rulesIn(client, name)));
    await client.close();
    assert.deepEqual(
      inside!.filter((rule) => !outside!.includes(rule)),
      memberRules.map(({ apiGroups, resources, verbs }) => JSON.stringify([apiGroups, resources, verbs])),
    );
    // What every account may: ask who it is and what it may do, and see whom to trust.
    const everybodys = /^\[\["(authentication|authorization|certificates)\.k8s\.io"\]/;
    assert.deepEqual(
      outside!.filter((rule) => !everybodys.test(rule)),
      [],
    );
  });

  test('no reconcile failed for want of a permission', () => {
    assert.deepEqual(
      failures.filter((f) => f.includes('forbidden')),
      [],
    );
  });
});

/** What the server says that the client may do in a namespace. */
async function rulesIn(client: KubeClient, inNamespace: string): Promise<string[]> {
  const kind = 'SelfSubjectRulesReview';
  const group = 'authorization.k8s.io';
  const resource = { group, version: 'v1', plural: 'selfsubjectrulesreviews', kind };
  const manifest = { apiVersion: `${group}/v1`, kind, metadata: { name: '' }, spec: { namespace: inNamespace } };
  const { status } = (await client.create<kube.CustomResource>(resource, manifest)) as {
    status?: { resourceRules: { apiGroups: string[]; resources: string[]; verbs: string[] }[] };
  };
  return status!.resourceRules.map(({ apiGroups, resources, verbs }) => JSON.stringify([apiGroups, resources, verbs]));
}
