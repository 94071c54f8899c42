/**
 * `kubectl herd verify` on the local cluster: it passes on zones that are good and names each of the faults that are then
 * really made in a node, its machine or what Kubernetes has of it. Every fault is undone, and verify passes again.
 * Four zones, whose faults go on side by side.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { after, before, suite } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { apply, installOperator } from '../../lab/herd/deploy.ts';
import { NAMESPACE, namespaceObject } from '../../lab/herd/resources.ts';
import { cgroupSetup } from '../../lab/host/cgroups.ts';
import { exec } from '../../lab/host/exec.ts';
import { findLeftovers } from '../../lab/host/leftovers.ts';
import { Progress } from '../../lab/host/progress.ts';
import { openRun, type Run } from '../../lab/host/run.ts';
import { run } from '../../lab/kubernetes/kubectl.ts';
import { type LocalCluster, startLocalCluster } from '../../lab/local-cluster.ts';
import type { Finding } from '../../plugin/verify/checks.ts';

const skip = process.env.HERD_KUBERNETES_BIN ? false : 'needs a machine that can run the local cluster';
const plugin = path.join(import.meta.dirname, '..', '..', 'plugin', 'kubectl-herd');
const EPOCH_SECONDS = 60;
/** Nothing takes longer than that a key is expected to arrive within three minutes of being made. */
const FOUND_MS_MAX = 300_000;

interface Fault {
  readonly what: string;
  readonly check: string;
  readonly seen: RegExp;
  /** @returns what undoes it */
  readonly make: () => Promise<() => Promise<unknown>>;
}

