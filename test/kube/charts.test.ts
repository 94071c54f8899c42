/**
 * The charts under both majors of Helm: they render what manifests/dist has, refuse values that they don't know by name,
 * and in a real API server they are installed, upgraded from an older one, checked and uninstalled, and Zones stay.
 */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, suite } from 'node:test';
import { exec } from '../../lab/host/exec.ts';
import { helm, helmReleases } from '../../lab/kubernetes/helm.ts';
import { monitoring } from '../../manifests/monitoring.ts';
import { kubernetes } from '../../manifests/release.ts';
import { probeObjects } from '../../monitoring/probe.ts';
import { customResourceDefinitions } from '../../operator/api/schema.ts';
import { type Manifest, pods, zones } from '../../operator/kube/types.ts';
import { documents } from '../yaml.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { namespace, zone } from './support/samples.ts';
import { root, type Tools, toolsOf } from './support/tools.ts';

const chart = join(root, 'charts/herd');
const crdsChart = join(root, 'charts/herd-crds');
const operatorNamespace = 'herd-system';

type Objects = ReadonlyMap<string, Manifest>;
/** By kind, namespace and name, without what Helm alone reads. */
function objectsOf(yaml: string): Objects {
  const objects = documents<Manifest | null>(yaml).filter((object) => object !== null);
  return new Map(
    objects.map((object) => {
      const { annotations = {}, ...metadata } = object.metadata;
      const others = Object.entries(annotations).filter(([name]) => !name.startsWith('helm.sh/'));
      const kept = others.length > 0 ? { annotations: Object.fromEntries(others) } : {};
      const key = `${object.kind} ${metadata.namespace ?? ''} ${metadata.name}`;
      return [key, { ...object, metadata: { ...metadata, ...kept } }];
    }),
  );
}

async function written(...names: string[]): Promise<Objects> {
  const texts = names.map((name) => readFile(join(root, 'manifests/dist', `${name}.yaml`), 'utf8'));
  const all = (await Promise.all(texts)).map(objectsOf).flatMap((objects) => [...objects]);
  // Helm makes the namespace.
  return new Map(all.filter(([, { kind }]) => kind !== 'Namespace'));
}

