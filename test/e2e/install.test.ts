/**
 * What a provider does with the charts and with the one file, on the local cluster, where what they install really runs:
 * installed, a zone made as Helm says, upgraded, checked, uninstalled with the zone going on, installed again, removed.
 * The API server has Pod Security admission, as it has by default.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after, before, suite } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exec } from '../../lab/host/exec.ts';
import { Progress } from '../../lab/host/progress.ts';
import { openRun, type Run } from '../../lab/host/run.ts';
import { helm, helmReleases } from '../../lab/kubernetes/helm.ts';
import { run } from '../../lab/kubernetes/kubectl.ts';
import { type LocalCluster, startLocalCluster } from '../../lab/local-cluster.ts';

const skip = process.env.HERD_KUBERNETES_BIN ? false : 'needs a machine that can run the local cluster';
const root = path.join(import.meta.dirname, '..', '..');
const chart = path.join(root, 'charts', 'herd');
const theFile = path.join(root, 'manifests', 'dist', 'herd.yaml');
/** As in manifests/README.md. */
const allButDefinitions = ['-f', theFile, '--selector', 'app.kubernetes.io/component=operator'];
const system = 'herd-system';
const [older, newer] = helmReleases;
const READY_MS_MAX = 120_000;

suite('installed on the local cluster', { skip }, () => {
  let lab: Run;
  let local: LocalCluster;
  let folder: string;
  /** Helm's and kubectl's place and settings, and nothing of the machine's user. */
  let env: NodeJS.ProcessEnv;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'herd-install-'));
    lab = await openRun();
    local = await startLocalCluster(lab, new Progress(process.stderr));
    const { cluster, images } = local;
    const named = { [images.operator]: 'herd-operator', [images.node]: 'herd-node' };
    for (const [image, name] of Object.entries(named))
      for (const tag of ['0.1.0', '0.1.1']) await cluster.faults.tagImage(image, `docker.io/library/${name}:${tag}`);
    await symlink(cluster.kubectlPath, path.join(folder, 'kubectl'));
    env = { HOME: folder, KUBECONFIG: cluster.kubeconfigPath, PATH: `${folder}:/usr/bin:/bin` };
    // One region of four machines, each with an address at which all parties reach it.
    await kubectl('label', 'nodes', '--all', '--overwrite', 'topology.kubernetes.io/region=eu');
    for (const { name, node } of cluster.regions)
      await kubectl('annotate', 'node', name, `herd.network/public-address=${node}`);
  });
  after(async () => {
    await lab?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const kubectl = (...args: string[]) => run(local.kubectl, args);
  const field = (object: string, namespace: string, path: string) =>
    kubectl('get', object, '-n', namespace, '-o', `jsonpath={${path}}`);
  const use = async (release: (typeof helmReleases)[number]) => {
    await rm(path.join(folder, 'helm'), { force: true });
    await symlink(await helm(release), path.join(folder, 'helm'));
  };
  const sh = (script: string) => exec('sh', ['-ec', script], { env, cwd: root });
  const helmSays = (...args: string[]) => exec(path.join(folder, 'helm'), [...args, '--namespace', system], { env });

  /** Which pods of a zone there are, how often their containers have been started, and that they are ready. */
  const podsOf = async (zone: string, namespace: string) => {
    const text = await kubectl('get', 'pods', '-n', namespace, '-l', `herd.network/zone=${zone}`, '-o', 'json');
    const { items } = JSON.parse(text) as { items: Pod[] };
    return items.map(({ metadata, status }) => {
      const [container] = status.containerStatuses ?? [];
      return `${metadata.name} ${metadata.uid} ${container?.restartCount} ${container?.ready}`;
    });
  };
  interface Pod {
    readonly metadata: { readonly name: string; readonly uid: string };
    readonly status: { readonly containerStatuses?: readonly { restartCount: number; ready: boolean }[] };
  }
  const isReady = '.status.conditions[?(@.type=="Ready")].status';

  /** Of a zone that is Ready: through all of `work` it stays so, and its pods are the same. */
  async function undisturbed(zone: string, namespace: string, work: () => Promise<void>): Promise<void> {
    const [pods, uid] = [await podsOf(zone, namespace), await field(`zone/${zone}`, namespace, '.metadata.uid')];
    assert.equal(pods.length, 3);
    const args = ['get', 'zone', zone, '-n', namespace, '--watch', '-o', `jsonpath={${isReady}}{"\\n"}`];
    const watch = spawn(local.cluster.kubectlPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let seen = '';
    watch.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    try {
      await work();
    } finally {
      watch.kill();
    }
    assert.match(seen, /^(True\n)+$/);
    assert.equal(await field(`zone/${zone}`, namespace, '.metadata.uid'), uid);
    assert.deepEqual(await podsOf(zone, namespace), pods);
  }

  const available = () =>
    kubectl('rollout', 'status', 'deployment/herd-operator', '-n', system, `--timeout=${READY_MS_MAX / 1000}s`);

  /** The operator does what it is for: what the zone says next is seen, and the zone is Ready with it. */
  async function works(zone: string, namespace: string): Promise<void> {
    const more = 1 + Number(await field(`zone/${zone}`, namespace, '.spec.directClients'));
    const spec = JSON.stringify({ spec: { directClients: more } });
    await kubectl('patch', 'zone', zone, '-n', namespace, '--type=merge', '--patch', spec);
    const generation = await field(`zone/${zone}`, namespace, '.metadata.generation');
    await eventually('the operator sees the zone', async () => {
      const status = await field(`zone/${zone}`, namespace, '.status.observedGeneration');
      return status === generation && (await field(`zone/${zone}`, namespace, isReady)) === 'True';
    });
  }

  async function eventually(what: string, ask: () => Promise<boolean>): Promise<void> {
    for (const end = performance.now() + READY_MS_MAX; performance.now() < end; await sleep(500)) {
      lab.check();
      if (await ask()) return;
    }
    const objects = await kubectl('get', 'zones,nodeslots,pods,events', '-A', '-o', 'wide');
    throw new Error(`${what}: not within ${READY_MS_MAX / 1000} s\n${objects}`);
  }

  const refusal = async (pod: object, namespace: string) => {
    const { code, stderr } = await local.kubectl(['create', '-n', namespace, '-f', '-'], {
      input: JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'stranger' }, spec: pod }),
    });
    assert.notEqual(code, 0);
    return stderr;
  };
  const container = { name: 'one', image: 'herd-node:0.1.0' };

  suite('by the chart', () => {
    test('it is installed by an older Helm, and what Helm says to do next ends with a zone that is Ready', async (t) => {
      await use(older!);
      const from = performance.now();
      const said = await helmSays('install', 'herd', await chartOf('0.0.9'), '--create-namespace');
      const steps = stepsIn(said);
      const commands = steps.filter((line) => /^(kubectl|helm) /.test(line)).length + 1;
      await sh(steps.join('\n'));
      t.diagnostic(`${commands} commands, ${((performance.now() - from) / 1000).toFixed(1)} s to the first Ready zone`);
      assert.equal(await field('zone/eu', 'herd', isReady), 'True');
    });

    test('Pod Security holds the operator’s namespace, and the policy that of the nodes', async () => {
      assert.match(await refusal({ containers: [container] }, system), /violates PodSecurity "restricted/);
      const hostPath = { name: 'all', hostPath: { path: '/' } };
      assert.match(await refusal({ containers: [container], volumes: [hostPath] }, 'herd'), /herd-nodes.*hostPath/);
    });

    test('an upgrade to another chart, image and number of operators leaves the zone Ready and its pods alone', () =>
      undisturbed('eu', 'herd', async () => {
        const values = 'replicas=2,image=herd-operator:0.1.1,podAnnotations.note=next';
        assert.match(await helmSays('upgrade', 'herd', chart, '--set', values), /^STATUS: deployed$/m);
        await available();
        assert.equal(await field('deployment/herd-operator', system, '.status.readyReplicas'), '2');
        await works('eu', 'herd');
      }));

    test('helm test passes', async () => {
      assert.match(await helmSays('test', 'herd', '--timeout', '60s'), /^Phase: +Succeeded$/m);
    });

    test('uninstalled, the zone goes on, and Helm says that it is kept', () =>
      undisturbed('eu', 'herd', async () => {
        const said = await helmSays('uninstall', 'herd', '--wait');
        assert.match(said, /kept due to the resource policy.*zones\.herd\.network/s);
        await eventually(
          'no operator is left',
          async () => !(await kubectl('get', 'pods', '-n', system)).includes('operator'),
        );
      }));

    test('installed again, by a newer Helm, it takes the zone over', () =>
      undisturbed('eu', 'herd', async () => {
        await use(newer!);
        await helmSays('install', 'herd', chart, '--wait');
        await works('eu', 'herd');
        assert.match(await helmSays('test', 'herd', '--timeout', '60s'), /^Phase: +Succeeded$/m);
      }));

    test('removed as the chart’s README says, nothing is left of it', async () => {
      const readme = await readFile(path.join(chart, 'README.md'), 'utf8');
      const [, block] = /To be rid of all of it[\s\S]*?\n\n((?: {4}.*\n)+)/.exec(readme)!;
      await noWaiting();
      await sh(block!);
      await kubectl('delete', 'namespace', 'herd');
      await nothingLeft();
    });
  });

  suite('by the one file', () => {
    test('as it is, it installs an operator that works, and the samples are let in', async () => {
      await kubectl('apply', '--server-side', '-f', theFile);
      await available();
      await kubectl('apply', '--server-side', '-f', path.join(root, 'manifests', 'dist', 'samples.yaml'));
      // Not all can be placed here: eight machines are asked for.
      await eventually('every node of the samples has its pod', async () => {
        const made = await kubectl('get', 'statefulsets', '-n', 'herd', '-o', 'jsonpath={.items[*].status.replicas}');
        return made === Array(9).fill('1').join(' ');
      });
      await noWaiting();
      await kubectl('delete', '-f', path.join(root, 'manifests', 'dist', 'samples.yaml'), '--timeout=120s');
    });

    test('a zone in the pod network becomes Ready in a namespace that is restricted', async () => {
      await kubectl('create', 'namespace', 'pods');
      await kubectl('label', 'namespace', 'pods', 'pod-security.kubernetes.io/enforce=restricted');
      const spec = { provider: 'south', jurisdiction: 'EU', regions: [{ name: 'eu' }], network: { mode: 'Pod' } };
      const zone = { apiVersion: 'herd.network/v1alpha1', kind: 'Zone', metadata: { name: 'quiet' }, spec };
      await run(local.kubectl, ['apply', '--server-side', '-n', 'pods', '-f', '-'], JSON.stringify(zone));
      await eventually('the zone is Ready', async () => (await field('zone/quiet', 'pods', isReady)) === 'True');
    });

    test('the next version’s file upgrades it, and leaves the zone Ready and its pods alone', () =>
      undisturbed('quiet', 'pods', async () => {
        const next = (await readFile(theFile, 'utf8')).replaceAll('herd-operator:0.1.0', 'herd-operator:0.1.1');
        await run(local.kubectl, ['apply', '--server-side', '-f', '-'], next);
        await available();
        await eventually(
          'the operator is of the next version alone',
          async () => (await field('pods', system, '.items[*].spec.containers[0].image')) === 'herd-operator:0.1.1',
        );
        await works('quiet', 'pods');
      }));

    test('removed but for the definitions, the zone goes on, and the same file takes it over', () =>
      undisturbed('quiet', 'pods', async () => {
        await kubectl('delete', ...allButDefinitions);
        assert.equal(await kubectl('get', 'namespace', system, '--ignore-not-found'), '');
        await kubectl('apply', '--server-side', '-f', theFile);
        await available();
        await works('quiet', 'pods');
      }));

    test('removed when the zones are, nothing is left of it', async () => {
      await noWaiting();
      await kubectl('delete', 'superpeers,zones', '--all', '--all-namespaces', '--timeout=120s');
      await kubectl('delete', '-f', theFile, '--timeout=60s');
      await kubectl('delete', 'namespace', 'pods');
      await nothingLeft();
    });
  });

  /** Zones that are deleted drain from their next epoch on: in a quarter of an hour. */
  const noWaiting = () => kubectl('annotate', 'zones', '--all', '--all-namespaces', 'herd.network/force=true');

  async function nothingLeft(): Promise<void> {
    const wide =
      'namespaces,crds,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings';
    const inside = 'pods,statefulsets,services,secrets,configmaps,serviceaccounts,leases,networkpolicies';
    assert.doesNotMatch(await kubectl('get', `${wide},${inside}`, '-A', '--no-headers'), /herd/);
  }

  /** The chart as it is, by another version. */
  async function chartOf(version: string): Promise<string> {
    const other = path.join(folder, `chart-${version}`);
    await cp(chart, other, { recursive: true });
    const file = path.join(other, 'Chart.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^version: .*$/m, `version: ${version}`));
    return other;
  }
});

/** The commands in what Helm says after an install, up to those that end it. */
function stepsIn(said: string): string[] {
  const notes = said.slice(said.indexOf('NOTES:'), said.indexOf('helm uninstall'));
  return notes.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.slice(2)] : []));
}
