/**
 * The pages of docs/ as a reader follows them, and what the runbooks look at: page after page in one cluster, manifests are saved under the names that they
 * bear, and commands are run one after the other, by kubectl, Helm and sh themselves. The operator is at work from when the
 * chart is installed; pods, directories and what nodes answer are played. `onlyParsed` says what is not run, and why.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import test, { after, before, suite } from 'node:test';
import { helm, helmReleases } from '../../lab/kubernetes/helm.ts';
import type { RelayConfig } from '../../nodes/config/node.ts';
import * as kube from '../../operator/kube/types.ts';
import { deployments } from '../../plugin/resources.ts';
import { runCommand } from '../../plugin/run.ts';
import { type Block, blocksOf, fileOf, playedPages, readPage, root, runbooks } from '../docs.ts';
import { documents } from '../yaml.ts';
import { type ControlPlane, eventually, freePort, skip, startControlPlane } from './support/control-plane.ts';
import { apply } from './support/install.ts';
import { type PlayedKubelet, playKubelet } from './support/kubelet.ts';
import { type Mirror, startMirror } from './support/mirror.ts';
import { playProxy } from './support/played-proxy.ts';
import { type Tools, toolsOf } from './support/tools.ts';
import { World } from './support/world.ts';

const namespace = 'herd';

/** What the reader fills in. */
const filledIn: Readonly<Record<string, string>> = {
  ...{ REGISTRY: 'registry.example', NODE: 'machine', MACHINE: 'machine', NAMESPACE: namespace, ZONE: 'eu' },
  ...{ POD: 'eu-eu-mix-0-0', SECRET: 'eu-root', SUPERPEER: 'garage' },
};

/** Commands that are not run, by what they begin with; test/unit/docs.test.ts looks at those of npm, node and docker. */
const onlyParsed: readonly (readonly [start: RegExp, why: string])[] = [
  [/^docker /, 'no images are built here'],
  [/^chown /, 'it is of the container’s user'],
  [/^helm test /, 'there is nobody to run the self-check’s pod; test/kube/charts.test.ts does'],
  [
    /^kubectl drain /,
    'of the one machine that is played there is nowhere to go; test/kube/operator.test.ts cordons one',
  ],
  [/^kubectl (logs|top) /, 'no kubelet is there'],
  [/^kubectl get podmonitor /, 'its kind is the Prometheus operator’s'],
  [/^kubectl get pods -A \| grep probe$/, 'no probe runs'],
  [/^sysctl /, 'it is of the node’s machine'],
];