for (const release of helmReleases) {
  suite(`Helm ${release.version}, without a cluster`, () => {
    let program: string;
    before(async () => {
      program = await helm(release);
    });

    const template = (chart: string, ...args: string[]) =>
      exec(program, [
        ...['template', 'herd', chart, '--namespace', operatorNamespace],
        ...['--kube-version', kubernetes.oldest, ...args],
      ]);
    const rendered = async (...values: string[]) =>
      objectsOf(await template(chart, ...values.flatMap((value) => ['--set', value])));

    /** What Helm said of values that it did not take; not how it was called. */
    const refusal = async (...values: string[]) => {
      const error = await rendered(...values).then(
        () => assert.fail(`${values} is taken`),
        (error: Error) => error,
      );
      assert.ok(error.message.includes('Error: '), error.message);
      return error.message.slice(error.message.indexOf('Error: '));
    };

    test('lint finds nothing', async () => {
      const said = await exec(program, ['lint', '--strict', '--kube-version', kubernetes.oldest, chart, crdsChart]);
      assert.match(said, /2 chart\(s\) linted, 0 chart\(s\) failed/);
    });

    test('the chart and the manifests are the same objects', async () => {
      assert.deepEqual(await rendered(), await written('herd', 'selfcheck'));
    });

    test('the definitions are the same in both charts, and in one only when that is asked for', async () => {
      const { oldest } = kubernetes;
      const alone = await exec(program, ['template', 'herd-crds', crdsChart, '--kube-version', oldest]);
      const without = await rendered('crds.enabled=false');
      assert.deepEqual(new Map([...objectsOf(alone), ...without]), await rendered());
      assert.ok([...without.values()].every(({ kind }) => kind !== 'CustomResourceDefinition'));
    });

    test('with monitoring switched on there are its objects as well, for the Prometheus that is asked for', async () => {
      const known = ['--api-versions', 'monitoring.coreos.com/v1'];
      const on = Object.keys(monitoring).map((name) => `monitoring.${name}.enabled=true`);
      const plain = objectsOf(await template(chart, ...known, '--set', on.join(',')));
      assert.deepEqual(plain, await written('herd', 'selfcheck', 'monitoring'));
      const values = [...on, 'monitoring.labels.release=prometheus', 'namespaces={a,b}'].join(',');
      const labelled = objectsOf(await template(chart, ...known, '--set', values));
      const monitor = labelled.get(`PodMonitor ${operatorNamespace} herd-nodes`) as Manifest & { spec: object };
      assert.equal(monitor.metadata.labels!.release, 'prometheus');
      assert.deepEqual({ ...monitor.spec, namespaceSelector: 0 }, { ...specOf(plain, monitor), namespaceSelector: 0 });
      assert.deepEqual((monitor.spec as { namespaceSelector: object }).namespaceSelector, { matchNames: ['a', 'b'] });
    });

    const specOf = (objects: Objects, { kind, metadata }: Manifest) =>
      (objects.get(`${kind} ${metadata.namespace} ${metadata.name}`) as Manifest & { spec: object }).spec;

    test('monitoring that the cluster does not know is refused by the name of its switch', async () => {
      assert.match(await refusal('monitoring.podMonitor.enabled=true'), /monitoring\.podMonitor\.enabled/);
    });

    test('in another namespace nothing is left of the usual one', async () => {
      const text = await exec(program, [
        'template',
        ...['herd', chart, '--namespace', 'elsewhere', '--kube-version', kubernetes.oldest],
      ]);
      assert.ok(text.includes('namespace: elsewhere') && !text.includes(operatorNamespace));
    });

    test('with namespaces named, the operator sees machines in the whole cluster and nothing else', async () => {
      const objects = [...(await rendered('namespaces={a,b}')).keys()];
      const roles = objects.filter((key) => /^(Cluster)?Role .*herd-operator/.test(key)).sort();
      assert.deepEqual(roles, [
        'ClusterRole  herd-operator-machines',
        'Role a herd-operator',
        'Role b herd-operator',
        `Role ${operatorNamespace} herd-operator-own`,
      ]);
    });

    test('values change in the Deployment what they name and nothing else', async () => {
      const values = {
        image: 'registry.example/operator@sha256:0',
        nodeImage: 'registry.example/node@sha256:1',
        imagePullSecrets: [{ name: 'pull' }],
        namespaces: ['a', 'b'],
        replicas: 2,
        resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } },
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }],
        affinity: { nodeAffinity: {} },
        podAnnotations: { note: '1' },
      };
      const folder = await mkdtemp(join(tmpdir(), 'herd-values-'));
      const file = join(folder, 'values.json');
      await writeFile(file, JSON.stringify(values));
      const objects = objectsOf(await template(chart, '--values', file));
      await rm(folder, { recursive: true });

      const key = `Deployment ${operatorNamespace} herd-operator`;
      const expected = structuredClone((await written('herd')).get(key)) as unknown as Deployment;
      const { imagePullSecrets, nodeSelector, tolerations, affinity } = values;
      const { metadata, spec } = expected.spec.template;
      expected.spec.replicas = values.replicas;
      metadata.annotations = values.podAnnotations;
      Object.assign(spec, { imagePullSecrets, nodeSelector, tolerations, affinity });
      const container = spec.containers[0]!;
      Object.assign(container, { image: values.image, resources: values.resources });
      container.env.find(({ name }) => name === 'HERD_NODE_IMAGE')!.value = values.nodeImage;
      container.env.find(({ name }) => name === 'HERD_NAMESPACES')!.value = 'a,b';
      assert.deepEqual(objects.get(key), expected);
      assert.ok(objects.has(`PodDisruptionBudget ${operatorNamespace} herd-operator`));
    });

    test('there is a client for each probe, which its values alone tell of', async () => {
      const directory = { url: 'http://directory.eu:8080', rootKey: `${'a'.repeat(43)}=` };
      const calls = { contact: `herd:na:${'a'.repeat(52)}:abcd`, everySeconds: 60, callSeconds: 8 };
      const values = [
        { name: 'eu-na', zone: 'eu', directory, identitySecret: 'eu-na', nodeSelector: { region: 'eu' }, calls },
        { name: 'na-answers', zone: 'na', directory, identitySecret: 'na' },
      ];
      const folder = await mkdtemp(join(tmpdir(), 'herd-values-'));
      const file = join(folder, 'values.json');
      await writeFile(file, JSON.stringify({ nodeImage: 'registry.example/node', probes: values }));
      const objects = objectsOf(await template(chart, '--values', file));
      await rm(folder, { recursive: true });
      for (const { calls, nodeSelector = {}, ...value } of values) {
        const image = 'registry.example/node';
        const probe = { ...value, calls, nodeSelector, image, namespace: operatorNamespace };
        for (const expected of probeObjects(probe)) {
          const { kind, metadata } = expected;
          const found = objects.get(`${kind} ${metadata.namespace} ${metadata.name}`);
          assert.deepEqual(unhashed(found), unhashed(expected));
        }
      }
      const hashes = [...objects.values()].flatMap((object) => JSON.stringify(object).match(CONFIG_HASH) ?? []);
      assert.equal(new Set(hashes).size, values.length);
    });

    const CONFIG_HASH = /"herd.network\/config-hash":"[0-9a-f]{64}"/g;
    /** The file as an object: Helm orders its fields. */
    const unhashed = (object: unknown) => {
      const plain = JSON.parse(JSON.stringify(object).replace(CONFIG_HASH, '"hash":""'));
      if (plain.data) plain.data = JSON.parse(plain.data['node.json']);
      return plain;
    };

    interface Deployment {
      readonly spec: {
        replicas: number;
        readonly template: {
          readonly metadata: { annotations?: object };
          readonly spec: { readonly containers: { readonly env: { name: string; value?: string }[] }[] };
        };
      };
    }

    for (const [value, field] of [
      ['replicas=two', /replicas/],
      ['replicas=0', /replicas/],
      ['replcas=2', /replcas/],
      ['image=', /image/],
      ['image=an image', /image/],
      ['nodeImage=1', /nodeImage/],
      ['namespaces={Not_One}', /namespaces/],
      ['tolerations[0].effect=Never', /tolerations/],
      ['imagePullSecrets={pull}', /imagePullSecrets/],
      ['resources.limit.memory=1Gi', /limit/],
      ['nodeSelector.disk=1', /nodeSelector/],
      ['crds.enabled=perhaps', /crds/],
      ['probes[0].name=No Name', /probes/],
      ['monitoring.podMonitr.enabled=true', /podMonitr/],
      ['monitoring.podMonitor.enabled=perhaps', /podMonitor/],
    ] as const)
      test(`${value} is refused, by name`, async () => assert.match(await refusal(value), field));

    test('all that is wrong is said at once, and what is of other charts is none of it', async () => {
      const said = await refusal('replicas=two', 'image=', 'global.x=1');
      assert.ok(/replicas/.test(said) && /image/.test(said) && !/global/.test(said), said);
      await rendered('global.x=1');
    });
  });
}

