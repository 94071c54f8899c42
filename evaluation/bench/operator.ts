/**
 * How the operator does with many Zones and Superpeers: the real process against a real API server and etcd. Nodes are
 * played here: whatever StatefulSet appears becomes ready and registers, and every zone's directory answers.
 *
 *   npm run bench -- operator [--json] [--zones N] [--superpeers N]
 *
 * The operator runs as in a pod, with a service account's files in a mount namespace of its own, since with a kubeconfig
 * it would load the client library (90 MB). Services get loopback addresses, at all of which this process listens on the
 * directories' port. All of it shares the machine, so that what the API server costs is in the times; its processor time
 * since its start, with the making of the objects, is printed too.
 *
 * Prints one line per figure, with commit, node and processor. Exit code 1 if the operator did not converge.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Progress } from '../../lab/host/progress.ts';
import { buildKubernetes } from '../../lab/kubernetes/build.ts';
import { installObjects } from '../../operator/install.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { Reflector } from '../../operator/kube/reflector.ts';
import * as kube from '../../operator/kube/types.ts';
import { ports } from '../../operator/objects/config.ts';
import { managedSelector } from '../../operator/objects/labels.ts';
import { type ControlPlane, eventually, freePort, startControlPlane } from '../../test/kube/support/control-plane.ts';
import { PlayedDirectories } from '../../test/kube/support/directory.ts';
import { install } from '../../test/kube/support/install.ts';
import { isReady, playKubelet } from '../../test/kube/support/kubelet.ts';
import { namespace, superpeer, zone } from '../../test/kube/support/samples.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const SERVICE_RANGE = '127.96.0.0/16';
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Objects that are made at once. */
const CONCURRENCY = 8;
const CONVERGE_MS_MAX = 20 * 60_000;
/** What the last statuses set off comes to rest. */
const REST_MS = 15_000;
const STEADY_MS = 60_000;
const EDITS = 50;
const EDIT_PAUSE_MS = 200;
/** Linux reports processor time in hundredths of a second. */
const TICKS_PER_SECOND = 100;

interface Options {
  readonly zones: number;
  readonly superpeers: number;
  readonly json: boolean;
}

/** @throws TypeError on wrong arguments */
function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      zones: { type: 'string', default: '1000' },
      superpeers: { type: 'string', default: '10000' },
      json: { type: 'boolean', default: false },
    },
  });
  const count = (name: 'zones' | 'superpeers') => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new TypeError(`--${name} must be a whole number above 0`);
    return value;
  };
  return { zones: count('zones'), superpeers: count('superpeers'), json: values.json };
}

