import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { installObjects } from '../operator/install.ts';
import type { ClientPod, Kubectl } from './calls/client.ts';
import { placeCalls } from './calls/run.ts';
import { voicemails } from './calls/speech.ts';
import { deploy } from './herd/deploy.ts';
import { NAMESPACE, type Regions, regionsFor, ZONES } from './herd/resources.ts';
import { elapsed, Progress } from './host/progress.ts';
import { openRun, type Run } from './host/run.ts';
import { kubectlRunner, run as runKubectl } from './kubernetes/kubectl.ts';
import { prepareMachine, startLocalCluster } from './local-cluster.ts';
import { type Options, parseOptions, USAGE, type UserCluster } from './options.ts';
import { problems } from './report/checks.ts';
import { figure7 } from './report/plot.ts';
import { reportJson } from './report/report.ts';
import { table } from './report/table.ts';

/**
 * `npm start`: a Kubernetes, the operator, the paper's deployment, its twelve calls, and a table of how they went.
 *
 * Whatever happens in between, what was started is taken down at the end, and the exit code says whether all was well.
 */
const root = path.join(import.meta.dirname, '..');

/** A cluster to work on, the local one or the user's. */
interface Target {
  readonly kubectl: Kubectl;
  /** How a person would run kubectl on it. */
  readonly kubectlCommand: string;
  readonly images: { readonly node: string; readonly operator: string };
  readonly regions: Regions;
  readonly versions: { readonly kubernetes: string; readonly containerd: string };
  readonly check: () => void;
  readonly stop: () => Promise<void>;
}

/** Milliseconds since the start, by phase. */
type Timings = Record<string, number>;

