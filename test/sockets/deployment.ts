import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ConsensusText, NodeRole, ViewText, ZoneParams } from '../../nodes/config/consensus.ts';
import type { DirectoryConfig } from '../../nodes/config/node.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { type DirectoryNodes, readDirectoryNodes } from '../../operator/plan/directory-nodes.ts';
import { DEFAULT_PARAMS } from '../sim/zones.ts';

/**
 * Zones of the real daemons on real sockets, without a cluster: one process per node, all on the loopback of a network
 * namespace of their own, which goes away with them.
 */
export interface ZonePlan {
  readonly name: string;
  readonly mixes?: number;
  readonly rendezvous?: number;
  readonly superpeers?: number;
  readonly channelsPerSuperpeer?: number;
  /** What differs from the simulator's DEFAULT_PARAMS. */
  readonly params: Partial<ZoneParams>;
}

export interface Daemon {
  readonly id: string;
  readonly role: NodeRole | 'directory' | 'client';
  readonly port: number;
  readonly metricsPort: number;
  readonly child: ChildProcess;
}

export interface ZoneAccess {
  readonly zone: string;
  readonly url: string;
  readonly rootKey: string;
}

const ADDRESS = '127.0.0.1';
const ROOT = path.join(import.meta.dirname, '..', '..');
/** Fetches a URL from inside the namespace, where this process is not. */
const GET = `const answer = await fetch(process.argv[1], { signal: AbortSignal.timeout(5000) });
if (!answer.ok) process.exit(1);
process.stdout.write(await answer.text());`;
const READY_MS = 60_000;
const PEERS_MS = 30_000;

const newKeys = (number: number, ...prefixes: string[]) =>
  prefixes.map((prefix): [string, Buffer] => [`${prefix}-${number}`, randomBytes(32)]);

export class Deployment {
  readonly namespace = `herd-${process.pid}-${randomBytes(2).toString('hex')}`;
  readonly folder = mkdtempSync(path.join(tmpdir(), 'herd-sockets-'));
  readonly daemons: Daemon[] = [];
  readonly zones: ZoneAccess[] = [];
  #port = 20_000;

  constructor() {
    execFileSync('ip', ['netns', 'add', this.namespace]);
    this.#inside('ip', ['link', 'set', 'lo', 'up']);
  }

