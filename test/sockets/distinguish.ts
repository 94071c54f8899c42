import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { seeded } from '../../evaluation/traffic/random.ts';
import { installPackages } from '../../lab/host/packages.ts';
import { Progress } from '../../lab/host/progress.ts';
import { type Micros, SECOND_US } from '../../nodes/core/units.ts';
import {
  balanced,
  compareLinks,
  printRows,
  Recorder,
  type Row,
  type WatchedLink,
  windowsOf,
  withLeak,
} from '../sim/observation.ts';
import { Deployment, type ZonePlan } from './deployment.ts';
import { busyAndQuiet, type ClientClass, clientStretches, linkKey, linkUses, type Stretch } from './labels.ts';
import { readPcap } from './pcap.ts';
import type { SwarmPlan, SwarmStep, SwarmSummary } from './swarm.ts';

/**
 * Case 16 of network.md 6 on the real daemons and real sockets: does any link show whether a call is on?
 *
 *   npm run distinguish -- [--seconds N] [--load] [--json]
 *
 * Two zones as processes in a network namespace of their own, a swarm of clients with random calls, tcpdump on the
 * loopback. Afterwards every link of a kind is cut into windows, which the swarm labels, and the tests and classifiers of
 * evaluation/traffic try to tell them apart; and once more with 0.2 ms planted, which they must notice. Each client's
 * calls are dealt by chance on links that all look the same, so both classes meet whatever else the machine does at that time.
 *
 * With --load busy loops fill the processors up to four fifths. What else the machine does meanwhile is in the figures:
 * the share of the processors' time that was used is printed, and rows whose labels belong to other links ("calls
 * elsewhere") show what comes of the time of day alone.
 *
 * Exit code 0 if no link leaks and every planted leak is found, 1 if not or if there was too little, 2 for wrong arguments.
 */
const USAGE = 'usage: npm run distinguish -- [--seconds N] [--load] [--json]';
const CLIENTS_PER_ZONE = 16;
const FIRST_CLIENT_PORT = 30_000;
const RING_SECONDS = 2;
/** About a third of the clients is in a call, ringing included, and of the links between nodes about a half carries some. */
const CALLS_PER_SECOND = 0.6;
const HOLD_SECONDS = 6;
const PATIENCE_SECONDS = 10;
const WINDOWS_S = [1, 10];
/** Windows that begin within one of these stretches of time share luck, on all links: one disturbance reaches them all. */
const CLUSTER_US = 3 * SECOND_US;
const LEAK_US = 200;
const SNAP_BYTES = 42;

const PLANS: readonly ZonePlan[] = ['eu', 'na'].map((name) => ({
  name,
  mixes: 2,
  rendezvous: 2,
  superpeers: 3,
  channelsPerSuperpeer: 4,
  params: {
    profile: 'A',
    clientsPerChannel: 8,
    meshCellsPerTick: 4,
    attachmentsPerClient: 3,
    assignment: 'augment',
    directClients: 0,
  },
}));

interface Run {
  readonly capture: string;
  readonly steps: readonly SwarmStep[];
  readonly calls: Readonly<Record<string, number>>;
  readonly summary: SwarmSummary;
  readonly from: Micros;
  readonly to: Micros;
  /** Share of the processors' time that was used, by whomever, 0 … 1. */
  readonly busy: number;
}

/** Adds to what is going on until the processors are busy four fifths of the time; ends by itself if nobody ends it. */
const BUSY = `import { cpus } from 'node:os';
const end = Date.now() + 1000 * Number(process.argv[1]);
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const times = () => cpus().reduce((sum, { times: t }) => [sum[0] + t.idle, sum[1] + t.idle + t.user + t.nice + t.sys + t.irq], [0, 0]);
let before = times();
let share = 0;
while (Date.now() < end) {
  for (let i = 0; i < 25; i += 1) {
    const until = performance.now() + 20 * share;
    while (performance.now() < until);
    Atomics.wait(sleeper, 0, 0, Math.max(0.1, 20 * (1 - share)));
  }
  const now = times();
  const busy = 1 - (now[0] - before[0]) / Math.max(1, now[1] - before[1]);
  before = now;
  share = Math.min(1, Math.max(0, share + 0.5 * (0.8 - busy)));
}`;

function startLoad(seconds: number): ChildProcess[] {
  return cpus().map(() =>
    spawn(process.execPath, ['--input-type=module', '--eval', BUSY, String(seconds)], { stdio: 'ignore' }),
  );
}

/** Times of all processors so far, in ms. */
function processorTimes(): { idle: number; all: number } {
  const sum = { idle: 0, all: 0 };
  for (const { times } of cpus()) {
    sum.idle += times.idle;
    sum.all += times.idle + times.user + times.nice + times.sys + times.irq;
  }
  return sum;
}

