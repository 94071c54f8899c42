/** The operator's controllers against a real API server and garbage collector. Pods and directories are played. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { Manager } from '../../operator/controllers/manager.ts';
import { KubeClient, type Verb } from '../../operator/kube/client.ts';
import * as kube from '../../operator/kube/types.ts';
import type { DirectoryConfig, NodeConfig } from '../../operator/objects/config.ts';
import { configAnnotation, drainAnnotation, readmitAnnotation } from '../../operator/objects/labels.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { PlayedDirectories } from './support/directory.ts';
import { apply, install } from './support/install.ts';
import { type PlayedKubelet, playKubelet } from './support/kubelet.ts';
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
  let kubelet: PlayedKubelet;
  let directories: PlayedDirectories;
  let stopping: AbortController;
  const requests: Verb[] = [];
  const failures: string[] = [];

  before(async () => {
    plane = await startControlPlane({ controllers: true });
    await install(plane.admin, namespace);
    for (const name of ['machine-a', 'machine-b'])
      await apply(plane.admin, { apiVersion: 'v1', kind: 'Node', metadata: { name } });
    kubelet = await playKubelet(plane, {
      machineOf: ({ metadata }) => (metadata.name === 'eu-eu-mix-0' ? 'machine-a' : 'machine-b'),
    });
    directories = new PlayedDirectories(plane.admin);
    proxy = await startProxy(plane.port);
    client = new KubeClient(plane.operatorCluster(proxy.port), { onRequest: (verb) => requests.push(verb) });
    await startManager('herd.local/node:test');
  });
  const startManager = async (nodeImage: string) => {
    stopping = new AbortController();
    manager = new Manager({
      client,
      memberClient: {},
      namespaces: [],
      nodeImage,
      instance: 'test',
      askDirectory: directories.ask,
      onReconcile: (controller, key, _seconds, error) => error && failures.push(`${controller} ${key}: ${error}`),
      onWatchError: () => {},
      keysBelievedMs: 500,
    });
    await manager.sync(stopping.signal);
    manager.start();
  };
  const stopManager = async () => {
    stopping.abort();
    await manager.stop();
  };
  after(async () => {
    if (manager) await stopManager();
    await client?.close();
    await kubelet?.stop();
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
  const slotIs = (name: string, wanted: Record<string, unknown>) =>
    eventually(
      async () => {
        const status = await statusOf(kube.nodeSlots, name);
        return status && Object.entries(wanted).every(([field, value]) => status[field] === value) && status;
      },
      `slot ${name} with ${JSON.stringify(wanted)}`,
    );
  const rosterHas = (id: string, draining: boolean | 'absent') =>
    eventually(async () => {
      const entry = (await directories.roster('eu')).find((node) => node.id === id);
      return draining === 'absent' ? !entry : entry && (entry.draining ?? false) === draining;
    }, `${id} in the roster, draining ${draining}`);
  /** What the operator knew of a key it looks up again; it would do so by itself within a minute. */
  const believed = () => new Promise((resolve) => setTimeout(resolve, 600));
  const podOf = async (name: string) => (await present(kube.pods, `${name}-0`)).metadata;

  test('two zones of a provider share a directory, and it names both with their superpeers and peers', async () => {
    await apply(plane.admin, superpeer('eu-sp', 'eu', { channels: 3 }));
    await apply(
      plane.admin,
      zone('eu', { peers: [{ zone: 'sa' }], regions: [{ name: 'eu', mixes: { replicas: 2 } }] }),
    );
    await apply(plane.admin, zone('sa', { directory: { zoneRef: 'eu' }, peers: [{ zone: 'eu' }] }));
    const config = await eventually(async () => {
      const found = await nodeJson<DirectoryConfig>('eu-directory-0');
      const rosters = found.zones.map(({ roster }) => roster.length);
      return isDeepStrictEqual(rosters, [4, 2]) && found.zones.every(({ peers }) => peers.length === 1) && found;
    }, 'a directory of two zones');
    const { clusterIP } = (await present(kube.services, 'eu-directory')).spec;
    const url = `http://${clusterIP}:8080`;
    const [eu, sa] = await Promise.all([statusOf(kube.zones, 'eu'), statusOf(kube.zones, 'sa')]);
    assert.deepEqual(
      config.zones.map((z) => [z.zone, z.roster.map((r) => r.id)]),
      [
        ['eu', ['eu-eu-mix-0', 'eu-eu-mix-1', 'eu-eu-rendezvous-0', 'eu-sp']],
        ['sa', ['sa-sa-mix-0', 'sa-sa-rendezvous-0']],
      ],
    );
    assert.equal(config.zones[0]!.roster[3]!.channels, 3);
    assert.deepEqual(config.zones[0]!.peers, [{ zone: 'sa', url, rootKey: sa!.rootKey }]);
    assert.deepEqual(config.zones[1]!.peers, [{ zone: 'eu', url, rootKey: eu!.rootKey }]);
    assert.equal(sa!.directoryURL, url);

    const mix = await nodeJson<NodeConfig>('sa-sa-mix-0');
    assert.deepEqual(mix.directory, { url, rootKey: sa!.rootKey });
    const directory = await present(kube.statefulSets, 'eu-directory-0');
    const keys = directory.spec.template.spec!.volumes!.find((v) => v.name === 'keys')!.projected!.sources!;
    assert.deepEqual(
      keys.map((k) => [k.secret!.name, k.secret!.items?.[0]?.path]),
      [
        ['eu-root', 'eu'],
        ['eu-signing', undefined],
        ['sa-root', 'sa'],
        ['sa-signing', undefined],
      ],
    );
    for (const name of ['eu-eu-mix-0', 'eu-eu-rendezvous-0', 'sa-sa-mix-0', 'sa-sa-rendezvous-0', 'eu-sp'])
      await present(kube.statefulSets, name);
    for (const name of ['eu-mix', 'eu-rendezvous', 'eu-superpeer', 'eu-directory', 'sa-mix'])
      await present(kube.podDisruptionBudgets, name);
    assert.equal(await get(kube.services, 'sa-directory'), undefined);
  });

  test('a zone is Ready when its pods are and its signed consensus lists its nodes', async () => {
    await condition(kube.zones, 'sa', 'Ready', 'False', 'NoConsensus');
    directories.registered.set('eu', ['eu-eu-mix-0', 'eu-eu-mix-1', 'eu-eu-rendezvous-0', 'eu-sp']);
    directories.registered.set('sa', ['sa-sa-mix-0']);
    const waiting = await condition(kube.zones, 'sa', 'Ready', 'False', 'NodesNotActive');
    await slotIs('sa-sa-mix-0', { state: 'Active', machine: 'machine-b' });
    await slotIs('sa-sa-rendezvous-0', { state: 'Publishing' });
    assert.match(waiting.message, /sa-sa-rendezvous-0/);
    directories.registered.set('sa', ['sa-sa-mix-0', 'sa-sa-rendezvous-0']);
    await condition(kube.zones, 'sa', 'Ready', 'True');
    await condition(kube.zones, 'eu', 'Ready', 'True');
    await condition(kube.superpeers, 'eu-sp', 'Ready', 'True');
    const eu = await eventually(async () => {
      const status = await statusOf(kube.zones, 'eu');
      return status?.superpeersReady === '1/1' && status;
    }, 'a ready superpeer in the zone’s status');
    assert.deepEqual([eu.epoch, eu.mixesReady, eu.rendezvousReady], [7, '2/2', '1/1']);
  });

  test('when nothing changes nothing is written', async () => {
    const resources = [
      kube.zones,
      kube.superpeers,
      kube.nodeSlots,
      kube.statefulSets,
      kube.configMaps,
      kube.services,
      kube.podDisruptionBudgets,
      kube.pods,
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
      for (const name of ['eu-eu-mix-0', 'eu-sp']) manager.workers.slot.add(`${namespace}/${name}`);
      manager.workers.superpeer.add(`${namespace}/eu-sp`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assert.deepEqual(writes(), []);
    assert.deepEqual(await versions(), before);
  });

  test('the directory’s pod is told of a changed configuration, and not rolled', async () => {
    const { uid } = await podOf('eu-directory-0');
    const hash = async () => (await podOf('eu-directory-0')).annotations![configAnnotation];
    const before = await hash();
    const regions = [{ name: 'eu', mixes: { replicas: 2 } }];
    await apply(plane.admin, zone('eu', { peers: [{ zone: 'sa' }], regions, chaff: { cellsPerTick: 5 } }));
    await eventually(async () => (await hash()) !== before, 'another hash');
    assert.equal((await nodeJson<DirectoryConfig>('eu-directory-0')).zones[0]!.params.meshCellsPerTick, 5);
    assert.equal((await podOf('eu-directory-0')).uid, uid);
  });

  test('a cordoned machine’s slot drains, and its pod is ended when nothing rides on it', async () => {
    const { uid } = await podOf('eu-eu-mix-0');
    const cordon = (unschedulable: boolean) =>
      apply(plane.admin, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: 'machine-a' },
        spec: { unschedulable },
      } as kube.Manifest);
    await cordon(true);
    await slotIs('eu-eu-mix-0', { state: 'Draining', drainReason: 'Cordoned', drained: false });
    await rosterHas('eu-eu-mix-0', true);
    await condition(kube.zones, 'eu', 'Progressing', 'True', 'Draining');
    await condition(kube.zones, 'eu', 'Ready', 'True');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal((await podOf('eu-eu-mix-0')).uid, uid, 'calls ride on it');
    directories.empty.add('eu-eu-mix-0');
    await eventually(async () => (await podOf('eu-eu-mix-0')).uid !== uid, 'another pod');
    await cordon(false);
    await slotIs('eu-eu-mix-0', { state: 'Active', drainReason: undefined });
    await rosterHas('eu-eu-mix-0', false);
    directories.empty.clear();
  });

  test('a slot is at the address of its machine, and its pod is told of another one without an end', async () => {
    const { uid, annotations } = await podOf('eu-eu-mix-0');
    const { address } = (await slotIs('eu-eu-mix-0', { state: 'Active' })) as { address?: string };
    assert.match(address!, /^203\.0\.113\.[0-9]+:21[0-4][0-9]{2}$/);
    assert.equal(annotations!['herd.network/address'], address!.split(':')[0]);
    const annotated = (text: string) =>
      apply(plane.admin, {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: 'machine-a', annotations: { 'herd.network/public-address': text } },
      });
    await annotated('198.51.100.7');
    await slotIs('eu-eu-mix-0', { address: address!.replace(/^[^:]+/, '198.51.100.7') });
    const told = async () => (await podOf('eu-eu-mix-0')).annotations!['herd.network/address'];
    await eventually(async () => (await told()) === '198.51.100.7', 'a pod that is told');
    await annotated('mix.example.net');
    await condition(kube.nodeSlots, 'eu-eu-mix-0', 'Addressed', 'False', 'NotAnAddress');
    assert.equal(await told(), '198.51.100.7', 'where it was');
    await apply(plane.admin, { apiVersion: 'v1', kind: 'Node', metadata: { name: 'machine-a' } });
    await slotIs('eu-eu-mix-0', { address });
    assert.equal((await podOf('eu-eu-mix-0')).uid, uid);
  });

  test('after an upgrade one mix drains and is made anew after the other', async () => {
    const mixes = ['eu-eu-mix-0', 'eu-eu-mix-1'];
    const uids = new Map<string, string>();
    for (const name of mixes) uids.set(name, (await podOf(name)).uid);
    await stopManager();
    await startManager('herd.local/node:next');
    for (const name of mixes) await slotIs(name, { drainReason: 'Outdated' });
    // Whose StatefulSet's status is the first to tell of the new template.
    const first = await eventually(async () => {
      const states = await Promise.all(mixes.map(async (name) => (await statusOf(kube.nodeSlots, name))?.state));
      const i = states.indexOf('Draining');
      return states[1 - i] === 'Active' && mixes[i];
    }, 'one of two that drains');
    const second = mixes.find((name) => name !== first)!;
    await rosterHas(second, false);
    directories.empty.add(first);
    await eventually(async () => (await podOf(first)).uid !== uids.get(first), 'another first pod');
    await slotIs(second, { drainReason: 'Outdated', state: 'Draining' });
    await slotIs(first, { state: 'Active' });
    assert.equal((await podOf(second)).uid, uids.get(second));
    directories.empty.add(second);
    await slotIs(second, { state: 'Active', drainReason: undefined });
    assert.notEqual((await podOf(second)).uid, uids.get(second));
    for (const id of ['eu-eu-rendezvous-0', 'eu-sp', 'sa-sa-mix-0', 'sa-sa-rendezvous-0']) directories.empty.add(id);
    for (const name of ['eu', 'sa']) await condition(kube.zones, name, 'Progressing', 'False', 'Settled');
    directories.empty.clear();
  });

  test('a slot that somebody asks to drain does, stays, and goes on when asked no more', async () => {
    const { uid } = await podOf('eu-sp');
    const ask = (annotations: Record<string, string>) =>
      apply(plane.admin, {
        apiVersion: 'herd.network/v1alpha1',
        kind: 'NodeSlot',
        metadata: { name: 'eu-sp', namespace, annotations },
      });
    await ask({ [drainAnnotation]: 'its host reboots' });
    directories.empty.add('eu-sp');
    await slotIs('eu-sp', { state: 'Draining', drained: true });
    await ask({});
    await slotIs('eu-sp', { state: 'Active', drained: false });
    assert.equal((await podOf('eu-sp')).uid, uid);
    directories.empty.clear();
  });

  test('what a superpeer has carried and earns is in its status, each period once', async () => {
    const dayMs = 86_400_000;
    const today = Math.floor(Date.now() / dayMs) * dayMs;
    const signed = (from: number, valid: number) => ({
      ...{ superpeer: 'eu-sp', identityKey: Buffer.alloc(32).toString('base64'), from, until: from + dayMs },
      ...{ channels: 3, expected: 12_960_000, valid, bad: 5, expelled: false, issuedAt: Date.now() },
    });
    const payment = { amount: '0.0012', currency: 'EUR' };
    await apply(plane.admin, superpeer('eu-sp', 'eu', { channels: 3, payment }));
    directories.receipts.push(signed(today - 3 * dayMs, 12_600_000));
    const paid = (payouts: string[]) =>
      eventually(async () => {
        manager.workers.superpeer.add(`${namespace}/eu-sp`);
        const status = await statusOf(kube.superpeers, 'eu-sp');
        const receipts = (status?.receipts ?? []) as { payout: string }[];
        return isDeepStrictEqual(
          receipts.map(({ payout }) => payout),
          payouts,
        );
      }, `payouts ${payouts}`);
    await paid(['0.084 EUR']);
    directories.receipts.push(signed(today - 3 * dayMs, 1), signed(today - 2 * dayMs, 12_960_000));
    await paid(['0.084 EUR', '0.0864 EUR']);
    const { lastValid, lastPayout } = (await statusOf(kube.superpeers, 'eu-sp'))!;
    assert.deepEqual([lastValid, lastPayout], ['100.0%', '0.0864 EUR']);
    directories.receipts.length = 0;
  });

  test('a superpeer that a mix has found out is out of the roster until somebody readmits it', async () => {
    directories.expelled.set('eu-sp', 'tampering');
    // What a directory says of those who are well is believed for half a minute.
    await eventually(
      async () => {
        manager.workers.superpeer.add(`${namespace}/eu-sp`);
        const trusted = (await statusOf(kube.superpeers, 'eu-sp'))!.conditions.find(({ type }) => type === 'Trusted');
        return trusted?.status === 'False' && /tampering/.test(trusted.message);
      },
      'a superpeer that is not trusted',
      60_000,
    );
    await rosterHas('eu-sp', 'absent');
    directories.expelled.clear();
    await condition(kube.superpeers, 'eu-sp', 'Ready', 'False', 'Expelled');
    const readmit = new Date(Date.now() + 2_000).toISOString();
    const { metadata, ...rest } = superpeer('eu-sp', 'eu', { channels: 3 });
    await apply(plane.admin, { ...rest, metadata: { ...metadata, annotations: { [readmitAnnotation]: readmit } } });
    await rosterHas('eu-sp', false);
    await condition(kube.superpeers, 'eu-sp', 'Ready', 'True');
  });

  test('a mix fewer is drained, out of the roster, and gone with its Secret; the others stay', async () => {
    const spec = { peers: [{ zone: 'sa' }], chaff: { cellsPerTick: 5 } };
    await apply(plane.admin, zone('eu', { ...spec, regions: [{ name: 'eu', mixes: { replicas: 1 } }] }));
    await slotIs('eu-eu-mix-1', { state: 'Draining', drainReason: 'Retired' });
    await rosterHas('eu-eu-mix-1', true);
    await present(kube.pods, 'eu-eu-mix-1-0');
    directories.empty.add('eu-eu-mix-1');
    await rosterHas('eu-eu-mix-1', 'absent');
    for (const [resource, name] of [
      [kube.nodeSlots, 'eu-eu-mix-1'],
      [kube.statefulSets, 'eu-eu-mix-1'],
      [kube.configMaps, 'eu-eu-mix-1'],
      [kube.secrets, 'eu-eu-mix-1-identity'],
    ] as const)
      await absent(resource, name);
    await slotIs('eu-eu-mix-0', { state: 'Active' });
    directories.empty.clear();
  });

  test('a child that someone deletes or edits comes back', async () => {
    const { uid } = (await present(kube.statefulSets, 'eu-eu-mix-0')).metadata;
    await plane.admin.delete(kube.statefulSets, namespace, 'eu-eu-mix-0');
    await eventually(async () => {
      const now = await get(kube.statefulSets, 'eu-eu-mix-0');
      return now !== undefined && now.metadata.uid !== uid;
    }, 'a new eu-eu-mix-0');
    const tampered = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'eu-eu-mix-0', namespace },
      data: { 'node.json': '{}' },
    };
    await plane.admin.apply(kube.configMaps, tampered, 'someone');
    await eventually(async () => (await nodeJson<NodeConfig>('eu-eu-mix-0')).id === 'eu-eu-mix-0', 'its configuration');
  });

  test('a node whose Secret someone deletes gets a new key, which the directory learns', async () => {
    const keyIn = async () => (await nodeJson<DirectoryConfig>('eu-directory-0')).zones[0]!.roster[0]!.identityKey;
    const before = await keyIn();
    await plane.admin.delete(kube.secrets, namespace, 'eu-eu-mix-0-identity');
    await believed();
    manager.workers.slot.add(`${namespace}/eu-eu-mix-0`);
    await eventually(async () => (await keyIn()) !== before, 'another key in the roster');
  });

  test('a published root key is not made anew when its Secret is lost', async () => {
    const secret = (await present(kube.secrets, 'sa-root')) as kube.KubeObject & { data: object };
    const { rootKey } = (await statusOf(kube.zones, 'sa'))!;
    await plane.admin.delete(kube.secrets, namespace, 'sa-root');
    await believed();
    manager.workers.zone.add(`${namespace}/sa`);
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

  test('a paused zone is left as it is', async () => {
    const spec = { directory: { zoneRef: 'eu' }, peers: [{ zone: 'eu' }], paused: true };
    await apply(plane.admin, zone('sa', spec));
    await condition(kube.zones, 'sa', 'Progressing', 'False', 'Paused');
    const paused = async () => ((await present(kube.nodeSlots, 'sa-sa-mix-0')).spec as { paused: boolean }).paused;
    await eventually(paused, 'a paused slot');
    await plane.admin.delete(kube.configMaps, namespace, 'sa-sa-mix-0');
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(await get(kube.configMaps, 'sa-sa-mix-0'), undefined);
    await apply(plane.admin, zone('sa', { ...spec, paused: false }));
    await present(kube.configMaps, 'sa-sa-mix-0');
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

  test('a superpeer that others run is in the roster once somebody approved it', async () => {
    const identityKey = Buffer.alloc(32, 'garage').toString('base64');
    const external = superpeer('garage', 'nowhere', { managed: undefined, external: { identityKey } });
    await apply(plane.admin, external);
    await condition(kube.superpeers, 'garage', 'Ready', 'False', 'NotApproved');
    assert.deepEqual((await directories.roster('nowhere')).map(({ id }) => id).includes('garage'), false);
    const approved = { type: 'Approved', status: 'True', reason: 'Known', message: 'met in person' };
    const times = { observedGeneration: 1, lastTransitionTime: new Date().toISOString().replace(/\.\d+/, '') };
    const { uid } = (await present(kube.superpeers, 'garage')).metadata;
    const metadata = { name: 'garage', namespace, uid };
    const status = { observedGeneration: 1, conditions: [{ ...approved, ...times }] };
    const manifest = { apiVersion: 'herd.network/v1alpha1', kind: 'Superpeer', metadata, status } as kube.Manifest;
    await plane.admin.applyStatus(kube.superpeers, manifest, 'a-person');
    await eventually(async () => {
      const entry = (await directories.roster('nowhere')).find(({ id }) => id === 'garage');
      return entry?.identityKey === identityKey;
    }, 'garage in the roster');
    const { conditions } = (await statusOf(kube.superpeers, 'garage'))!;
    assert.ok(
      conditions.some(({ type, status: said }) => type === 'Approved' && said === 'True'),
      'kept beside ours',
    );
  });

  test('a directory must be of a zone that hosts one and has the same provider', async () => {
    await apply(plane.admin, zone('foreign', { provider: 'south', directory: { zoneRef: 'eu' } }));
    await condition(kube.zones, 'foreign', 'DirectoryReady', 'False', 'DirectoryOfAnotherProvider');
    await apply(plane.admin, zone('chained', { directory: { zoneRef: 'sa' } }));
    await condition(kube.zones, 'chained', 'DirectoryReady', 'False', 'DirectoryNotHosted');
  });

  test('when a zone’s ports are all taken the slots that have none say so, until there are more', async () => {
    const network = (count: number) => ({ network: { ports: { first: 25000, count } } });
    const regions = [{ name: 'ports' }];
    await apply(plane.admin, zone('ports', { regions, ...network(1) }));
    const slots = ['ports-ports-mix-0', 'ports-ports-rendezvous-0'];
    const portsOf = async () => {
      const found = await Promise.all(slots.map((name) => get(kube.nodeSlots, name)));
      return found.map((slot) => (slot?.spec as { port?: number } | undefined)?.port);
    };
    await eventually(async () => (await portsOf()).filter((port) => port === 25000).length === 1, 'one port');
    const without = slots[(await portsOf()).indexOf(undefined)]!;
    await condition(kube.nodeSlots, without, 'PortsGiven', 'False', 'NoFreePort');
    assert.equal(await get(kube.statefulSets, without), undefined);
    await apply(plane.admin, zone('ports', { regions, ...network(2) }));
    await eventually(async () => (await portsOf()).sort().join() === '25000,25001', 'two ports');
    await present(kube.statefulSets, without);
  });

  test('watches go on after their connections were cut', async () => {
    assert.ok(proxy.cut() >= 9);
    await apply(plane.admin, zone('later', { peers: [{ zone: 'unknown' }] }));
    await condition(kube.zones, 'later', 'PeersResolved', 'False', 'PeerNotFound');
    await present(kube.statefulSets, 'later-directory-0');
  });

  test('a deleted zone drains, then leaves nothing behind, and one of the same name starts afresh', async () => {
    const { rootKey } = (await statusOf(kube.zones, 'later'))!;
    directories.registered.set('later', ['later-later-mix-0', 'later-later-rendezvous-0']);
    await slotIs('later-later-mix-0', { state: 'Active' });
    await plane.admin.delete(kube.zones, namespace, 'later');
    await slotIs('later-later-mix-0', { state: 'Draining', drained: false });
    await condition(kube.zones, 'later', 'Ready', 'False', 'Deleted');
    await present(kube.pods, 'eu-directory-0-0');
    for (const id of directories.registered.get('later')!) directories.empty.add(id);
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
    assert.equal(await get(kube.zones, 'later'), undefined);
    await apply(plane.admin, zone('later'));
    await present(kube.statefulSets, 'later-later-mix-0');
    assert.notEqual((await statusOf(kube.zones, 'later'))!.rootKey, rootKey);
  });

  test('a zone that is deleted by force waits for its pods alone, and is gone when its slots are', async () => {
    const ids = directories.registered.get('later')!;
    for (const id of ids) directories.empty.delete(id);
    for (const id of ids) await slotIs(id, { state: 'Active' });
    const force = { metadata: { annotations: { 'herd.network/force': 'true' } } };
    await plane.admin.patch(kube.zones, namespace, 'later', force);
    await plane.admin.delete(kube.zones, namespace, 'later');
    await eventually(async () => (await get(kube.zones, 'later')) === undefined, 'no zone');
    for (const id of ids) assert.equal(await get(kube.nodeSlots, id), undefined, id);
    for (const id of ids) assert.equal(await get(kube.pods, `${id}-0`), undefined, id);
  });

  test('no reconcile failed for want of a permission', () => {
    assert.deepEqual(
      failures.filter((f) => f.includes('forbidden')),
      [],
    );
  });
});