  /** Starts every node of the zones and waits until all links are up. */
  async start(plans: readonly ZonePlan[], signal: AbortSignal): Promise<void> {
    const prepared = plans.map((plan) => this.#prepare(plan));
    const served = prepared.map(({ zone, rootKey, url }) => ({ zone, url, rootKey }));
    for (const { zone, url, rootKey, directoryPort, rootSeed, roster, plan } of prepared) {
      const config = {
        role: 'directory',
        id: `${zone}-directory`,
        listen: { port: directoryPort },
        epochSeconds: 900,
        zones: [
          {
            zone,
            provider: 'lab',
            jurisdiction: 'EU',
            params: { ...DEFAULT_PARAMS, ...plan.params },
            roster: roster.map(({ seed: _seed, ...entry }) => entry),
            peers: served.filter((other) => other.zone !== zone),
          },
        ],
      };
      this.#spawn('directory', config, new Map([[zone, rootSeed], ...newKeys(1, `${zone}-signing`)]));
      this.zones.push({ zone, url, rootKey });
      for (const { id, role, seed } of roster) {
        const node = { role, id, zone, directory: { url, rootKey }, listen: { port: this.#nextPort() } };
        this.#spawn(role, node, new Map([['identity', seed], ...newKeys(1, 'link', 'circuit')]));
      }
    }
    await this.#untilReady(signal);
    await this.#untilPeersKnown(signal);
  }

  /** Starts a client of a zone as a daemon of its own. */
  startClient(id: string, { zone, url, rootKey }: ZoneAccess): Daemon {
    const control = { port: this.#nextPort() };
    const directory = { url, rootKey };
    const config = { role: 'client', id, zone, directory, listen: { port: this.#nextPort() }, control };
    this.#spawn('client', config, new Map([['identity', randomBytes(32)]]));
    return this.daemon(id);
  }

  /** Another superpeer in a zone that runs: in the file of its directory, and as a daemon, after that script of this folder. */
  addSuperpeer(id: string, { zone, url, rootKey }: ZoneAccess, before?: string): void {
    const seed = randomBytes(32);
    const identityKey = new Identity(seed).publicKey.toString('base64');
    this.configure(zone, (config) => {
      config.zones[0]!.roster.push({ id, role: 'superpeer', identityKey, channels: 1 });
    });
    const node = { role: 'superpeer', id, zone, directory: { url, rootKey }, listen: { port: this.#nextPort() } };
    this.#spawn('superpeer', node, new Map([['identity', seed]]), before);
  }

  /** Changes the file of a zone's directory; it is there whole or not at all, as in a mounted volume. */
  configure(zone: string, change: (config: DirectoryConfig) => void): void {
    const file = path.join(this.folder, `${zone}-directory`, 'config', 'node.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as DirectoryConfig;
    change(config);
    writeFileSync(`${file}.new`, JSON.stringify(config));
    renameSync(`${file}.new`, file);
  }

  /** The document that a zone's directory answers with, not verified. */
  view({ zone, url }: ZoneAccess): ViewText {
    return JSON.parse(this.#get(`${url}/v1/zones/${zone}/view`)) as ViewText;
  }

  /** What the directory reports on its zone's nodes, read as the operator does; throws if that would not believe it. */
  report({ zone, url, rootKey }: ZoneAccess): DirectoryNodes {
    const answer: unknown = JSON.parse(this.#get(`${url}/v1/zones/${zone}/nodes`));
    const nodes = readDirectoryNodes(answer, zone, rootKey, Date.now());
    if ('refused' in nodes) throw new Error(`${nodes.refused}`);
    return nodes;
  }

  /** A metric of a daemon that has one value. */
  metric({ metricsPort }: Daemon, name: string): number {
    const text = this.#get(`http://${ADDRESS}:${metricsPort}/metrics`);
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}{`));
    if (!line) throw new Error(`no metric ${name}`);
    return Number(line.split(' ').at(-1));
  }

  /** What a person does at a client, over its control interface; throws the client's words if it refuses. */
  async control<T>(id: string, ...words: readonly string[]): Promise<T> {
    const script = path.join(ROOT, 'nodes', 'client', 'ctl.ts');
    const args = ['netns', 'exec', this.namespace, process.execPath, script, ...words];
    const env = { ...process.env, HERD_FOLDER: path.join(this.folder, id) };
    const { stdout } = await promisify(execFile)('ip', args, { env });
    return JSON.parse(stdout) as T;
  }

  /** Runs a script of the repository inside the namespace: the JSON lines that it prints. It is killed when the signal aborts. */
  async lines(script: string, argument: unknown, signal?: AbortSignal): Promise<object[]> {
    const args = ['netns', 'exec', this.namespace, process.execPath, path.join(ROOT, script), JSON.stringify(argument)];
    const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    const kill = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', kill);
    const code = await new Promise((resolve) => child.once('close', resolve));
    signal?.removeEventListener('abort', kill);
    if (code !== 0) throw new Error(`${script} ended with ${code}`);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as object);
  }

  /** A command's output from inside the namespace. */
  output(program: string, args: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace, program, ...args], { encoding: 'utf8' });
  }

  /** Every daemon but clients gets its keys of that number. */
  addKeys(number: number): void {
    for (const { id, role } of this.daemons) {
      const prefixes = role === 'directory' ? this.zones.map(({ zone }) => `${zone}-signing`) : ['link', 'circuit'];
      if (role !== 'client') this.#writeKeys(id, newKeys(number, ...prefixes));
    }
  }

  /** Every daemon but clients loses them. */
  dropKeys(number: number): void {
    for (const { id } of this.daemons)
      for (const name of readdirSync(this.#keysOf(id)))
        if (name.endsWith(`-${number}`)) rmSync(path.join(this.#keysOf(id), name));
  }

  /** A zone's nodes as the consensus has them, not verified. */
  nodes(zone: string): ConsensusText['nodes'] {
    const view = this.view(this.zones.find((access) => access.zone === zone)!);
    return (JSON.parse(view.own.consensus) as ConsensusText).nodes;
  }

  metrics(id: string): string {
    return this.#get(`http://${ADDRESS}:${this.daemon(id).metricsPort}/metrics`);
  }

  daemon(id: string): Daemon {
    const found = this.daemons.find((daemon) => daemon.id === id);
    if (!found) throw new Error(`no daemon ${id}; there are ${this.daemons.map((daemon) => daemon.id).join(', ')}`);
    return found;
  }

  log(id: string): string {
    return readFileSync(path.join(this.folder, id, 'log'), 'utf8');
  }

  /** Ends everything that was started and removes the namespace. */
  async stop(): Promise<void> {
    const ends = this.daemons.map(({ child }) => new Promise((resolve) => child.once('close', resolve)));
    const alive = this.daemons.map(({ child }) => child.exitCode === null && child.signalCode === null);
    for (const { child } of this.daemons) child.kill('SIGKILL');
    await Promise.all(ends.filter((_end, index) => alive[index]));
    execFileSync('ip', ['netns', 'delete', this.namespace]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #prepare(plan: ZonePlan) {
    const { name: zone } = plan;
    const rootSeed = randomBytes(32);
    const directoryPort = this.#nextPort();
    const node = (role: NodeRole, number: number, more: object = {}) => {
      const seed = randomBytes(32);
      const identityKey = new Identity(seed).publicKey.toString('base64');
      return { id: `${zone}-${role}-${number}`, role, identityKey, seed, ...more };
    };
    const several = <T>(count: number, make: (number: number) => T) =>
      Array.from({ length: count }, (_value, index) => make(index + 1));
    const channels = plan.channelsPerSuperpeer ?? 1;
    const roster = [
      ...several(plan.mixes ?? 1, (number) => node('mix', number)),
      ...several(plan.rendezvous ?? 1, (number) => node('rendezvous', number)),
      ...several(plan.superpeers ?? 1, (number) => node('superpeer', number, { channels })),
    ];
    const rootKey = new Identity(rootSeed).publicKey.toString('base64');
    return { zone, plan, rootSeed, rootKey, roster, directoryPort, url: `http://${ADDRESS}:${directoryPort}` };
  }

  #spawn(
    role: Daemon['role'],
    config: { readonly id: string; readonly listen: { readonly port: number } },
    seeds: ReadonlyMap<string, Buffer>,
    before?: string,
  ): void {
    const { id } = config;
    const folder = path.join(this.folder, id);
    const metricsPort = this.#nextPort();
    mkdirSync(path.join(folder, 'config'), { recursive: true });
    mkdirSync(this.#keysOf(id));
    writeFileSync(
      path.join(folder, 'config', 'node.json'),
      JSON.stringify({ ...config, metrics: { port: metricsPort } }),
    );
    this.#writeKeys(id, seeds);
    mkdirSync(path.join(folder, 'pod'));
    writeFileSync(path.join(folder, 'pod', 'address'), ADDRESS);
    const log = openSync(path.join(folder, 'log'), 'a');
    const first = before === undefined ? [] : ['--import', path.join(import.meta.dirname, before)];
    const program = [process.execPath, ...first, path.join(ROOT, 'nodes', role, 'main.ts')];
    const args = ['netns', 'exec', this.namespace, ...program];
    const env = { ...process.env, HERD_FOLDER: folder };
    const child = spawn('ip', args, { stdio: ['ignore', log, log], env });
    this.daemons.push({ id, role, port: config.listen.port, metricsPort, child });
  }

  #keysOf(id: string): string {
    return path.join(this.folder, id, 'keys');
  }

  /** A name appears with what it stands for. */
  #writeKeys(id: string, seeds: Iterable<readonly [name: string, seed: Buffer]>): void {
    for (const [name, seed] of seeds) {
      const unnamed = path.join(this.folder, id, 'key');
      writeFileSync(unnamed, seed.toString('base64'));
      renameSync(unnamed, path.join(this.#keysOf(id), name));
    }
  }

  async #untilReady(signal: AbortSignal): Promise<void> {
    const end = Date.now() + READY_MS;
    for (const daemon of this.daemons) {
      while (!this.#isReady(daemon)) {
        signal.throwIfAborted();
        if (daemon.child.exitCode !== null || Date.now() > end)
          throw new Error(`${daemon.id} did not get ready:\n${this.log(daemon.id)}`);
        await sleep(250);
      }
    }
  }

  /** Every directory has the consensus of every other zone. */
  async #untilPeersKnown(signal: AbortSignal): Promise<void> {
    const end = Date.now() + PEERS_MS;
    for (const { zone, url } of this.zones) {
      for (;;) {
        const known = this.#peersOf(`${url}/v1/zones/${zone}/view`);
        if (known === this.zones.length - 1) break;
        signal.throwIfAborted();
        if (Date.now() > end) throw new Error(`zone ${zone} does not know its peers`);
        await sleep(500);
      }
    }
  }

  /** 0 while the directory does not answer. */
  #peersOf(url: string): number {
    try {
      return (JSON.parse(this.#get(url)) as ViewText).peers.length;
    } catch {
      return 0;
    }
  }

  #isReady({ metricsPort }: Daemon): boolean {
    try {
      this.#get(`http://${ADDRESS}:${metricsPort}/readyz`);
      return true;
    } catch {
      return false;
    }
  }

  #get(url: string): string {
    return this.#inside(process.execPath, ['--input-type=module', '--eval', GET, url]);
  }

  #inside(program: string, args: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.namespace, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }

  #nextPort(): number {
    this.#port += 1;
    return this.#port;
  }
}
