import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Registry } from 'prom-client';
import type { View } from '../config/consensus.ts';
import type { ZoneDemand } from '../config/descriptor.ts';
import { parseConfig, parseSeed, type RelayConfig, relayConfig } from '../config/node.ts';
import type { RoundsReport } from '../config/receipt.ts';
import { signVerdict } from '../config/verdict.ts';
import {
  derivedSeeds,
  Identity,
  KEY_KINDS,
  type KeyKind,
  type KeySeeds,
  type NodeKeys,
  nodeKeys,
  wipe,
  wipeSeeds,
} from '../crypto/keys.ts';
import { readAddress } from './address.ts';
import { fetchView, publish, repeat, type VerifiedView } from './directory-client.ts';
import { reply, serveHttp } from './http.ts';
import { KeyFolder } from './key-folder.ts';
import { log } from './log.ts';
import { keyNumbersGauge, nodeRegistry, viewMetrics } from './metrics.ts';
import type { PlaneData } from './plane.ts';
import { Registration } from './registration.ts';
import { socketDrops } from './socket-drops.ts';
import { Stats } from './stats.ts';

/** The control side that all daemons share: configuration, directory, probes, metrics, and the plane's thread. */
/** Where a container has its files; a node without one is given another folder. */
const FOLDER = process.env.HERD_FOLDER ?? '/etc/herd';
const CONFIG_FILE = `${FOLDER}/config/node.json`;
const KEYS_FOLDER = `${FOLDER}/keys`;
const ADDRESS_FILE = `${FOLDER}/pod/address`;
const VIEW_INTERVAL_MS = 3_000;
const RETRY_MS = 1_000;
/** A plane whose last tick is older than this is stuck: liveness fails and the kubelet restarts it. */
const STUCK_SECONDS = 5;
/** How often a node that ends looks whether it may. */
const EMPTY_INTERVAL_MS = 250;
/** From then on, what others have to hear of it: a mix says to the rendezvous that circuits are over. */
const LAST_WORDS_MS = 1_000;
/** Longer than anybody waits for a node; a timer holds at most 24 days. */
const GRACE_SECONDS_MAX = 86_400;

export function readConfigFile(): string {
  return readFileSync(CONFIG_FILE, 'utf8');
}

export function readConfig<T>(schema: Parameters<typeof parseConfig<T>>[0], text = readConfigFile()): T {
  return parseConfig(schema, text, CONFIG_FILE);
}

export function readSeed(name: string): Buffer {
  const file = `${KEYS_FOLDER}/${name}`;
  return parseSeed(readFileSync(file, 'utf8'), file);
}

/** Keys beside those seeds, which may change. */
export function keyFolder<K extends string>(prefixes: readonly K[]): KeyFolder<K> {
  return new KeyFolder(KEYS_FOLDER, prefixes);
}

export interface ZoneMember {
  readonly zone: string;
  readonly directory: { readonly url: string; readonly rootKey: string };
  readonly listen: { readonly port: number };
}

/** Waits for the first verified view, however long the directory takes to come up. */
export async function firstView(config: ZoneMember, enough: (view: View) => boolean): Promise<VerifiedView> {
  const rootKey = Buffer.from(config.directory.rootKey, 'base64');
  for (let told = ''; ; ) {
    try {
      const verified = await fetchView(config.directory.url, config.zone, rootKey);
      if (enough(verified.view)) return verified;
    } catch (error) {
      const { message } = error as Error;
      if (message !== told) log('warn', 'no consensus yet', { reason: message });
      told = message;
    }
    await sleep(RETRY_MS / 2);
  }
}

