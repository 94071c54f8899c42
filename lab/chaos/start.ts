/** The local cluster with Herd, and calls that stand between its zones. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { apply, installOperator, list, until } from '../herd/deploy.ts';
import { namespaceObject } from '../herd/resources.ts';
import { createCgroup, enterCgroup } from '../host/cgroups.ts';
import type { Progress } from '../host/progress.ts';
import type { Run } from '../host/run.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { run as runKubectl } from '../kubernetes/kubectl.ts';
import { startLocalCluster } from '../local-cluster.ts';
import type { CallNews } from './callers.ts';
import { CHAOS_ZONES, chaosObjects } from './resources.ts';
import { type Chaos, settled } from './steps.ts';

const FIRST_PORT = 21_000;
const UP_MS_MAX = 120_000;

/** @param room calls that the zones have room for */
export async function startWithCalls(run: Run, calls: number, room: number, progress: Progress) {
  const { cluster, images, kubectl } = await startLocalCluster(run, progress);
  const check = () => run.check();
  const chaos: Chaos = { kubectl, faults: cluster.faults, runId: run.id, nodeImage: images.node, calls: room, check };
  await installOperator({ kubectl, images, progress, check });
  await runKubectl(kubectl, ['scale', 'deployment/herd-operator', '-n', 'herd-system', '--replicas=2']);
  await apply(kubectl, [namespaceObject(), ...chaosObjects(room)]);
  await progress.step('Zones become Ready', (step) => settled(chaos, step));
  const callers = await startCallers(run, cluster, kubectl, calls);
  await progress.step(`${calls} calls begin`, (step) =>
    until(
      chaos,
      step,
      async () => {
        step.detail(`${callers.up} up, ${callers.attached} of ${2 * calls} clients attached`);
        return callers.up === calls || undefined;
      },
      UP_MS_MAX,
    ),
  );
  return { cluster, chaos, callers };
}

/** In the network of the first region's machine, as people there would be. */
async function startCallers(run: Run, cluster: Cluster, kubectl: Chaos['kubectl'], calls: number) {
  const zones = (await list(kubectl, 'zones')).map(({ metadata: { name }, status }) => ({
    zone: name,
    url: status!.directoryURL!,
    rootKey: status!.rootKey!,
    clients: calls,
  }));
  const order = CHAOS_ZONES.map(({ name }) => name);
  zones.sort((a, b) => order.indexOf(a.zone) - order.indexOf(b.zone));
  const { netns } = cluster.regions.find(({ name }) => name === CHAOS_ZONES[0]!.regions[0])!;
  const script = path.join(import.meta.dirname, 'callers.ts');
  const args = ['netns', 'exec', netns, process.execPath, script, JSON.stringify({ zones, firstPort: FIRST_PORT })];
  // The run ends what bears its name.
  const env = { ...process.env, HERD_RUN: run.name };
  const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const cgroup = `${run.name}-callers`;
  await createCgroup(cgroup);
  await enterCgroup(cgroup, child.pid!);
  const seen = { up: 0, attached: 0, gaps: [] as number[], dropped: 0 };
  createInterface(child.stdout).on('line', (text) => {
    const news = JSON.parse(text) as CallNews;
    if (news.kind === 'up') {
      seen.up = news.calls;
      seen.attached = news.attached;
    } else if (news.kind === 'gap') seen.gaps.push(news.ms);
    else if (news.kind === 'dropped') seen.dropped += 1;
  });
  return {
    get up() {
      return seen.up;
    },
    get attached() {
      return seen.attached;
    },
    clear() {
      seen.gaps = [];
      seen.dropped = 0;
    },
    noticed: () => ({
      gaps: seen.gaps.length,
      longestMs: Math.max(0, ...seen.gaps),
      dropped: seen.dropped,
      callsUp: seen.up,
    }),
  };
}