for (const release of helmReleases) {
  suite(`Helm ${release.version}, in a cluster`, { skip }, () => {
    let plane: ControlPlane;
    let tools: Tools;
    let program: string;
    let uid: string;
    before(async () => {
      program = await helm(release);
      plane = await startControlPlane({ controllers: false });
      tools = await toolsOf(plane);
      await tools.kubectl(['create', 'namespace', namespace]);
      await tools.kubectl(['create', 'namespace', operatorNamespace]);
      await tools.kubectl(['label', 'namespace', operatorNamespace, 'pod-security.kubernetes.io/enforce=restricted']);
    });
    after(async () => {
      await tools?.stop();
      await plane?.stop();
    });

    const run = (command: string, ...args: string[]) =>
      tools.helm(program, [command, ...args, '--namespace', operatorNamespace]);
    const get = (...what: string[]) => tools.kubectl(['get', '--ignore-not-found', '--output', 'name', ...what]);
    const field = (object: string, path: string) =>
      tools.kubectl(['get', object, '--namespace', operatorNamespace, '--output', `jsonpath={${path}}`]);
    const definitions = customResourceDefinitions().map(
      ({ metadata }) => `customresourcedefinition.apiextensions.k8s.io/${metadata.name}`,
    );

    test('what is rendered passes the server’s validation', async () => {
      const { oldest } = kubernetes;
      const text = await run('template', 'herd', chart, '--kube-version', oldest, '--skip-tests');
      const args = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'];
      const { size } = await written('herd', 'selfcheck');
      // Without the pod of the self-check, which is a hook.
      assert.equal((await tools.kubectl(args, text)).trim().split('\n').length, size - 1);
    });

    test('an older chart is installed, and says what to do next', async () => {
      const said = await run('install', 'herd', await olderChart(join(tools.folder, 'older')));
      assert.match(said, /^STATUS: deployed$/m);
      for (const next of ['rollout status deployment/herd-operator', 'helm test herd', 'kind: Zone', 'are kept'])
        assert.ok(said.includes(next), next);
      await eventually(() => plane.admin.list(zones), 'the Zone API');
      uid = (await plane.admin.apply(zones, zone('eu'), 'test')).metadata.uid;
    });

    test('an upgrade brings what is new, definitions too, and leaves Zones alone', async () => {
      assert.equal(await field('crd/zones.herd.network', '.spec.names.shortNames'), '');
      assert.equal(await get('service/herd-operator', '--namespace', operatorNamespace), '');
      assert.match(await run('upgrade', 'herd', chart, '--set', 'replicas=2'), /^STATUS: deployed$/m);
      assert.equal(await field('crd/zones.herd.network', '.spec.names.shortNames[0]'), 'hz');
      assert.equal(await field('deployment/herd-operator', '.spec.replicas'), '2');
      assert.equal(await field('pdb/herd-operator', '.spec.maxUnavailable'), '1');
      assert.equal(await field('service/herd-operator', '.spec.ports[0].name'), 'metrics');
      assert.equal((await plane.admin.get(zones, namespace, 'eu'))?.metadata.uid, uid);
      await run('upgrade', 'herd', chart, '--reset-values');
      assert.equal(await get('pdb/herd-operator', '--namespace', operatorNamespace), '');
    });

    test('helm test passes when the self-check does, with the rights that the chart gives', async () => {
      // The operator's are the chart's as well.
      const operator = await tools.startOperator();
      try {
        const passed = run('test', 'herd', '--timeout', '60s');
        passed.catch(() => {});
        const pod = await selfcheckPod();
        assert.deepEqual(pod.spec!.containers[0]!.args, ['operator/selfcheck.ts']);
        assert.equal(pod.spec!.serviceAccountName, 'herd-selfcheck');
        const { code, said } = await tools.selfcheck(operator.port);
        assert.equal(code, 0, said.join('\n'));
        await endPod('Succeeded');
        assert.match(await passed, /^Phase: +Succeeded$/m);
      } finally {
        await operator.stop();
      }
    });

    test('helm test fails when the self-check does', async () => {
      const before = (await selfcheckPod()).metadata.uid;
      const failed = run('test', 'herd', '--timeout', '60s');
      failed.catch(() => {});
      await eventually(async () => (await selfcheckPod()).metadata.uid !== before, 'a pod of its own');
      await endPod('Failed');
      await assert.rejects(failed, /herd-selfcheck/);
    });

    const selfcheckPod = () =>
      eventually(() => plane.admin.get(pods, operatorNamespace, 'herd-selfcheck'), 'the self-check’s pod');
    /** There is no kubelet: the test is it. */
    const endPod = (phase: string) => {
      const metadata = { name: 'herd-selfcheck', namespace: operatorNamespace };
      const status = { phase, containerStatuses: [] };
      return plane.admin.applyStatus(pods, { apiVersion: 'v1', kind: 'Pod', metadata, status } as Manifest, 'kubelet');
    };

    test('the definitions go over to their own chart', async () => {
      await run('upgrade', 'herd', chart, '--set', 'crds.enabled=false');
      await run('install', 'herd-crds', crdsChart, '--take-ownership');
      const owner = '.metadata.annotations.meta\\.helm\\.sh/release-name';
      for (const definition of definitions) assert.equal(await field(definition, owner), 'herd-crds');
    });

    test('uninstalled, nothing is left but definitions and what people made, and Helm says so', async () => {
      await run('uninstall', 'herd');
      assert.match(await run('uninstall', 'herd-crds'), /kept due to the resource policy.*zones\.herd\.network/s);
      const left = ['herd', 'selfcheck'].flatMap((name) => ['-f', join(root, 'manifests/dist', `${name}.yaml`)]);
      const others = [`namespace/${operatorNamespace}`, 'pod/herd-selfcheck'];
      assert.deepEqual((await get(...left)).trim().split('\n').sort(), [...definitions, ...others].sort());
      assert.equal((await plane.admin.get(zones, namespace, 'eu'))?.metadata.uid, uid);
    });
  });
}

/** The chart as it might have been one version ago: a definition with less, and no Service. */
async function olderChart(folder: string): Promise<string> {
  await cp(chart, folder, { recursive: true });
  const edit = async (file: string, from: RegExp, to: string) => {
    const text = await readFile(join(folder, file), 'utf8');
    assert.match(text, from, file);
    await writeFile(join(folder, file), text.replace(from, to));
  };
  await edit('Chart.yaml', /^version: .*$/m, 'version: 0.0.1');
  await edit('templates/crds.yaml', /^ {4}shortNames:\n {6}- hz\n/m, '');
  await edit('objects/operator.yaml', / {2}- apiVersion: v1\n {4}kind: Service\n.*?(?= {2}- apiVersion)/s, '');
  return folder;
}