suite('docs', { skip }, () => {
  let plane: ControlPlane;
  let tools: Tools;
  let kubelet: PlayedKubelet | undefined;
  let mirror: Mirror | undefined;
  let world: World | undefined;
  let folder: string;
  let helmProgram: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'herd-docs-'));
    // The reader is in the repository, and saves files there: here its folders are, and nothing is left in it.
    for (const name of ['charts', 'lab', 'manifests', 'nodes', 'node_modules', 'operator', 'plugin'])
      await symlink(join(root, name), join(folder, name));
    plane = await startControlPlane({ controllers: true });
    tools = await toolsOf(plane);
    helmProgram = await helm(helmReleases.at(-1)!);
  });
  after(async () => {
    await world?.stopOperator();
    await Promise.all([kubelet?.stop(), mirror?.stop()]);
    await tools?.stop();
    await plane?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** What a Deployment does: the operator is there when the chart is and a replica is asked for. */
  async function playDeployment(): Promise<void> {
    const deployment = await plane.admin.get(deployments, 'herd-system', 'herd-operator');
    const { replicas = 0, template } = deployment?.spec ?? {};
    const env = template?.spec?.containers?.[0]?.env ?? [];
    const wanted = replicas > 0 ? env.find(({ name }) => name === 'HERD_NODE_IMAGE')!.value : undefined;
    if (wanted === runs) return;
    runs = wanted;
    if (wanted === undefined) return world?.stopOperator();
    if (!world) {
      await eventually(() => plane.admin.list(kube.zones), 'the Zone API');
      kubelet = await playKubelet(plane);
      mirror = await startMirror(plane.admin);
      world = new World(plane, mirror, namespace, { onRequest: () => {}, watchLists: true });
    }
    await world.startOperator(wanted);
  }
  /** The node image of the operator that is at work. */
  let runs: string | undefined;

  /** The superpeer's machine, far from the cluster: the directories that are played take for running what has a ready pod. */
  async function playHost(): Promise<void> {
    const name = 'garage-0';
    const elsewhere = world!.member;
    await apply(plane.admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: elsewhere } });
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: elsewhere } };
    const spec = { nodeName: 'garage', containers: [{ name: 'superpeer', image: 'x' }] };
    await plane.admin.create(kube.pods, { ...pod, spec } as kube.Manifest);
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await plane.admin.applyStatus(kube.pods, { ...pod, status } as kube.Manifest, 'test');
    await eventually(
      () => world!.says(kube.superpeers, 'garage', 'Ready=True'),
      'a superpeer of somebody else',
      60_000,
    );
  }

  const inSh = ({ language }: Block) => language === 'sh';
  const linesOf = ({ text }: Block) =>
    Object.entries(filledIn)
      .reduce((filled, [name, value]) => filled.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), value), text)
      .trimEnd()
      .split('\n');

  /** A block as commands in the order in which they come: of kubectl herd one by one, of the rest what belongs together. */
  function steps(block: Block): string[] {
    const lines = linesOf(block);
    const found: string[][] = [];
    const isAlone = (line: string) =>
      line.startsWith('kubectl herd ') || isOfOperator(line) || onlyParsed.some(([start]) => start.test(line));
    let before = true;
    for (const line of lines) {
      if (before || isAlone(line)) found.push([line]);
      else found.at(-1)!.push(line);
      before = isAlone(line);
    }
    return found.map((script) => script.join('\n'));
  }
  /** Whether it makes the operator come, go or be another. */
  const isOfOperator = (line: string) => /^(helm|kubectl scale) /.test(line);

  async function run(step: string): Promise<string> {
    if (onlyParsed.some(([start]) => start.test(step))) {
      if (step.startsWith('docker run ')) await playHost();
      // Told to help they read their options all the same, and refuse those that they don't know.
      return /^(helm|kubectl) /.test(step) ? sh(`${step.split(' | ')[0]} --help`) : '';
    }
    if (step.startsWith('HERD_FOLDER=')) return startsNode(step);
    if (step.startsWith('kubectl herd ')) return herd(step.slice('kubectl herd '.length));
    const said = await sh(step);
    if (isOfOperator(step)) await playDeployment();
    return said;
  }

  function sh(script: string): Promise<string> {
    const path = [
      process.env.HERD_KUBERNETES_BIN!,
      dirname(helmProgram),
      dirname(process.execPath),
      '/usr/bin',
      '/bin',
    ];
    const env = { ...tools.env, PATH: path.join(delimiter) };
    return new Promise((resolve, reject) => {
      execFile('bash', ['-eo', 'pipefail', '-c', script], { cwd: folder, env, timeout: 310_000 }, (error, out, err) => {
        if (error) reject(new Error(`${script}\n${out}${err}`));
        else resolve(out);
      });
    });
  }

  /** A node that has read all its files, and would register; its directory is nowhere. */
  async function startsNode(command: string): Promise<string> {
    const child = spawn('bash', ['-c', `exec env ${command}`], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    let log = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
    try {
      await eventually(() => {
        if (log.includes('did not start')) throw new Error(log);
        return log.includes('not registered with the directory');
      }, 'a node that asks its directory');
    } finally {
      child.kill('SIGKILL');
      await exited;
    }
    return log;
  }

  /** With ports that are free here. */
  async function nodeJson({ text }: Block): Promise<void> {
    const config = JSON.parse(text) as RelayConfig;
    const [listen, metrics] = [{ port: await freePort() }, { port: await freePort() }];
    await writeFile(join(folder, 'herd/config/node.json'), JSON.stringify({ ...config, listen, metrics }));
  }

  async function herd(command: string): Promise<string> {
    let said = '';
    await lead();
    const code = await runCommand(command.split(' '), {
      env: {},
      terminal: {
        out: (text) => {
          said += text;
        },
        err: (text) => {
          said += text;
        },
        ask: async () => 'y',
        readFile: (name) => readFile(join(folder, name), 'utf8'),
        writeFile: (name, text) => writeFile(join(folder, name), text),
      },
      now: Date.now,
      sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 5)),
      viaProxy: playProxy(mirror!, namespace),
      placeOf: async () => ({ cluster: plane.adminCluster(), namespace: 'default' }),
    });
    if (code !== 0) throw new Error(`kubectl herd ${command} ended with ${code}\n${said}`);
    return said;
  }

  /** As the operator's process does, which is not run here. */
  async function lead() {
    const renewTime = new Date().toISOString().replace('Z', '000Z');
    const metadata = { name: 'herd-operator', namespace: 'herd-system' };
    const spec = { holderIdentity: 'herd-operator-0', leaseDurationSeconds: 15, renewTime };
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec } as kube.Manifest;
    await plane.admin.apply(kube.leases, lease, 'test');
  }

  /** Saved where it says, and taken by strict validation, which asks for the kinds and for the namespace. */
  async function manifest(block: Block): Promise<void> {
    const file = fileOf(block) ?? 'unnamed.yaml';
    await writeFile(join(folder, file), block.text);
    const known = await plane.admin.get(namespaces, '', namespace);
    const objects = documents<kube.Manifest>(block.text).filter(({ kind }) => known || kind === 'Namespace');
    const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'];
    for (const object of objects) await tools.kubectl(args, JSON.stringify(object));
  }
  const namespaces = { group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace' };

  /** What commands said, by command. BOUNDED: by the pages. */
  const said = new Map<string, string[]>();
  const [quickstart, host, operations] = playedPages as [string, string, string];
  const play = (page: string) => {
    for (const block of blocksOf(readPage(page))) {
      const at = `${page}:${block.line}`;
      if (block.language === 'yaml') test(`${at} is taken by the API server`, () => manifest(block));
      if (block.language === 'json') test(`${at} is written`, () => nodeJson(block));
      if (!inSh(block)) continue;
      for (const step of steps(block))
        test(`${at} ${step}`, async () => {
          said.set(step, [...(said.get(step) ?? []), await run(step)]);
        });
    }
  };

  play(quickstart);

  test('what is wrong is found', async () => {
    const block = blocksOf(readPage(quickstart)).find((each) => fileOf(each) === 'trial.yaml')!;
    await manifest(block);
    for (const [right, wrong] of [
      ['layers: Together', 'layer: Together'],
      ['layers: Together', 'layers: Apart'],
      ['cpu: 500m', 'cpu: 500'],
      ['kind: Zone', 'kind: Zones'],
      ['provider: north', ''],
    ] as const) {
      assert.ok(block.text.includes(right));
      await assert.rejects(manifest({ ...block, text: block.text.replace(right, wrong) }), wrong);
    }
    for (const wrong of [
      'kubectl apply --server-side -f zones.yaml',
      'kubectl get zone eu -n herd --watchful',
      'kubectl get zonen -n herd',
      "kubectl get zone eu -n herd -o jsonpath='{.status.rootKeys' | cat",
      'kubectl herd status eu',
      'kubectl herd drain eu-eu-mix-7 -n herd',
      'kubectl drain machine --ignore-daemonset',
      'helm test herd --namspace herd-system',
      'helm upgrade herd charts/herd --namespace herd-system --set nodeimage=x',
    ])
      await assert.rejects(run(wrong), wrong);
  });

  play(host);

  /** Most look at the same things. */
  const commands = new Set(runbooks.flatMap((page) => blocksOf(readPage(page)).filter(inSh).flatMap(linesOf)));
  for (const command of commands)
    test(`docs/runbooks: ${command}`, async () => {
      const answer = await run(command);
      // To labels that nothing has kubectl answers nothing, and that all is well.
      assert.ok(answer !== '' || !/^kubectl get .* -l /.test(command), 'nothing has such labels');
    });

  play(operations);

  test('a zone that was restored has the root key that it had', () => {
    const asked = [...said].filter(([step]) => step.includes("jsonpath='{.status.rootKey}{"));
    const keys = asked.flatMap(([, answers]) => answers.map((answer) => answer.trim().split('\n').at(-1)!));
    assert.ok(keys.length >= 2 && keys[0]!.length === 44, keys.join(' '));
    assert.equal(new Set(keys).size, 1, keys.join(' '));
  });
});