suite('kubectl herd verify, on the local cluster', { skip }, () => {
  let lab: Run;
  let local: LocalCluster;

  before(async () => {
    const progress = new Progress(process.stderr);
    lab = await openRun();
    local = await startLocalCluster(lab, progress);
    const { cluster, images, kubectl } = local;
    await cluster.faults.tagImage(images.node, `${images.node}-other`);
    await installOperator({ kubectl, images, progress, check: () => lab.check() });
    await apply(kubectl, [namespaceObject(), ...objects(), await clocks()]);
  });
  after(() => lab?.close());

  test('passes on good zones', async () => {
    await Promise.all(ZONES.map(good));
  });

  const kubectl = (...args: string[]) => run(local.kubectl, ['-n', NAMESPACE, ...args]);

  function verify(zone: string): Promise<readonly Finding[]> {
    const args = ['verify', zone, '-n', NAMESPACE, '-o', 'json', '--kubeconfig', local.cluster.kubeconfigPath];
    const child = spawn(plugin, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    return new Promise((resolve, reject) =>
      child.once('close', (code) => {
        if (code !== 0 && code !== 1) return reject(new Error(said));
        const { ok, findings } = JSON.parse(said) as { ok: boolean; findings: Finding[] };
        assert.equal(ok, code === 0);
        assert.equal(ok, failures(findings) === '');
        resolve(findings);
      }),
    );
  }

  const failures = (findings: readonly Finding[]) =>
    findings.flatMap(({ check, result, seen }) => (result === 'fail' ? [`${check}: ${seen}`] : [])).join('\n');

  /**
   * Nothing fails; but for packets that are a little late where this machine has other work to do, which is so, and no
   * fault of a zone's.
   */
  const good = (zone: string) =>
    eventually(`verify passes on ${zone}`, async () => {
      const isLate = ({ check, seen }: Finding) =>
        check === 'rates' && seen.split('; ').every((each) => / is late in /.test(each));
      return failures((await verify(zone)).filter((finding) => !isLate(finding)));
    });

  /** @param ask says what is still wrong; nothing: it is as it should be */
  async function eventually(what: string, ask: () => Promise<string>): Promise<void> {
    let wrong = '';
    for (const end = performance.now() + FOUND_MS_MAX; performance.now() < end; await sleep(1_000)) {
      lab.check();
      wrong = await ask();
      if (wrong === '') return;
    }
    throw new Error(`${what}: not within ${FOUND_MS_MAX / 1000} s:\n${wrong}`);
  }

  /** The process of a node as this machine sees it. Its container is found by the pod in its cgroup. */
  async function processOf(pod: string): Promise<{ pid: number; cgroups: string }> {
    const uid = await kubectl('get', 'pod', pod, '-o', 'jsonpath={.metadata.uid}');
    for (const { pid, command } of (await findLeftovers(lab.id)).processes) {
      const cgroups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
      if (command.includes('node nodes/') && cgroups.includes(uid)) return { pid, cgroups };
    }
    throw new Error(`no process of pod ${pod}`);
  }

  async function stopped(pod: string): Promise<() => Promise<unknown>> {
    const { pid } = await processOf(pod);
    process.kill(pid, 'SIGSTOP');
    return async () => {
      // Unless the kubelet has put another in its place.
      if ((await findLeftovers(lab.id)).processes.some((there) => there.pid === pid)) process.kill(pid, 'SIGCONT');
    };
  }

  /** Of its container, in a second. */
  async function throttled(pod: string, ms: number): Promise<() => Promise<unknown>> {
    const setup = await cgroupSetup();
    assert(setup.version === 1, 'the cgroups are not of version 1');
    const [, own] = /^\d+:[a-z,]*\bcpu\b[a-z,]*:(.*)$/m.exec((await processOf(pod)).cgroups)!;
    const group = path.join(setup.hierarchies.get('cpu')!, own!);
    const period = await readFile(path.join(group, 'cpu.cfs_period_us'), 'utf8');
    const quota = await readFile(path.join(group, 'cpu.cfs_quota_us'), 'utf8');
    await writeFile(path.join(group, 'cpu.cfs_period_us'), '1000000');
    await writeFile(path.join(group, 'cpu.cfs_quota_us'), String(1_000 * ms));
    return async () => {
      await writeFile(path.join(group, 'cpu.cfs_quota_us'), quota);
      await writeFile(path.join(group, 'cpu.cfs_period_us'), period);
    };
  }

  /** Nobody's packets get to the node, those of its neighbours on the machine neither. */
  async function cutOff(slot: string, region: string): Promise<() => Promise<unknown>> {
    const port = await kubectl('get', 'nodeslot', slot, '-o', 'jsonpath={.spec.port}');
    const { netns } = local.cluster.regions.find(({ name }) => name === region)!;
    const nft = (input: string) => exec('ip', ['netns', 'exec', netns, 'nft', '-f', '-'], { input });
    await nft(`table inet cut {\nchain in {\ntype filter hook input priority -300;\nudp dport ${port} drop;\n}\n}\n`);
    return () => nft('delete table inet cut\n');
  }

  /** The key files of a node are gone from where it looks, and it is to get new ones. */
  async function keysGone(slot: string): Promise<() => Promise<unknown>> {
    const { pid } = await processOf(`${slot}-0`);
    const folder = '/etc/herd/keys';
    await exec('mount', ['--namespace', String(pid), '-t', 'tmpfs', 'tmpfs', folder]);
    await exec(plugin, ['rotate', slot, '--yes', '-n', NAMESPACE, '--kubeconfig', local.cluster.kubeconfigPath]);
    return () => exec('umount', ['--namespace', String(pid), folder]);
  }

  /** Somebody has had a node started with another time. What others add to a StatefulSet the operator leaves there. */
  async function atAnotherTime(node: string, container: string, by: string): Promise<() => Promise<unknown>> {
    const env = [
      { name: 'LD_PRELOAD', value: `/etc/clock/${LIBRARY}` },
      { name: 'FAKETIME', value: by },
      { name: 'FAKETIME_DONT_FAKE_MONOTONIC', value: '1' },
    ];
    const containers = [{ name: container, env, volumeMounts: [{ name: 'clock', mountPath: '/etc/clock' }] }];
    const volumes = [{ name: 'clock', configMap: { name: 'clock' } }];
    const patch = JSON.stringify({ spec: { template: { spec: { containers, volumes } } } });
    await kubectl('patch', 'statefulset', node, '--patch', patch);
    await kubectl('delete', 'pod', `${node}-0`);
    return async () => {
      await kubectl('rollout', 'undo', `statefulset/${node}`);
      await kubectl('delete', 'pod', `${node}-0`);
    };
  }

  const faultTest = (zone: string, { what, check, seen, make }: Fault) =>
    test(`${what}: ${check} fails, and passes again`, async (t) => {
      const undo = await make();
      try {
        await eventually('verify finds it', async () => {
          const findings = await verify(zone);
          const found = findings.find((finding) => finding.check === check)!;
          if (found.result !== 'fail' || !seen.test(found.seen)) return failures(findings) || 'nothing';
          assert.notEqual(found.todo, '');
          t.diagnostic(failures(findings));
          return '';
        });
      } finally {
        await undo();
      }
      await good(zone);
    });

  const faults: Record<string, readonly Fault[]> = {
    eu: [
      {
        what: 'a peer refuses the zone',
        check: 'peers',
        seen: /na: it does not name eu/,
        make: async () => {
          const peers = (of: object[]) =>
            kubectl('patch', 'zone', 'na', '--type=merge', '--patch', JSON.stringify({ spec: { peers: of } }));
          await peers([]);
          return () => peers([{ zone: 'eu' }]);
        },
      },
      {
        what: 'a superpeer stands still',
        check: 'slots',
        seen: /eu-sp is Publishing \(PodNotReady/,
        make: () => stopped('eu-sp-0'),
      },
      {
        what: 'a mix gets too little of its machine',
        check: 'rates',
        seen: /eu-eu-mix-0-0 ticks .* times a second, not 50/,
        make: () => throttled('eu-eu-mix-0-0', 10),
      },
    ],
    na: [
      {
        what: 'a mix cannot be reached',
        check: 'links',
        seen: /na-na-mix-0-0 has 0 of/,
        make: () => cutOff('na-na-mix-0', 'na'),
      },
      {
        what: 'a pod runs another image',
        check: 'images',
        seen: /na-na-rendezvous-0-0 runs .*-other/,
        make: async () => {
          const { node } = local.images;
          const use = (image: string) => kubectl('set', 'image', 'pod/na-na-rendezvous-0-0', `rendezvous=${image}`);
          await use(`${node}-other`);
          return () => use(node);
        },
      },
    ],
    sa: [
      {
        what: 'the directory stands still',
        check: 'directory',
        seen: /no answer/,
        make: () => stopped('sa-directory-0-0'),
      },
      {
        what: 'a clock is off',
        check: 'clocks',
        seen: /sa-sa-mix-0-0 is (29|30|31)s ahead/,
        make: () => atAnotherTime('sa-sa-mix-0', 'mix', '+30s'),
      },
      {
        what: 'the directory is behind',
        check: 'freshness',
        seen: /3 epochs behind/,
        make: () => atAnotherTime('sa-directory-0', 'directory', `-${3 * EPOCH_SECONDS}s`),
      },
    ],
    au: [
      {
        what: 'a node does not get its new keys',
        check: 'keys-read',
        seen: /au-au-mix-0-0 is at link-1, the newest is link-2/,
        make: () => keysGone('au-au-mix-0'),
      },
    ],
  };

  suite('fails where a fault is', { concurrency: true }, () => {
    for (const [zone, all] of Object.entries(faults))
      suite(`zone ${zone}`, { concurrency: false }, () => {
        for (const fault of all) faultTest(zone, fault);
      });
  });

  // Of all zones: it is by the operator that they come to rest after the others.
  faultTest('au', {
    what: 'the operator is gone',
    check: 'operator',
    seen: /nobody leads: the lease was last renewed/,
    make: async () => {
      const scale = (replicas: number) =>
        run(local.kubectl, ['scale', 'deployment/herd-operator', '-n', 'herd-system', `--replicas=${replicas}`]);
      await scale(0);
      return () => scale(1);
    },
  });
});

const ZONES = ['eu', 'na', 'sa', 'au'];
/** Of Debian's package faketime. */
const LIBRARY = 'libfaketimeMT.so.1';

/** A zone in each region, two of them linked; one with a superpeer. */
function objects(): object[] {
  const apiVersion = 'herd.network/v1alpha1';
  const peers: Record<string, object[]> = { eu: [{ zone: 'na' }], na: [{ zone: 'eu' }] };
  const zones = ZONES.map((name) => ({
    apiVersion,
    kind: 'Zone',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      provider: name,
      jurisdiction: 'EU',
      regions: [{ name }],
      epochSeconds: EPOCH_SECONDS,
      drainDeadlineSeconds: 30,
      // As in lab/herd/resources.ts.
      placement: { layers: 'Together' },
      network: { addresses: 'Private' },
      resources: { cpu: '200m' },
      peers: peers[name] ?? [],
    },
  }));
  const spec = { zoneRef: 'eu', managed: { region: 'eu' } };
  return [...zones, { apiVersion, kind: 'Superpeer', metadata: { name: 'eu-sp', namespace: NAMESPACE }, spec }];
}

/** What gives a process another time, for pods to mount. */
async function clocks(): Promise<object> {
  const files = (await exec('dpkg', ['--listfiles', 'libfaketime'])).split('\n');
  const content = await readFile(files.find((file) => file.endsWith(LIBRARY))!);
  const binaryData = { [LIBRARY]: content.toString('base64') };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'clock', namespace: NAMESPACE }, binaryData };
}
