/** The operator's controllers against a real API server and garbage collector. There is no kubelet: the test plays pods and directories. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Manager } from '../../operator/controllers/manager.ts';
import { KubeClient, type Verb } from '../../operator/kube/client.ts';
import * as kube from '../../operator/kube/types.ts';
import type { DirectoryConfig, NodeConfig } from '../../operator/objects/config.ts';
import { configHashAnnotation } from '../../operator/objects/labels.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { playDirectories } from './support/directory.ts';
import { apply, install } from './support/install.ts';
import { type CuttingProxy, startProxy } from './support/proxy.ts';
import { namespace, superpeer, zone } from './support/samples.ts';

type Status = { conditions: { type: string; status: string; reason: string; message: string }[] } & Record<
  string,
  unknown
>;

suite('the operator', { skip }, () => {
  let plane: ControlPlane;
  let proxy: CuttingProxy;
  let client: KubeClient;
  let manager: Manager;
  const stopping = new AbortController();
  const registered = new Map<string, string[]>();
  const requests: Verb[] = [];
  const failures: string[] = [];

  before(async () => {
    plane = await startControlPlane({ controllers: true });
    await install(plane.admin, namespace);
    proxy = await startProxy(plane.port);
    client = new KubeClient(plane.operatorCluster(proxy.port), { onRequest: (verb) => requests.push(verb) });
    manager = new Manager({
      client,
      namespaces: [],
      nodeImage: 'herd.local/node:test',
      instance: 'test',
      askDirectory: playDirectories(plane.admin, registered),
      onReconcile: (controller, key, _seconds, error) => error && failures.push(`${controller} ${key}: ${error}`),
      onWatchError: () => {},
      keysBelievedMs: 500,
    });
    await manager.sync(stopping.signal);
    manager.start();
  });
  after(async () => {
    stopping.abort();
    await manager?.stop();
    await client?.close();
    await proxy?.close();
    await plane?.stop();
  });

  const get = <T extends kube.KubeObject>(resource: kube.Resource<T>, name: string) =>
    plane.admin.get(resource, namespace, name);
  const present = <T extends kube.KubeObject>(resource: kube.Resource<T>, name: string) =>
    eventually(() => get(resource, name), `${resource.kind} ${name}`);
  const absent = (resource: kube.Resource<kube.KubeObject>, name: string) =>
    eventually(async () => (await get(resource, name)) === undefined, `the end of ${resource.kind} ${name}`);
  const statusOf = async (resource: kube.Resource<kube.CustomResource>, name: string) =>
    (await get(resource, name))?.status as Status | undefined;
  const condition = (
    resource: kube.Resource<kube.CustomResource>,
    name: string,
    type: string,
    status: string,
    reason?: string,
  ) =>
    eventually(
      async () =>
        (await statusOf(resource, name))?.conditions.find(
          (c) => c.type === type && c.status === status && (reason === undefined || c.reason === reason),
        ),
      `${type}=${status} of ${name}`,
    );
  const nodeJson = async <T>(name: string) =>
    JSON.parse((await present(kube.configMaps, name)).data!['node.json']!) as T;

  /** What a kubelet and the statefulset controller would say of a pod that became ready. */
  const playReady = async (name: string) => {
    const { generation } = (await present(kube.statefulSets, name)).metadata;
    const revisions = { currentRevision: 'one', updateRevision: 'one' };
    const status = { replicas: 1, readyReplicas: 1, updatedReplicas: 1, observedGeneration: generation, ...revisions };
    const metadata = { name, namespace };
    await plane.admin.applyStatus(
      kube.statefulSets,
      { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, status } as kube.Manifest,
      'kubelet',
    );
  };

  test('two zones of a provider share a directory, and it names both with their superpeers and peers', async () => {
    await apply(plane.admin, superpeer('eu-sp', 'eu', { channels: 3 }));
    await apply(plane.admin, zone('eu', { peers: [{ zone: 'sa' }] }));
    await apply(plane.admin, zone('sa', { directory: { zoneRef: 'eu' }, peers: [{ zone: 'eu' }] }));
    const config = await eventually(async () => {
      const found = await nodeJson<DirectoryConfig>('eu-directory-0');
      return found.zones.length === 2 && found;
    }, 'a directory of two zones');
    const { clusterIP } = (await present(kube.services, 'eu-directory')).spec;
    const url = `http://${clusterIP}:8080`;
    const [eu, sa] = await Promise.all([statusOf(kube.zones, 'eu'), statusOf(kube.zones, 'sa')]);
    assert.deepEqual(
      config.zones.map((z) => [z.zone, z.roster.map((r) => r.id)]),
      [
        ['eu', ['eu-mix-0', 'eu-rendezvous-0', 'eu-sp']],
        ['sa', ['sa-mix-0', 'sa-rendezvous-0']],
      ],
    );
    assert.equal(config.zones[0]!.roster[2]!.channels, 3);
    assert.deepEqual(config.zones[0]!.peers, [{ zone: 'sa', url, rootKey: sa!.rootKey }]);
    assert.deepEqual(config.zones[1]!.peers, [{ zone: 'eu', url, rootKey: eu!.rootKey }]);
    assert.equal(sa!.directoryURL, url);

    const mix = await nodeJson<NodeConfig>('sa-mix-0');
    assert.deepEqual(mix.directory, { url, rootKey: sa!.rootKey });
    const directory = await present(kube.statefulSets, 'eu-directory-0');
    const keys = directory.spec.template.spec!.volumes!.find((v) => v.name === 'keys')!.projected!.sources!;
    assert.deepEqual(
      keys.map((k) => [k.secret!.name, k.secret!.items![0]!.path]),
      [
        ['eu-root', 'eu'],
        ['sa-root', 'sa'],
      ],
    );
    for (const name of ['eu-mix-0', 'eu-rendezvous-0', 'sa-mix-0', 'sa-rendezvous-0', 'eu-sp'])
      await present(kube.statefulSets, name);
    for (const name of ['eu-mix', 'eu-rendezvous', 'eu-directory', 'sa-mix'])
      await present(kube.podDisruptionBudgets, name);
    assert.equal(await get(kube.services, 'sa-directory'), undefined);
  });

  test('a zone is Ready when its pods are and its signed consensus lists its nodes', async () => {
    await condition(kube.zones, 'sa', 'Ready', 'False', 'NoConsensus');
    registered.set('eu', ['eu-mix-0', 'eu-rendezvous-0', 'eu-sp']);
    registered.set('sa', ['sa-mix-0']);
    await condition(kube.zones, 'sa', 'Ready', 'False', 'NodesNotReady');
    for (const name of ['eu-directory-0', 'eu-mix-0', 'eu-rendezvous-0', 'sa-mix-0', 'sa-rendezvous-0', 'eu-sp'])
      await playReady(name);
    const waiting = await condition(kube.zones, 'sa', 'Ready', 'False', 'NodesNotRegistered');
    assert.match(waiting.message, /sa-rendezvous-0/);
    registered.set('sa', ['sa-mix-0', 'sa-rendezvous-0']);
    await condition(kube.zones, 'sa', 'Ready', 'True');
    await condition(kube.zones, 'eu', 'Ready', 'True');
    await condition(kube.superpeers, 'eu-sp', 'Ready', 'True');
    const eu = await eventually(async () => {
      const status = await statusOf(kube.zones, 'eu');
      return status?.superpeersReady === '1/1' && status;
    }, 'a ready superpeer in the zone’s status');
    assert.deepEqual([eu.epoch, eu.mixesReady, eu.rendezvousReady], [7, '1/1', '1/1']);
  });

  test('when nothing changes nothing is written', async () => {
    const resources = [
      kube.zones,
      kube.superpeers,
      kube.statefulSets,
      kube.configMaps,
      kube.services,
      kube.podDisruptionBudgets,
    ];
    const writes = () => requests.filter((verb) => ['apply', 'create', 'update', 'delete'].includes(verb));
    const versions = async () => {
      const lists = await Promise.all(resources.map((r) => plane.admin.list<kube.KubeObject>(r, { namespace })));
      return lists.flatMap((l) => l.items.map((i) => `${i.metadata.uid} ${i.metadata.resourceVersion}`));
    };
    // What the last test set off comes to rest first.
    let before = await versions();
    await eventually(async () => {
      requests.length = 0;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const then = before;
      before = await versions();
      return writes().length === 0 && isDeepStrictEqual(before, then);
    }, 'rest');
    requests.length = 0;
    for (let i = 0; i < 5; i++) {
      for (const name of ['eu', 'sa']) manager.workers.zone.add(`${namespace}/${name}`);
      manager.workers.superpeer.add(`${namespace}/eu-sp`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.deepEqual(writes(), []);
    assert.deepEqual(await versions(), before);
  });

  test('a child that someone deletes or edits comes back', async () => {
    const { uid } = (await present(kube.statefulSets, 'eu-mix-0')).metadata;
    await plane.admin.delete(kube.statefulSets, namespace, 'eu-mix-0');
    await eventually(async () => {
      const now = await get(kube.statefulSets, 'eu-mix-0');
      return now !== undefined && now.metadata.uid !== uid;
    }, 'a new eu-mix-0');
    const tampered = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'eu-mix-0', namespace },
      data: { 'node.json': '{}' },
    };
    await plane.admin.apply(kube.configMaps, tampered, 'someone');
    await eventually(async () => (await nodeJson<NodeConfig>('eu-mix-0')).id === 'eu-mix-0', 'the right configuration');
  });

  test('a node whose Secret someone deletes gets a new key, which the directory learns', async () => {
    const keyIn = async () => (await nodeJson<DirectoryConfig>('eu-directory-0')).zones[0]!.roster[0]!.identityKey;
    const before = await keyIn();
    await plane.admin.delete(kube.secrets, namespace, 'eu-mix-0-identity');
    await eventually(async () => (await keyIn()) !== before, 'another key in the roster');
  });

  test('a published root key is not made anew when its Secret is lost', async () => {
    const secret = (await present(kube.secrets, 'sa-root')) as kube.KubeObject & { data: object };
    const { rootKey } = (await statusOf(kube.zones, 'sa'))!;
    await plane.admin.delete(kube.secrets, namespace, 'sa-root');
    const lost = await condition(kube.zones, 'sa', 'KeysReady', 'False', 'RootKeyLost');
    assert.match(lost.message, /sa-root/);
    assert.equal((await statusOf(kube.zones, 'sa'))!.rootKey, rootKey);
    const { name, annotations, labels, ownerReferences } = secret.metadata;
    const metadata = { name, namespace, annotations: annotations!, labels: labels!, ownerReferences: ownerReferences! };
    await plane.admin.create(kube.secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      data: secret.data,
    } as kube.Manifest);
    await condition(kube.zones, 'sa', 'KeysReady', 'True');
  });

  test('a changed spec changes the directory’s template', async () => {
    const hash = async () =>
      (await present(kube.statefulSets, 'eu-directory-0')).spec.template.metadata!.annotations![configHashAnnotation];
    const before = await hash();
    await apply(plane.admin, zone('eu', { peers: [{ zone: 'sa' }], epochSeconds: 60 }));
    await eventually(async () => (await hash()) !== before, 'another hash');
    assert.equal((await nodeJson<DirectoryConfig>('eu-directory-0')).epochSeconds, 60);
  });

  test('a node that the spec no longer names goes with its Secret', async () => {
    const spec = { directory: { zoneRef: 'eu' }, peers: [{ zone: 'eu' }] };
    await apply(plane.admin, zone('sa', { ...spec, mixes: { replicas: 2 } }));
    await present(kube.statefulSets, 'sa-mix-1');
    await apply(plane.admin, zone('sa', spec));
    await absent(kube.statefulSets, 'sa-mix-1');
    await absent(kube.configMaps, 'sa-mix-1');
    await absent(kube.secrets, 'sa-mix-1-identity');
    await present(kube.statefulSets, 'sa-mix-0');
  });

  test('a paused zone is left as it is', async () => {
    const spec = { directory: { zoneRef: 'eu' }, peers: [{ zone: 'eu' }], paused: true };
    await apply(plane.admin, zone('sa', spec));
    await condition(kube.zones, 'sa', 'Progressing', 'False', 'Paused');
    await plane.admin.delete(kube.configMaps, namespace, 'sa-mix-0');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(await get(kube.configMaps, 'sa-mix-0'), undefined);
    await apply(plane.admin, zone('sa', { ...spec, paused: false }));
    await present(kube.configMaps, 'sa-mix-0');
  });

  test('a superpeer of a missing zone says which, and runs once the zone exists', async () => {
    await apply(plane.admin, superpeer('lost', 'nowhere'));
    const missing = await condition(kube.superpeers, 'lost', 'ZoneFound', 'False', 'ZoneNotFound');
    assert.match(missing.message, /zone nowhere /);
    assert.equal(await get(kube.statefulSets, 'lost'), undefined);
    await apply(plane.admin, zone('nowhere'));
    await condition(kube.superpeers, 'lost', 'ZoneFound', 'True');
    await present(kube.statefulSets, 'lost');
  });

  test('a directory must be of a zone that hosts one and has the same provider', async () => {
    await apply(plane.admin, zone('foreign', { provider: 'south', directory: { zoneRef: 'eu' } }));
    await condition(kube.zones, 'foreign', 'DirectoryReady', 'False', 'DirectoryOfAnotherProvider');
    await apply(plane.admin, zone('chained', { directory: { zoneRef: 'sa' } }));
    await condition(kube.zones, 'chained', 'DirectoryReady', 'False', 'DirectoryNotHosted');
  });

  test('watches go on after their connections were cut', async () => {
    assert.ok(proxy.cut() >= 6);
    await apply(plane.admin, zone('later', { peers: [{ zone: 'unknown' }] }));
    await condition(kube.zones, 'later', 'PeersResolved', 'False', 'PeerNotFound');
    await present(kube.statefulSets, 'later-directory-0');
  });

  test('a deleted zone leaves nothing behind, and one of the same name starts afresh', async () => {
    const { rootKey } = (await statusOf(kube.zones, 'later'))!;
    await plane.admin.delete(kube.zones, namespace, 'later');
    const selector = { namespace, labelSelector: 'herd.network/zone=later' };
    const kinds = [kube.secrets, kube.configMaps, kube.services, kube.statefulSets, kube.podDisruptionBudgets];
    await eventually(
      async () => {
        const lists = await Promise.all(kinds.map((kind) => plane.admin.list<kube.KubeObject>(kind, selector)));
        return lists.every((l) => l.items.length === 0);
      },
      'nothing',
      60_000,
    );
    await apply(plane.admin, zone('later'));
    await present(kube.statefulSets, 'later-mix-0');
    assert.notEqual((await statusOf(kube.zones, 'later'))!.rootKey, rootKey);
  });

  test('no reconcile failed for want of a permission', () => {
    assert.deepEqual(
      failures.filter((f) => f.includes('forbidden')),
      [],
    );
  });
});