export async function run(args: string[]): Promise<number> {
  const options = readOptions(args);
  const progress = new Progress(process.stderr);
  const programs = await buildKubernetes(progress);
  const folders = ['kube-apiserver', 'etcd'].map((program) => path.dirname(programs.path(program)));
  const closing: (() => unknown)[] = [];
  const interrupted = Promise.withResolvers<never>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => interrupted.reject(new Error('interrupted')));
  try {
    const plane = await startControlPlane({ controllers: false, folders, serviceRange: SERVICE_RANGE });
    closing.push(() => plane.stop());
    await Promise.race([measure(options, plane, progress, closing), interrupted.promise]);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

async function measure(options: Options, given: ControlPlane, progress: Progress, closing: (() => unknown)[]) {
  const print = printer(options);
  const played = new Requests();
  const admin = new KubeClient(given.adminCluster(), { onRequest: (verb, resource) => played.add(verb, resource) });
  closing.push(() => admin.close());
  const plane = { ...given, admin };
  await install(plane.admin, namespace);
  const stopping = new AbortController();
  closing.push(() => stopping.abort());
  const cluster = await playCluster(plane, stopping.signal);
  closing.push(() => cluster.close());
  const wishes = [...zonesOf(options), ...superpeersOf(options)];
  await progress.step(`Making ${options.zones} zones and ${options.superpeers} superpeers`, () =>
    inParallel(wishes, ({ resource, manifest }) => plane.admin.create(resource, manifest)),
  );
  const watched = watchWishes(plane.admin, stopping.signal);

  const [servedBefore, playedBefore] = [serverSeconds(plane), process.cpuUsage()];
  played.clear();
  const operator = await startOperator(plane, closing);
  await progress.step('Converging', async (step) => {
    const until = operator.startedMs + CONVERGE_MS_MAX;
    for (let ready = 0; ready < wishes.length; ready = watched.ready()) {
      if (operator.child.exitCode !== null) throw new Error(`the operator left with ${operator.child.exitCode}`);
      if (performance.now() > until) throw new Error(`${ready} of ${wishes.length} ready: it does not converge`);
      step.detail(`${ready} of ${wishes.length} ready`);
      await sleep(250);
    }
  });
  print('converge', (performance.now() - operator.startedMs) / 1000, 's');
  const asked = await operator.requests();
  const cpuOfPlayed = process.cpuUsage(playedBefore);
  print('converge_requests', asked.total, '1');
  print('converge_cpu', operator.cpuSeconds(), 's');
  print('converge_server_cpu', serverSeconds(plane) - servedBefore, 's');
  print('converge_played_requests', played.total, '1');
  print('converge_played_cpu', (cpuOfPlayed.user + cpuOfPlayed.system) / 1e6, 's');
  for (const [who, requests] of Object.entries({ operator: asked, played })) {
    for (const [of, count] of requests.most()) print(`requests of ${who}: ${of}`, count, '1');
  }

  await progress.step('Resting', () => sleep(REST_MS));
  const [requests, cpu] = [(await operator.requests()).total, operator.cpuSeconds()];
  await progress.step('Measuring rest', () => sleep(STEADY_MS));
  print('idle_requests', ((await operator.requests()).total - requests) / (STEADY_MS / 1000), '1/s');
  print('idle_cpu', (operator.cpuSeconds() - cpu) / (STEADY_MS / 1000), 's/s');

  const seconds: number[] = [];
  await progress.step(`Making ${EDITS} edits`, async () => {
    for (let i = 0; i < EDITS; i++) {
      seconds.push(await edit(plane.admin, wishes, watched, i));
      await sleep(EDIT_PAUSE_MS);
    }
  });
  seconds.sort((a, b) => a - b);
  print('edit_p50', quantile(seconds, 0.5), 's');
  print('edit_p99', quantile(seconds, 0.99), 's');
  print('rss', operator.kilobytes('VmRSS') / 1024, 'MiB');
  print('rss_peak', operator.kilobytes('VmHWM') / 1024, 'MiB');
}

interface Wish {
  readonly resource: kube.Resource<kube.CustomResource>;
  readonly manifest: kube.Manifest;
}

/** Zones in a ring, each with a directory of its own, all in one namespace. */
function zonesOf({ zones }: Options): Wish[] {
  const name = (i: number) => `zone-${(i + zones) % zones}`;
  return Array.from({ length: zones }, (_, i) => {
    const peers = zones > 2 ? [{ zone: name(i - 1) }, { zone: name(i + 1) }] : [];
    return { resource: kube.zones, manifest: zone(name(i), { peers }) };
  });
}

function superpeersOf({ zones, superpeers }: Options): Wish[] {
  return Array.from({ length: superpeers }, (_, i) => ({
    resource: kube.superpeers,
    manifest: superpeer(`superpeer-${i}`, `zone-${i % zones}`),
  }));
}

/** Pods that become ready and register, and directories that list them. */
async function playCluster(plane: ControlPlane, signal: AbortSignal) {
  const { admin } = plane;
  const kubelet = await playKubelet(plane);
  const scope = { labelSelector: 'herd.network/role=directory' };
  const configs = new Reflector(admin, kube.configMaps, scope, () => {});
  const configOf = (zoneName: string) => configs.store.get(`${namespace}/${zoneName}-directory-0`);
  const directories = new PlayedDirectories(admin, (zoneName) => {
    const config = configOf(zoneName);
    return config ? [config] : [];
  });
  const pods = new Reflector(admin, kube.pods, { labelSelector: managedSelector }, ({ after }) => {
    const {
      'herd.network/zone': zoneName,
      'herd.network/role': role,
      'herd.network/node': id,
    } = after?.metadata.labels ?? {};
    if (!after || !isReady(after) || !zoneName || !id || role === 'directory') return;
    const ids = directories.registered.get(zoneName) ?? [];
    if (!ids.includes(id)) directories.registered.set(zoneName, [...ids, id]);
  });
  for (const reflector of [configs, pods]) void reflector.run(signal);
  const server = await serveDirectories(directories, configOf);
  return {
    async close() {
      await kubelet.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** All directories at once: which one is asked is in the path. */
async function serveDirectories(
  directories: PlayedDirectories,
  configOf: (zoneName: string) => kube.ConfigMap | undefined,
): Promise<Server> {
  /** Path → answer, while it says the same: signing is the directories' work, not to be measured. BOUNDED: by the zones and superpeers. */
  const answers = new Map<string, { of: readonly unknown[]; untilMs: number; text: string }>();
  const answerTo = async (url: string) => {
    const zoneName = /\/v1\/zones\/([^/]+)\//.exec(url)?.[1] ?? '';
    const of = [directories.registered.get(zoneName), configOf(zoneName)];
    const known = answers.get(url);
    if (known?.of.every((part, i) => part === of[i]) && performance.now() < known.untilMs) return known.text;
    const text = JSON.stringify(await directories.ask(url));
    answers.set(url, { of, untilMs: performance.now() + 30_000, text });
    return text;
  };
  const server = createServer((request, response) => {
    answerTo(request.url!).then(
      (text) => response.writeHead(200, { 'content-type': 'application/json' }).end(text),
      () => response.writeHead(503).end(),
    );
  }).listen(ports.directory, '0.0.0.0');
  await once(server, 'listening');
  return server;
}

interface Watched {
  ready(): number;
  /** Resolves when the status speaks of this generation. */
  observed(wish: Wish, generation: number): Promise<void>;
}

function watchWishes(admin: KubeClient, signal: AbortSignal): Watched {
  type Status = { observedGeneration?: number; conditions?: { type: string; status: string }[] };
  const ready = new Set<string>();
  const waiting = new Map<string, { generation: number; resolve: () => void }>();
  for (const resource of [kube.zones, kube.superpeers]) {
    const changed = (after: kube.CustomResource) => {
      const key = `${resource.plural} ${kube.keyOf(after)}`;
      const status = (after.status ?? {}) as Status;
      if (status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True')) ready.add(key);
      else ready.delete(key);
      const waiter = waiting.get(key);
      if (waiter && (status.observedGeneration ?? 0) >= waiter.generation) waiter.resolve();
    };
    void new Reflector(admin, resource, {}, ({ after }) => after && changed(after)).run(signal);
  }
  return {
    ready: () => ready.size,
    observed({ resource, manifest }, generation) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.set(`${resource.plural} ${kube.keyOf(manifest)}`, { generation, resolve });
      return promise;
    },
  };
}

/** @returns seconds from sending the edit to its generation in the status */
async function edit(admin: KubeClient, wishes: readonly Wish[], watched: Watched, i: number): Promise<number> {
  // Spread over all, zones and superpeers in turn, since the zones come first.
  const zones = wishes.filter(({ resource }) => resource === kube.zones).length;
  const index = i % 2 === 0 ? (i * 7) % zones : zones + ((i * 131) % (wishes.length - zones));
  const wish = wishes[index]!;
  const { namespace, name } = wish.manifest.metadata;
  const { metadata } = (await admin.get(wish.resource, namespace!, name))!;
  const observed = watched.observed(wish, metadata.generation! + 1);
  const spec = wish.resource === kube.zones ? { chaff: { cellsPerTick: 3 + i } } : { channels: 3 + (i % 60) };
  const started = performance.now();
  await admin.patch(wish.resource, namespace!, name, { spec });
  await Promise.race([observed, sleep(60_000)]);
  return (performance.now() - started) / 1000;
}

async function startOperator(plane: ControlPlane, closing: (() => unknown)[]) {
  const folder = mkdtempSync(path.join(tmpdir(), 'herd-bench-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const { tls, headers } = plane.operatorCluster();
  writeFileSync(path.join(folder, 'ca.crt'), tls.ca!);
  writeFileSync(path.join(folder, 'token'), (await headers(false)).authorization!.replace('Bearer ', ''));
  const port = await freePort();
  const inPod = `mount -t tmpfs tmpfs /var/run && mkdir -p ${SERVICE_ACCOUNT} && cp "$0"/* ${SERVICE_ACCOUNT} &&
    exec "$@"`;
  const env = {
    PATH: process.env.PATH,
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String(plane.port),
    HERD_NODE_IMAGE: 'herd.local/node:bench',
    POD_NAMESPACE: 'herd-system',
    POD_NAME: 'bench',
  };
  const startedMs = performance.now();
  const command = [process.execPath, ...installedArguments(), '--port', String(port)];
  const child = spawn('unshare', ['--mount', 'sh', '-c', inPod, folder, ...command], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  closing.push(() => stop(child));
  const requests = async () => {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const requests = new Requests();
    const counts = /^herd_operator_kube_requests_total\{verb="(.*)",resource="(.*)",code=".*"\} (\d+)$/gm;
    for (const [, verb, resource, count] of text.matchAll(counts)) requests.add(verb!, resource!, Number(count));
    return requests;
  };
  await eventually(requests, 'the operator’s metrics');
  const memory = () => readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return {
    child,
    startedMs,
    requests,
    kilobytes: (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(memory())![1]),
    cpuSeconds: () => cpuSeconds(child.pid!),
  };
}

/** How often what was asked of the API server. */
class Requests {
  /** BOUNDED: by verbs and kinds. */
  readonly #counts = new Map<string, number>();

  add(verb: string, resource: string, count = 1): void {
    const of = `${verb} ${resource}`;
    this.#counts.set(of, (this.#counts.get(of) ?? 0) + count);
  }

  clear(): void {
    this.#counts.clear();
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  most(): [string, number][] {
    return [...this.#counts].sort(([, a], [, b]) => b - a);
  }
}

const serverSeconds = (plane: ControlPlane) => plane.processIds.reduce((sum, id) => sum + cpuSeconds(id), 0);

/** Of user and kernel; in the file the name, which may hold anything, ends with the last parenthesis. */
function cpuSeconds(processId: number): number {
  const fields = readFileSync(`/proc/${processId}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** With which the operator's image is run. */
function installedArguments(): readonly string[] {
  const objects = installObjects({ image: 'none', nodeImage: 'none', namespaces: [] });
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as unknown as {
    spec: { template: { spec: { containers: { args: string[] }[] } } };
  };
  return deployment.spec.template.spec.containers[0]!.args;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

const quantile = (sorted: readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)]!;

function printer({ zones, superpeers, json }: Options) {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const commit = git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+');
  const machine = `${cpus().length} × ${cpus()[0]!.model.trim()}`;
  const context = { bench: 'operator', zones, superpeers, commit, node: process.version, cpu: machine };
  return (figure: string, exact: number, unit: string) => {
    const value = Number(exact.toPrecision(4));
    if (json) console.log(JSON.stringify({ ...context, figure, value, unit }));
    else console.log(`${figure.padEnd(48)} ${String(value).padStart(10)} ${unit === '1' ? '' : unit}`);
  };
}