/** Starts the plane's thread; the process ends with it. The caller wipes the secrets. */
export function startPlane(
  file: URL,
  config: ZoneMember,
  secrets: { readonly seed: Uint8Array; readonly keys: KeySeeds },
  first: VerifiedView,
  stats: Stats,
): Worker {
  const { port } = config.listen;
  const { rootKey } = config.directory;
  const data: PlaneData = { port, zone: config.zone, rootKey, stats: stats.memory, ...secrets, view: first.json };
  const worker = new Worker(file, { workerData: data });
  worker.once('error', (error) => {
    log('error', 'the data plane failed', { reason: error.message });
    process.exit(1);
  });
  return worker;
}

/** Keeps the plane's view fresh; returns the newest view. */
export function followConsensus(
  config: ZoneMember,
  first: VerifiedView,
  worker: Worker,
  signal: AbortSignal,
): () => VerifiedView {
  const rootKey = Buffer.from(config.directory.rootKey, 'base64');
  let newest = first;
  void repeat(
    signal,
    (error) => log('warn', 'consensus not refreshed', { reason: error.message }),
    RETRY_MS,
    async () => {
      const next = await fetchView(config.directory.url, config.zone, rootKey);
      // Signed and still valid, but replayed: plain HTTP lets anybody on the way do that.
      if (next.view.own.epoch < newest.view.own.epoch)
        throw new Error('the directory answered with an older consensus');
      if (next.text !== newest.text) worker.postMessage({ view: next.json });
      newest = next;
      return VIEW_INTERVAL_MS;
    },
  );
  return () => newest;
}

/**
 * /healthz, /readyz and /metrics, at the address that the environment names: of a machine that has several the inner one. The
 * registry is for what a role has besides. A directory has no plane.
 */
export async function serveProbes(
  port: number,
  labels: { role: string; zone: string },
  plane: { readonly stats: Stats; readonly port: number } | undefined,
  ready: () => boolean,
): Promise<Registry> {
  const stats = plane?.stats;
  const numbers = plane && { stats: plane.stats, socketDrops: () => socketDrops(plane.port) };
  const registry = nodeRegistry(labels.role, labels.zone, numbers);
  const healthy = () =>
    !stats || stats.get('ticks') === 0 || Date.now() / 1000 - stats.get('last_tick_seconds') < STUCK_SECONDS;
  await serveHttp(port, process.env.HERD_PROBES_ADDRESS ?? '0.0.0.0', [
    { method: 'GET', path: '/healthz', handler: (_request, response) => reply(response, healthy() ? 200 : 503, {}) },
    { method: 'GET', path: '/readyz', handler: (_request, response) => reply(response, ready() ? 200 : 503, {}) },
    {
      method: 'GET',
      path: '/metrics',
      handler: async (_request, response) => {
        response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
      },
    },
  ]);
  return registry;
}

/** Aborts on SIGTERM and SIGINT and lets the process end. */
export function untilSignalled(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log('info', 'stopping', { signal });
      controller.abort();
      process.exit(0);
    });
  }
  return controller.signal;
}

/**
 * As untilSignalled, for who carries others' traffic: on SIGTERM it goes on until it is empty or the grace is over; a
 * second one ends it.
 */
function untilDrained(graceMs: number, isEmpty: () => boolean, drain: () => void): AbortSignal {
  const controller = new AbortController();
  const end = () => {
    controller.abort();
    process.exit(0);
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', () => {
    log('info', 'draining', { graceSeconds: graceMs / 1000 });
    process.once('SIGTERM', end);
    drain();
    setTimeout(end, graceMs);
    setInterval(() => isEmpty() && setTimeout(end, LAST_WORDS_MS), EMPTY_INTERVAL_MS);
  });
  return controller.signal;
}

function readGraceMs(): number {
  const seconds = Number(process.env.HERD_GRACE_SECONDS ?? 45);
  if (seconds >= 0 && seconds <= GRACE_SECONDS_MAX) return seconds * 1000;
  throw new Error(`the environment variable HERD_GRACE_SECONDS must be a number from 0 to ${GRACE_SECONDS_MAX}`);
}