async function record(deployment: Deployment, seconds: number, loaded: boolean): Promise<Run> {
  await deployment.start(PLANS, new AbortController().signal);
  const capture = path.join(deployment.folder, 'lo.pcap');
  const { namespace } = deployment;
  // What goes down the kernel's layers as one is cut apart before it is looked at, as before a wire.
  deployment.output('ip', ['link', 'set', 'lo', 'gso_max_segs', '1']);
  const dump = ['tcpdump', '-i', 'lo', '-n', '-Z', 'root', '-s', String(SNAP_BYTES), '-B', '65536'];
  const nanoseconds = ['--time-stamp-precision=nano', '-w', capture, 'udp'];
  const tcpdump = spawn('ip', ['netns', 'exec', namespace, ...dump, ...nanoseconds], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  tcpdump.stderr!.on('data', (text: Buffer) => {
    said += text;
  });
  const dumped = new Promise((resolve) => tcpdump.once('close', resolve));
  const load = loaded ? startLoad(seconds + 120) : [];
  try {
    const plan: SwarmPlan = {
      zones: deployment.zones.map((zone) => ({ ...zone, clients: CLIENTS_PER_ZONE })),
      firstPort: FIRST_CLIENT_PORT,
      seconds,
      callsPerSecond: CALLS_PER_SECOND,
      holdSeconds: HOLD_SECONDS,
      patienceSeconds: PATIENCE_SECONDS,
      ringSeconds: RING_SECONDS,
      steps: true,
      seed: String(Date.now()),
    };
    const before = processorTimes();
    const lines = await deployment.lines('test/sockets/swarm.ts', plan);
    const after = processorTimes();
    const busy = 1 - (after.idle - before.idle) / (after.all - before.all);
    const summary = lines.find((line) => 'attachedMs' in line) as SwarmSummary | undefined;
    if (!summary) throw new Error('the swarm ended without its summary');
    if (tcpdump.exitCode !== null) throw new Error(`tcpdump: ${said}`);
    const steps = lines.filter((line) => 'state' in line) as SwarmStep[];
    const calls: Record<string, number> = {};
    for (const line of lines) {
      if (!('outcome' in line)) continue;
      const outcome = String(line.outcome);
      calls[outcome] = (calls[outcome] ?? 0) + 1;
    }
    // From the first call on, before which all are attached, to when no more is placed.
    const from = Math.min(...steps.filter(({ state }) => state !== 'idle').map(({ at }) => at));
    return { capture, steps, calls, summary, from, to: from + (seconds - 5) * SECOND_US, busy };
  } finally {
    for (const child of load) child.kill('SIGKILL');
    tcpdump.kill('SIGINT');
    await dumped;
    if (!/\b0 packets dropped by kernel/.test(said)) process.stderr.write(`tcpdump: ${said}`);
  }
}

/** Every direction of every link, by its ends: `fromPort toPort`. */
function readLinks({ capture }: Run): Map<string, Recorder> {
  const links = new Map<string, Recorder>();
  readPcap(capture, ({ at, fromPort, toPort, bytes }) => {
    const key = `${fromPort} ${toPort}`;
    let link = links.get(key);
    if (!link) {
      link = new Recorder();
      links.set(key, link);
    }
    link.add(at, bytes);
  });
  return links;
}

const CLIENT_KINDS = ['client → superpeer', 'superpeer → client'] as const;
const NODE_KINDS = ['superpeer → mix', 'mix → superpeer', 'mesh'] as const;
const KINDS = [...CLIENT_KINDS, ...NODE_KINDS];
type Kind = (typeof KINDS)[number];

function compareAll(run: Run, deployment: Deployment): Row[] {
  const random = seeded(1);
  const recorders = readLinks(run);
  const roles = new Map<number, string>(deployment.daemons.map(({ port, role }) => [port, role]));
  const roleOf = (port: number) => (port >= FIRST_CLIENT_PORT ? 'client' : roles.get(port));
  const directed = [...recorders].map(([key, recorder]) => {
    const [from, to] = key.split(' ').map(Number) as [number, number];
    return { from, to, kind: kindOf(roleOf(from), roleOf(to)), series: recorder.series() };
  });
  const clients = clientStretches(run.steps, run.to);
  const uses = linkUses(run.steps, run.to);
  const within = ({ from, to }: Stretch) => ({ from: Math.max(from, run.from), to: Math.min(to, run.to) });
  const cut = (stretches: readonly Stretch[], label: 0 | 1, windowUs: Micros) =>
    stretches.flatMap((stretch) =>
      windowsOf(within(stretch), windowUs, label, (at) => Math.floor(at / Math.max(windowUs, CLUSTER_US))),
    );

  const ofClients = (kind: Kind, is: ClientClass, windowUs: Micros): WatchedLink[] =>
    directed
      .filter((link) => link.kind === kind)
      .map(({ from, to, series }) => {
        const own = clients.filter(({ port }) => port === from || port === to);
        const of = (wanted: ClientClass) => own.filter((stretch) => stretch.is === wanted);
        return balanced({ series, spans: [...cut(of('idle'), 0, windowUs), ...cut(of(is), 1, windowUs)] });
      });
  /**
   * Links that never carry a call, as between two mixes, tell nothing and are left out. `shift` labels a link by the calls
   * of the one so many places further.
   */
  const ofNodes = (kind: Kind, windowUs: Micros, shift: number): WatchedLink[] => {
    const carrying = directed.filter((link) => link.kind === kind && uses.has(linkKey(link.from, link.to)));
    return carrying.map((link, index) => {
      const labelled = carrying[(index + shift) % carrying.length]!;
      const { busy, quiet } = busyAndQuiet(uses.get(linkKey(labelled.from, labelled.to))!, run.from, run.to);
      const spans = [...cut(quiet, 0, windowUs), ...cut(busy, 1, windowUs)];
      return balanced({ series: link.series, spans });
    });
  };

  const rows: Row[] = [];
  const add = (link: Kind, comparison: string, windowS: number, links: readonly WatchedLink[]) => {
    process.stderr.write(`${link}, ${comparison}, ${windowS} s\n`);
    try {
      rows.push(compareLinks(link, comparison, links, windowS * SECOND_US, random, 'one machine'));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      process.stderr.write(`  left out: ${error.message}\n`);
    }
  };
  for (const windowS of WINDOWS_S) {
    for (const kind of CLIENT_KINDS)
      for (const is of ['ringing', 'calling', 'hanging up'] as const)
        add(kind, `${is}, idle`, windowS, ofClients(kind, is, windowS * SECOND_US));
    for (const kind of NODE_KINDS) add(kind, 'calls, none', windowS, ofNodes(kind, windowS * SECOND_US, 0));
  }
  for (const kind of NODE_KINDS) add(kind, ELSEWHERE, 1, ofNodes(kind, SECOND_US, PLACES_AWAY));
  for (const kind of CLIENT_KINDS)
    add(kind, PLANTED, 1, withLeak(ofClients(kind, 'calling', SECOND_US), LEAK_US, random));
  for (const kind of NODE_KINDS) add(kind, PLANTED, 1, withLeak(ofNodes(kind, SECOND_US, 0), LEAK_US, random));
  return rows;
}

const PLANTED = 'calls + 0.2 ms, none';
/** Should show nothing: if it does, calls and the machine's other work went together in this run. */
const ELSEWHERE = 'calls elsewhere, none';
const PLACES_AWAY = 5;

function kindOf(from: string | undefined, to: string | undefined): Kind | undefined {
  const inMesh = (role: string | undefined) => role === 'mix' || role === 'rendezvous';
  if (inMesh(from) && inMesh(to)) return 'mesh';
  if (from === 'client' && to === 'superpeer') return 'client → superpeer';
  if (from === 'superpeer' && to === 'client') return 'superpeer → client';
  if (from === 'superpeer' && to === 'mix') return 'superpeer → mix';
  if (from === 'mix' && to === 'superpeer') return 'mix → superpeer';
  return undefined;
}

async function installTcpdump(): Promise<void> {
  try {
    execFileSync('tcpdump', ['--version'], { stdio: 'ignore' });
  } catch {
    await installPackages(['tcpdump'], new Progress(process.stderr));
  }
}

/** Ends everything that runs in the namespace, of which only the daemons are the deployment's own. */
async function abandon(deployment: Deployment): Promise<void> {
  // Some may have gone by themselves meanwhile.
  execFileSync('sh', ['-c', `kill -9 $(ip netns pids ${deployment.namespace}) || true`], { stdio: 'ignore' });
  await deployment.stop();
}

async function main(args: readonly string[]): Promise<number> {
  const options = { seconds: { type: 'string' }, load: { type: 'boolean' }, json: { type: 'boolean' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  const seconds = Number(values.seconds ?? 150);
  if (!(seconds >= 30 && Number.isFinite(seconds))) {
    console.error(`--seconds must be a number from 30 on\n${USAGE}`);
    return 2;
  }
  await installTcpdump();
  const deployment = new Deployment();
  let isLeaving = false;
  const leave = () => {
    // A second signal must not end the process before the namespace is gone.
    if (isLeaving) return;
    isLeaving = true;
    void abandon(deployment).finally(() => process.exit(1));
  };
  process.on('SIGINT', leave).on('SIGTERM', leave);
  try {
    const run = await record(deployment, seconds, values.load === true);
    const { summary, calls, busy } = run;
    const rows = compareAll(run, deployment);
    if (values.json) console.log(JSON.stringify({ seconds, load: values.load === true, busy, summary, calls, rows }));
    else {
      console.log(
        `processors busy ${(100 * busy).toFixed(0)} %, ${JSON.stringify(calls)}, ${summary.lateTicks} of ${summary.ticks} ticks of clients more than 5 ms late`,
      );
      console.log(printRows(rows));
    }
    const isWell = (row: Row) =>
      row.comparison === PLANTED
        ? row.verdict === 'leaks' || row.p < 0.05
        : row.comparison === ELSEWHERE || (row.verdict !== 'leaks' && String(row.sizes[0]) === String(row.sizes[1]));
    // Every kind of link must have been able to show a leak; a run that was too short shows nothing.
    const couldShow = KINDS.every((kind) =>
      rows.some(({ link, comparison }) => link === kind && comparison === PLANTED),
    );
    if (!couldShow) console.error('too few windows with and without calls: take more seconds');
    return couldShow && rows.every(isWell) ? 0 : 1;
  } finally {
    await deployment.stop();
  }
}

process.exitCode = await main(process.argv.slice(2));