async function main(options: Options): Promise<number> {
  const progress = new Progress(process.stderr);
  const stopped = Promise.withResolvers<void>();
  let stopping = false;
  let target: Target | undefined;
  let run: Run | undefined;
  const onSignal = () => {
    stopping = true;
    stopped.resolve();
    void run?.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
  try {
    const ready = options.context ? await checkUserCluster(options.context) : await prepareMachine(progress);
    if (!ready) return 1;
    const recordings = await progress.step('Speaking the recordings', () => voicemails(ZONES));
    if (options.context) target = await userTarget(options.context, () => stopping);
    else {
      run = await openRun();
      target = await localTarget(run, progress);
    }
    const timings: Timings = { cluster: sinceStart() };
    const clients = await deploy({ ...target, progress });
    timings.attached = sinceStart();
    const failed = await callAndReport(target, clients, recordings, options, timings, progress);
    if (options.once) return failed ? 1 : 0;
    console.log(whatToSee(target.kubectlCommand));
    await stopped.promise;
    return failed ? 1 : 0;
  } catch (error) {
    const { message } = error as Error;
    console.error(stopping ? 'Stopped before everything was up.' : `Failed: ${message}`);
    return 1;
  } finally {
    const close = async () => {
      await target?.stop();
      await run?.close();
    };
    await progress.step('Taking everything down', close);
  }
}

async function localTarget(run: Run, progress: Progress): Promise<Target> {
  const { cluster, images, kubectl } = await startLocalCluster(run, progress);
  const { kubeconfigPath, kubectlPath, versions, regions } = cluster;
  return {
    kubectl,
    kubectlCommand: `KUBECONFIG=${kubeconfigPath} ${kubectlPath}`,
    images,
    regions: regionsFor(regions.map(({ name }) => name)),
    versions,
    check: () => run.check(),
    stop: () => cluster.stop(),
  };
}

const REGION_LABEL = 'topology.kubernetes.io/region';

/** All that a user's cluster lacks, at once. */
async function checkUserCluster({ name }: UserCluster): Promise<boolean> {
  const kubectl = kubectlRunner('kubectl', ['--context', name]);
  const found: string[] = [];
  const ask = async (args: string[], judge: (stdout: string) => string | undefined) => {
    const { stdout, stderr, code } = await kubectl(args, {});
    const problem = code === 0 ? judge(stdout) : stderr.trim();
    if (problem) found.push(problem);
  };
  await ask(['get', 'nodes', '-o', 'json'], (text) =>
    regionsOf(text).length === 0
      ? `no node has the label ${REGION_LABEL}\n  kubectl label node NODE ${REGION_LABEL}=eu`
      : undefined,
  );
  await ask(['get', 'namespace', NAMESPACE, '--ignore-not-found', '-o', 'name'], (text) =>
    text.trim() ? `the namespace ${NAMESPACE} exists already, and this run would delete it at its end` : undefined,
  );
  if (found.length > 0)
    console.error(`Cannot use the cluster of context ${name}:\n${found.map((p) => `- ${p}`).join('\n')}`);
  return found.length === 0;
}

function regionsOf(nodesJson: string): string[] {
  const { items } = JSON.parse(nodesJson) as { items: { metadata: { labels?: Record<string, string> } }[] };
  const regions = items.flatMap(({ metadata }) => metadata.labels?.[REGION_LABEL] ?? []);
  return [...new Set(regions)].sort();
}

async function userTarget(cluster: UserCluster, stopping: () => boolean): Promise<Target> {
  const kubectl = kubectlRunner('kubectl', ['--context', cluster.name]);
  const nodes = await runKubectl(kubectl, ['get', 'nodes', '-o', 'json']);
  const version = JSON.parse(await runKubectl(kubectl, ['version', '-o', 'json'])) as {
    serverVersion: { gitVersion: string };
  };
  const [first] = (JSON.parse(nodes) as { items: { status: { nodeInfo: { containerRuntimeVersion: string } } }[] })
    .items;
  const operatorWasThere = await runKubectl(kubectl, [
    'get',
    'namespace',
    'herd-system',
    '--ignore-not-found',
    '-o',
    'name',
  ]);
  return {
    kubectl,
    kubectlCommand: `kubectl --context ${cluster.name}`,
    images: { node: cluster.nodeImage, operator: cluster.operatorImage },
    regions: regionsFor(regionsOf(nodes)),
    versions: {
      kubernetes: version.serverVersion.gitVersion,
      containerd: first!.status.nodeInfo.containerRuntimeVersion,
    },
    check: () => {
      if (stopping()) throw new Error('stopped');
    },
    stop: async () => {
      await runKubectl(kubectl, ['delete', 'namespace', NAMESPACE, '--ignore-not-found']);
      if (operatorWasThere.trim()) return;
      const installed = installObjects({ image: '', nodeImage: '', namespaces: [] });
      const clusterWide = installed.filter(({ metadata }) => metadata.namespace === undefined);
      const names = clusterWide.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      await runKubectl(kubectl, ['delete', '--ignore-not-found', ...names]);
    },
  };
}

/** Places the calls and prints how they went; true if something is wrong with them. */
async function callAndReport(
  target: Target,
  clients: ClientPod[],
  recordings: ReadonlyMap<string, Buffer>,
  options: Options,
  timings: Timings,
  progress: Progress,
): Promise<boolean> {
  const rows = await progress.step('Placing the twelve calls', (step) => {
    let done = 0;
    return placeCalls({
      kubectl: target.kubectl,
      clients,
      recordings,
      onRow: () => {
        if (done === 0) timings.firstCall = sinceStart();
        done += 1;
        target.check();
        step.detail(`${done} of 12 done`);
      },
    });
  });
  timings.calls = sinceStart();
  console.log(table(rows));
  const wrong = problems(rows);
  for (const sentence of wrong) console.error(sentence);
  if (options.report) {
    const { kubernetes, containerd } = target.versions;
    const versions = { kubernetes, containerd, node: process.version, commit: await commit() };
    await writeFile(options.report, reportJson({ versions, calls: rows, timings }));
    const plot = options.report.replace(/(\.json)?$/, '.svg');
    await writeFile(plot, figure7(rows));
    console.log(`Report: ${options.report}, plot: ${plot}`);
  }
  console.log(`First call over after ${elapsed(timings.firstCall!)}, all after ${elapsed(timings.calls)}.`);
  return wrong.length > 0;
}

/** The commit that runs, with a mark when the tree differs from it. */
async function commit(): Promise<string> {
  const git = promisify(execFile);
  const { stdout } = await git('git', ['-C', root, 'describe', '--always', '--dirty', '--abbrev=12']).catch(() => ({
    stdout: 'unknown',
  }));
  return stdout.trim();
}

function whatToSee(kubectl: string): string {
  return `
Herd is up. Ctrl-C takes it down. In another terminal:
  ${kubectl} get zones,superpeers -A            state, epoch, mixes ready
  ${kubectl} -n ${NAMESPACE} get pods -o wide              which node runs what
  ${kubectl} -n ${NAMESPACE} describe zone eu              conditions and events
  ${kubectl} -n ${NAMESPACE} exec client-eu -c client -- node nodes/client/ctl.ts status
  ${kubectl} -n ${NAMESPACE} delete pod eu-eu-mix-0-0         and watch it come back`;
}

/** Of this process; what npm did before is not in it. */
function sinceStart(): number {
  return performance.now();
}

const options = parseOptions(process.argv.slice(2));
if ('problems' in options) {
  console.error(`${options.problems.join('\n')}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  process.exitCode = await main(options);
}
