/** kubectl herd against a real API server, with the operator at work. Pods, directories and what nodes answer are played. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { after, before, suite } from 'node:test';
import { promisify } from 'node:util';
import * as kube from '../../operator/kube/types.ts';
import type { DirectoryConfig } from '../../operator/objects/config.ts';
import { drainAnnotation, readmitAnnotation, rotateAnnotation } from '../../operator/objects/labels.ts';
import { deployments } from '../../plugin/resources.ts';
import { runCommand } from '../../plugin/run.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { type Gate, type Permission, startGate } from './support/gate.ts';
import { apply, install } from './support/install.ts';
import { type PlayedKubelet, playKubelet } from './support/kubelet.ts';
import { type Mirror, startMirror } from './support/mirror.ts';
import { type Faults, playProxy } from './support/played-proxy.ts';
import { superpeer, zone } from './support/samples.ts';
import { World } from './support/world.ts';

const image = 'herd.local/node:test';
const namespace = 'plugged';
const identityKey = Buffer.alloc(32, 'garage').toString('base64');
const plugin = (name: string) => join(import.meta.dirname, '../../plugin', name);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

suite('kubectl herd', { skip }, () => {
  let plane: ControlPlane;
  let kubelet: PlayedKubelet;
  let mirror: Mirror;
  let world: World;
  let gate: Gate;
  let folder: string;
  /** What the command asked the API server for. BOUNDED: by this file. */
  const asked: Permission[] = [];
  const files = new Map<string, string>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'herd-plugin-'));
    plane = await startControlPlane({ controllers: true });
    await install(plane.admin, namespace);
    kubelet = await playKubelet(plane);
    mirror = await startMirror(plane.admin);
    world = new World(plane, mirror, namespace, { onRequest: () => {}, watchLists: true });
    gate = await startGate(plane.adminCluster(), { onRequest: (all) => asked.push(...all), watchLists: true });
    await world.startOperator(image);
    await world.apply(
      zone('eu', { peers: [{ zone: 'sa' }], regions: [{ name: 'eu', mixes: { replicas: 2 } }] }),
      zone('sa', { directory: { zoneRef: 'eu' }, peers: [{ zone: 'eu' }] }),
      superpeer('eu-sp', 'eu'),
      superpeer('garage', 'sa', { managed: undefined, external: { identityKey } }),
    );
    for (const name of ['eu', 'sa'])
      await eventually(() => world.says(kube.zones, name, 'Ready=True'), `zone ${name}`, 60_000);
    const superpeersReady = () =>
      (world.get(kube.zones, 'eu')?.status as { superpeersReady?: string })?.superpeersReady;
    await eventually(() => superpeersReady() === '1/1', 'superpeer eu-sp', 60_000);
    await lead();
  });
  after(async () => {
    await world?.stopOperator();
    await gate?.close();
    await Promise.all([kubelet?.stop(), mirror?.stop()]);
    await plane?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** @param answer what is said when it asks; undefined: nobody is there */
  async function herd(argv: string, answer?: string, faults: Faults = {}): Promise<Ran> {
    let [out, err] = ['', ''];
    const code = await runCommand(argv.split(' '), {
      env: {},
      terminal: {
        out: (text) => {
          out += text;
        },
        err: (text) => {
          err += text;
        },
        ask: answer === undefined ? undefined : async () => answer,
        readFile: async (name) => files.get(name)!,
        writeFile: async (name, text) => void files.set(name, text),
      },
      now: Date.now,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 5)),
      viaProxy: playProxy(mirror, namespace, faults),
      placeOf: async () => ({ cluster: gate.cluster, namespace }),
    });
    return { code, out, err };
  }

  /** As the operator's process does, which is not run here. */
  async function lead(agoMs = 0) {
    const renewTime = new Date(Date.now() - agoMs).toISOString().replace('Z', '000Z');
    const metadata = { name: 'herd-operator', namespace: 'herd-system' };
    const spec = { holderIdentity: 'herd-operator-0', leaseDurationSeconds: 15, renewTime };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec } as kube.Manifest;
    await plane.admin.apply(kube.leases, lease, 'test');
  }

  const slot = (name: string) => world.get(kube.nodeSlots, name);
  const slotIs = (name: string, wanted: string) =>
    eventually(() => (slot(name)?.status as { state?: string })?.state === wanted, `slot ${name} ${wanted}`);
  const annotation = (resource: kube.Resource<kube.KubeObject>, name: string, which: string) =>
    world.get(resource, name)?.metadata.annotations?.[which];
  const roster = (of: string) => {
    const map = world.get(kube.configMaps, 'eu-directory-0')!;
    const { zones } = JSON.parse(map.data!['node.json']!) as DirectoryConfig;
    return zones.find((served) => served.zone === of)!.roster.map(({ id }) => id);
  };

  test('status says that nothing is wrong with a good zone, and what is with the other', async () => {
    const good = await herd('status eu');
    assert.equal(good.code, 0, good.out + good.err);
    assert.match(good.out, /^Nothing is wrong\.\n/);
    assert.match(good.out, /plugged +eu +True +2\/2 +1\/1 +1\/1 +7\n/);
    assert.match(good.out, /eu-eu-mix-0 +mix +eu +Active +machine +circuit-1 23h59m, link-1 29d23h/);
    const both = await herd('status -o json');
    assert.equal(both.code, 1);
    const { zones } = JSON.parse(both.out) as { zones: { name: string; wrong: object[] }[] };
    assert.deepEqual(
      zones.map(({ name, wrong }) => [name, wrong.length]),
      [
        ['eu', 0],
        ['sa', 2],
      ],
      both.out,
    );
    assert.match((await herd('status sa')).out, /Superpeer +garage +NotApproved/);
  });

  test('a zone that is not there is named, with those that are', async () => {
    assert.deepEqual(await herd('status us'), {
      code: 4,
      out: '',
      err: 'kubectl herd: ZONE us: not in namespace plugged; there are: eu, sa\n',
    });
  });

  test('topology draws regions, machines and links', async () => {
    const { code, out } = await herd('topology eu');
    assert.equal(code, 0);
    assert.match(out, /├─ region eu\n│ {2}├─ mix\n│ {2}│ {2}├─ eu-eu-mix-0 {2}Active {2}machine\n/);
    assert.match(out, /└─ links\n {3}└─ sa {2}both ways\n/);
  });

  test('nothing is changed where nobody agrees', async () => {
    const refused = await herd('drain eu-eu-mix-0');
    assert.equal(refused.code, 2);
    assert.match(refused.err, /--yes: missing/);
    assert.match(refused.out, /eu-eu-mix-0 \(mix of zone eu, Active\) drains within 30m/);
    assert.equal((await herd('drain eu-eu-mix-0', 'n')).code, 1);
    const left = await plane.admin.get(kube.nodeSlots, namespace, 'eu-eu-mix-0');
    assert.equal(left!.metadata.annotations?.[drainAnnotation], undefined);
  });

  test('a slot drains and comes back', async () => {
    assert.equal((await herd('drain eu-eu-mix-0', 'y')).code, 0);
    await slotIs('eu-eu-mix-0', 'Draining');
    assert.equal((await herd('status eu')).code, 0, 'it is no fault');
    assert.match((await herd('drain eu-eu-mix-0 --yes')).out, /already/);
    assert.equal((await herd('undrain eu-eu-mix-0 --yes')).code, 0);
    await slotIs('eu-eu-mix-0', 'Active');
  });

  test('of a machine all slots are meant', async () => {
    const { out } = await herd('drain --machine machine', 'n');
    const named = out.split('\n').flatMap((line) => /^(\S+) \(/.exec(line)?.[1] ?? []);
    assert.deepEqual(named, [
      'eu-eu-mix-0',
      'eu-eu-mix-1',
      'eu-eu-rendezvous-0',
      'eu-sp',
      'sa-sa-mix-0',
      'sa-sa-rendezvous-0',
    ]);
    assert.equal((await herd('drain --machine nowhere --yes')).code, 4);
  });

  test('a rotation brings new keys', async () => {
    const keysOf = (resource: kube.Resource<kube.CustomResource>, name: string) =>
      ((world.get(resource, name)?.status as { keys?: { name: string }[] })?.keys ?? []).map((key) => key.name);
    // Keys of the same second would not be older.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal((await herd('rotate eu-eu-mix-0 --yes')).code, 0);
    await eventually(() => keysOf(kube.nodeSlots, 'eu-eu-mix-0').includes('link-2'), 'link-2', 60_000);
    assert.equal(annotation(kube.zones, 'eu', rotateAnnotation), undefined);
    assert.equal((await herd('rotate zone/sa', 'yes')).code, 0);
    await eventually(() => keysOf(kube.zones, 'sa').includes('signing-2'), 'signing-2', 60_000);
  });

  test('a superpeer that others run comes when it is approved and goes into quarantine; one of the zone’s own can’t', async () => {
    assert.equal((await herd('superpeer approve garage', 'n')).code, 1);
    const { code, out } = await herd('superpeer approve garage --yes');
    assert.equal(code, 0);
    assert.ok(out.includes(identityKey), 'what is to be compared');
    await eventually(() => roster('sa').includes('garage'), 'garage in the roster');
    assert.match((await herd('superpeer approve garage --yes')).out, /approved already/);
    assert.equal((await herd('superpeer quarantine garage --yes')).code, 0);
    await eventually(() => !roster('sa').includes('garage'), 'garage out of the roster');
    assert.ok(world.says(kube.superpeers, 'garage', 'Approved=False Quarantined'));
    assert.match((await herd('superpeer readmit garage --yes')).out, /in quarantine: approve takes it back/);
    assert.equal(annotation(kube.superpeers, 'garage', readmitAnnotation), undefined);
    assert.match((await herd('superpeer approve eu-sp --yes')).out, /needs no approval/);
    const own = await herd('superpeer quarantine eu-sp --yes');
    assert.deepEqual([own.code, own.out], [4, '']);
    assert.match(own.err, /no quarantine for those that it runs/);
    assert.equal((await herd('superpeer receipts eu-sp')).out, 'There are no receipts yet.\n');
  });

  test('a paused zone stays as it is until it is resumed', async () => {
    const paused = () => (world.get(kube.zones, 'sa')!.spec as { paused: boolean }).paused;
    assert.equal((await herd('pause sa --yes')).code, 0);
    await eventually(() => paused() && world.says(kube.zones, 'sa', 'Progressing=False Paused'), 'sa paused');
    assert.match((await herd('pause sa --yes')).out, /paused already/);
    assert.equal((await herd('resume sa', 'y')).code, 0);
    await eventually(() => !paused() && world.says(kube.zones, 'sa', 'Ready=True'), 'sa at work');
  });

  const edited = (mixes: number) =>
    zone('eu', { peers: [{ zone: 'sa' }], regions: [{ name: 'eu', mixes: { replicas: mixes } }] });
  const plan = async (mixes: number) => {
    const manifest = edited(mixes);
    files.set('edit.yaml', JSON.stringify({ ...manifest, metadata: { name: 'eu' } }));
    const { code, out, err } = await herd('plan -f edit.yaml -o json');
    assert.equal(code, 0, err);
    return (JSON.parse(out) as { plans: Planned[] }).plans[0]!;
  };
  interface Planned {
    readonly added: readonly { kind: string; name: string }[];
    readonly changed: readonly { kind: string; name: string }[];
    readonly removed: readonly { kind: string; name: string }[];
    readonly drains: readonly { slot: string; reason: string }[];
  }
  const planned = ['ConfigMap', 'NodeSlot', 'PodDisruptionBudget', 'Service', 'StatefulSet'];
  const children = () =>
    mirror
      .in(namespace)
      .filter(({ kind }) => planned.includes(kind))
      .map(({ kind, object }) => `${kind} ${object.metadata.name}`)
      .filter((name) => name !== 'ConfigMap kube-root-ca.crt')
      .sort();
  const named = (all: Planned['added']) => all.map(({ kind, name }) => `${kind} ${name}`).sort();

  test('what is planned comes: of an edit that adds, and one that takes away', async () => {
    const still = await plan(2);
    assert.deepEqual([still.added, still.changed, still.removed], [[], [], []]);

    const before = children();
    const grown = await plan(3);
    assert.deepEqual(children(), before, 'a plan does nothing');
    assert.deepEqual(grown.drains, []);
    await world.apply(edited(3));
    await slotIs('eu-eu-mix-2', 'Active');
    assert.deepEqual(
      children().filter((name) => !before.includes(name)),
      named(grown.added),
    );
    assert.deepEqual(named(grown.changed), ['ConfigMap eu-directory-0']);

    const shrunk = await plan(2);
    assert.deepEqual(
      shrunk.drains.map(({ slot: name, reason }) => `${name} ${reason}`),
      ['eu-eu-mix-2 Retired'],
    );
    await world.apply(edited(2));
    await eventually(() => children().length === before.length, 'the end of eu-eu-mix-2', 60_000);
    assert.deepEqual(children(), before);
    assert.deepEqual(named(shrunk.removed), named(grown.added));
  });

  test('what the API server refuses is refused, all of it', async () => {
    const bad = [
      zone('eu', { provider: 'south' }),
      zone('us', { peers: [{ zone: 'us' }] }),
      superpeer('x-mix-0', 'eu'),
    ];
    const documents = bad.map((manifest) =>
      JSON.stringify({ ...manifest, metadata: { name: manifest.metadata.name } }),
    );
    files.set('bad.yaml', documents.join('\n---\n'));
    const { code, err, out } = await herd('plan -f bad.yaml');
    assert.deepEqual([code, out], [4, '']);
    assert.match(err, /Zone eu: .*provider is immutable/);
    assert.match(err, /Zone us: .*a zone does not peer with itself/);
    assert.match(err, /Superpeer x-mix-0: .*must not end like/);
  });

  const good = async (argv = 'verify eu') => {
    await lead();
    return herd(argv);
  };
  const failing = ({ out }: Ran) =>
    (JSON.parse(out) as { findings: { check: string; result: string; seen: string }[] }).findings.filter(
      ({ result }) => result === 'fail',
    );

  test('verify passes on a good zone', async () => {
    const { code, out, err } = await good();
    assert.equal(code, 0, out + err);
    assert.match(out, /\n17 checks passed, 0 failed, 1 skipped\n$/);
  });

  const faults: [what: string, faults: Faults, check: string, seen: RegExp][] = [
    ['a mix is unreachable', { unreachable: ['eu-eu-mix-0-0'] }, 'metrics', /eu-eu-mix-0-0: no route to host/],
    ['clocks are off', { clockAheadMs: 60_000 }, 'clocks', /eu-eu-mix-0-0 is (59s|1m\d*s?|1m) ahead/],
    ['nodes send less than they should', { sendsLess: 0.9 }, 'rates', /eu-eu-mix-0-0 sends 2\.40 datagrams a tick/],
    ['the directory is behind', { epochsBehind: 3 }, 'freshness', /3 epochs behind/],
    ['a peer is refused', { withoutPeers: true }, 'peers', /sa: the directory has no consensus/],
    ['another signs', { forged: true }, 'signature', /not signed by the zone's root key/],
    ['a key is stale', { keysFromMs: 1 }, 'keys', /the consensus has a link key of 1970/],
  ];
  for (const [what, fault, check, seen] of faults) {
    test(`verify fails when ${what}, and says so`, async () => {
      await lead();
      const ran = await herd('verify eu -o json', undefined, fault);
      assert.equal(ran.code, 1);
      const found = failing(ran);
      assert.deepEqual(
        found.map((finding) => finding.check),
        [check],
        ran.out,
      );
      assert.match(found[0]!.seen, seen);
    });
  }

  test('verify fails when nobody leads, when a pod is not ready, and when the operator has another image', async () => {
    await lead(60_000);
    assert.deepEqual(
      failing(await herd('verify eu -o json')).map(({ check }) => check),
      ['operator'],
    );

    kubelet.hold(namespace, 'eu-sp');
    await eventually(() => !world.says(kube.superpeers, 'eu-sp', 'Ready=True'), 'a superpeer that is down');
    const down = failing(await good('verify eu -o json'));
    kubelet.release(namespace, 'eu-sp');
    assert.ok(
      down.some(({ check, seen }) => check === 'slots' && /eu-sp is Publishing/.test(seen)),
      JSON.stringify(down),
    );
    await eventually(() => world.says(kube.superpeers, 'eu-sp', 'Ready=True'), 'eu-sp again', 60_000);

    const env = (value: string) => ({
      spec: {
        template: {
          spec: { containers: [{ name: 'operator', image: 'x', env: [{ name: 'HERD_NODE_IMAGE', value }] }] },
        },
      },
    });
    await plane.admin.patch(deployments, 'herd-system', 'herd-operator', env('herd.local/node:next'));
    const outdated = failing(await good('verify eu -o json'));
    await plane.admin.patch(deployments, 'herd-system', 'herd-operator', env(image));
    assert.deepEqual(
      outdated.map(({ check }) => check),
      ['images'],
    );
    assert.match(outdated[0]!.seen, /eu-directory-0-0 runs herd\.local\/node:test/);
  });

  test('a report has what helps and nothing that harms, and no Secret is asked for, here or by any verb', async () => {
    const token = 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2lnbmF0dXJl';
    const metadata = { name: 'planted', namespace };
    const planted: kube.Manifest & { stringData: object } = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      stringData: { password: 'correct-horse' },
    };
    await apply(plane.admin, planted);
    await plane.raw('POST', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, {
      metadata: { name: 'planted' },
      eventTime: new Date().toISOString().replace('Z', '000Z'),
      reportingController: 'test',
      reportingInstance: 'test',
      action: 'Test',
      type: 'Warning',
      reason: 'Planted',
      regarding: { apiVersion: 'herd.network/v1alpha1', kind: 'Zone', name: 'eu', namespace },
      note: `192.0.2.77 and 2001:db8::77 said ${token}, password ${identityKey}`,
    });
    const { code, out } = await herd('report -f bundle.json');
    assert.equal(code, 0, out);
    const bundle = files.get('bundle.json')!;
    assert.match(bundle, /"\[ip \d+\] and \[ip \d+\] said \[token\], password \[key \d+\]"/);
    for (const secret of ['correct-horse', '192.0.2.77', '2001:db8::77', token, identityKey])
      assert.ok(!bundle.includes(secret), secret);
    const { rootKey } = world.get(kube.zones, 'eu')!.status as { rootKey: string };
    const { clusterIP } = world.get(kube.services, 'eu-directory')!.spec;
    const { podIP } = world.get(kube.pods, 'eu-eu-mix-0-0')!.status!;
    for (const text of [rootKey, clusterIP!, podIP!]) assert.ok(!bundle.includes(text), text);
    const seen = JSON.parse(bundle) as Record<string, { metadata: { name: string } }[]>;
    assert.deepEqual(
      seen.zones!.map((each) => each.metadata.name),
      ['eu', 'sa'],
    );
    assert.equal(seen.pods!.length, 7);
    assert.ok(!Object.values(seen).some((part) => (part as { problem?: string }).problem), bundle.slice(0, 2_000));
    assert.deepEqual(
      asked.filter(({ resource }) => resource?.startsWith('secrets')),
      [],
    );
  });

  test('the API server’s proxy brings what a pod says, with the time of the pod’s clock', async (t) => {
    const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const own = addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
    // To 127.0.0.1 it takes nobody.
    if (!own) return t.skip('the machine has no address but its own');
    const server = createServer((request, response) => {
      response.writeHead(200, { date: 'Thu, 01 Jan 2026 00:00:05 GMT' }).end(`${request.url}\n`);
    }).listen(0, own);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const metadata = { name: 'speaker', namespace };
    const spec = { nodeName: 'machine', containers: [{ name: 'speaker', image: 'x' }] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata };
    await plane.admin.create(kube.pods, { ...pod, spec } as kube.Manifest);
    const status = { phase: 'Running', podIP: own, podIPs: [{ ip: own }] };
    await plane.admin.applyStatus(kube.pods, { ...pod, status } as kube.Manifest, 'test');
    try {
      const path = `/api/v1/namespaces/${namespace}/pods/speaker:${port}/proxy/metrics`;
      assert.deepEqual(await plane.admin.read(path), {
        text: '/metrics\n',
        dateMs: Date.parse('2026-01-01T00:00:05Z'),
      });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  /** A kubeconfig whose user's credential comes from a program, as those of clouds do. */
  async function kubeconfigs() {
    const given = JSON.parse(await readFile(await plane.operatorKubeconfig(), 'utf8'));
    const { token } = given.users[0].user;
    const script = join(folder, 'login');
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } };
    await writeFile(script, `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`, { mode: 0o755 });
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: script, interactiveMode: 'Never' };
    const first = { ...given, 'current-context': 'nowhere', users: [], contexts: [] };
    const second = {
      ...given,
      clusters: [],
      users: [{ name: 'user', user: { exec } }],
      contexts: [{ name: 'here', context: { cluster: 'test', user: 'user', namespace } }],
    };
    const paths = [join(folder, 'first'), join(folder, 'second')];
    await writeFile(paths[0]!, JSON.stringify(first));
    await writeFile(paths[1]!, JSON.stringify(second));
    return paths.join(delimiter);
  }

  test('kubectl finds the command and its completion, and the command its cluster as kubectl does, and logs in by a program', async () => {
    const path = [plugin(''), process.env.HERD_KUBERNETES_BIN, process.env.PATH].join(delimiter);
    const env = { PATH: path, HOME: folder, KUBECONFIG: await kubeconfigs() };
    const run = async (program: string, ...words: string[]) =>
      promisify(execFile)(program, words, { env }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
      );
    const good = await run('kubectl', 'herd', 'status', 'eu', '--context', 'here', '-o', 'yaml');
    assert.match(good.stdout, /namespace: plugged\n {4}name: eu\n {4}wrong: \[\]\n/, good.stderr);
    const lost = await run('kubectl', 'herd', 'status');
    assert.equal(lost.code, 3);
    assert.match(lost.stderr, /the current context is not in it; there are: here/);
    const complete = async (...words: string[]) => (await run('kubectl', '__complete', 'herd', ...words)).stdout;
    assert.equal(
      await complete('--context', 'here', 'drain', 'eu-eu-'),
      'eu-eu-mix-0\neu-eu-mix-1\neu-eu-rendezvous-0\n:4\n',
    );
    assert.equal(await complete('--context', ''), 'here\n:4\n');
    assert.equal(await complete('--context', 'here', 'superpeer', 'approve', ''), 'eu-sp\ngarage\n:4\n');
  });
});