/** A daemon that fails to start says so in one line and exits 1. */
export async function main(start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    log('error', 'did not start', { reason: (error as Error).message });
    process.exit(1);
  }
}

/** Tells the directory of a superpeer that this mix has expelled, until it has taken the verdict or refused it. */
async function denounce(
  { id, zone, directory }: RelayConfig,
  identity: Identity,
  signal: AbortSignal,
  expelled: { superpeer: string; reason: string },
): Promise<void> {
  const told = new AbortController();
  await repeat(
    AbortSignal.any([signal, told.signal]),
    (error) => log('warn', 'the directory has not heard of an expelled superpeer', { reason: error.message }),
    RETRY_MS,
    async () => {
      const verdict = signVerdict(identity, { zone, mix: id, ...expelled, issuedAt: Date.now() });
      const result = await publish(directory.url, zone, 'verdicts', verdict);
      log('warn', 'a superpeer was expelled', { superpeer: expelled.superpeer, reason: expelled.reason, result });
      told.abort();
      return RETRY_MS;
    },
  );
}

/** Looks for other keys every second, since Kubernetes does not say when it has changed the files. */
function followKeys(
  folder: KeyFolder<KeyKind>,
  worker: Worker,
  signal: AbortSignal,
  changed: (keys: NodeKeys) => void,
): void {
  let told = '';
  void repeat(
    signal,
    (error) => {
      if (error.message !== told) log('warn', 'keys not read, the ones before stay', { reason: error.message });
      told = error.message;
    },
    RETRY_MS,
    async () => {
      const seeds = folder.read();
      if (seeds) {
        changed(nodeKeys(seeds));
        worker.postMessage({ keys: seeds });
        wipeSeeds(seeds);
        log('info', 'keys have changed');
      }
      told = '';
      return RETRY_MS;
    },
  );
}

/** What the plane of a mix or rendezvous tells. */
interface PlaneNews {
  readonly demand?: ZoneDemand[];
  readonly rounds?: RoundsReport[];
  readonly expelled?: { superpeer: string; reason: string };
}

/** Mix, rendezvous and superpeer: register with the directory, run the plane, follow the consensus, drain at the end. */
export async function runRelay(plane: URL): Promise<void> {
  const config = readConfig<RelayConfig>(relayConfig);
  const graceMs = readGraceMs();
  const seed = readSeed('identity');
  const identity = new Identity(seed);
  const folder = keyFolder(KEY_KINDS);
  const seeds = folder.read() ?? derivedSeeds(seed);
  const stats = new Stats();
  const isEmpty = () => stats.get('places_taken') === 0;
  const registration = new Registration(config, () => readAddress(ADDRESS_FILE), identity, nodeKeys(seeds), isEmpty);
  const signal = untilDrained(graceMs, isEmpty, () => registration.drain());
  let newest: (() => VerifiedView) | undefined;
  const isListed = () => newest !== undefined && registration.listedIn(newest().view) !== undefined;
  const isReady = () => isListed() && stats.get('links_up') > 0;
  const registry = await serveProbes(config.metrics.port, config, { stats, port: config.listen.port }, isReady);
  keyNumbersGauge(registry, () => registration.keys);
  void registration.renew(signal, () => newest?.().view);
  const first = await firstView(config, (view) => registration.listedIn(view) !== undefined);
  const worker = startPlane(plane, config, { seed, keys: seeds }, first, stats);
  wipe(seed);
  wipeSeeds(seeds);
  followKeys(folder, worker, signal, (changed) => {
    registration.keys = changed;
  });
  worker.on('message', ({ demand, rounds, expelled }: PlaneNews) => {
    registration.demand = demand ?? registration.demand;
    registration.rounds = rounds ?? registration.rounds;
    if (expelled) void denounce(config, identity, signal, expelled);
  });
  newest = followConsensus(config, first, worker, signal);
  viewMetrics(registry, config.role, registration.tag, newest);
  log('info', 'running', { role: config.role, zone: config.zone });
}
