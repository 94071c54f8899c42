/** What happens to the cluster while the calls stand. To add a disturbance is to add an entry to `steps`. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kubectl } from '../calls/client.ts';
import { apply, condition, type Item, list, until } from '../herd/deploy.ts';
import { NAMESPACE } from '../herd/resources.ts';
import { findLeftovers } from '../host/leftovers.ts';
import type { Step as Progress } from '../host/progress.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { run } from '../kubernetes/kubectl.ts';
import { CHAOS_ZONES, chaosZone } from './resources.ts';

export interface Chaos {
  readonly kubectl: Kubectl;
  readonly faults: Cluster['faults'];
  readonly runId: string;
  readonly nodeImage: string;
  readonly calls: number;
  /** Throws when the run is being stopped. */
  readonly check: () => void;
}

export interface ChaosStep {
  readonly name: string;
  /** By the operator, or by who works with it: no call may notice. */
  readonly chosen: boolean;
  readonly go: (chaos: Chaos, progress: Progress) => Promise<void>;
}

const SYSTEM = 'herd-system';
const DEPLOYMENT = 'deployment/herd-operator';
const SETTLED_MS_MAX = 900_000;
/** Longer than a lease lasts, shorter than what the kubelet takes for a hung container. */
const PAUSE_MS = 25_000;
const AWAY_MS = 120_000;
const PARTED_MS = 60_000;

export const steps: readonly ChaosStep[] = [
  { name: 'nothing', chosen: true, go: () => sleep(60_000) },
  {
    name: 'the operator is killed',
    chosen: false,
    async go(chaos, progress) {
      const pod = await leader(chaos);
      await run(chaos.kubectl, ['delete', 'pod', pod, '-n', SYSTEM, '--grace-period=0', '--force']);
      await settled(chaos, progress);
    },
  },
  {
    name: 'the leader stands still past its lease',
    chosen: false,
    async go(chaos, progress) {
      const pid = await processOf(chaos, await leader(chaos));
      process.kill(pid, 'SIGSTOP');
      await sleep(PAUSE_MS);
      process.kill(pid, 'SIGCONT');
      await settled(chaos, progress);
    },
  },
  {
    name: 'the API server is away for two minutes',
    chosen: false,
    async go(chaos, progress) {
      chaos.faults.pauseApiServer();
      await sleep(AWAY_MS).finally(() => chaos.faults.resumeApiServer());
      await settled(chaos, progress);
    },
  },
  {
    name: 'all watches are told 410',
    chosen: false,
    async go(chaos, progress) {
      for (let i = 0; i < 3; i += 1) {
        await chaos.faults.restartApiServer();
        await sleep(10_000);
      }
      await settled(chaos, progress);
    },
  },
  {
    name: 'a machine is drained and comes back',
    chosen: true,
    async go(chaos, progress) {
      progress.detail('kubectl drain sa');
      await run(chaos.kubectl, ['drain', 'sa', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=600s']);
      await sleep(20_000);
      await run(chaos.kubectl, ['uncordon', 'sa']);
      await settled(chaos, progress);
    },
  },
  {
    name: 'a zone gets another mix, and loses it',
    chosen: true,
    async go(chaos, progress) {
      for (const mixes of [2, 1]) {
        await apply(chaos.kubectl, [chaosZone(CHAOS_ZONES[1]!, chaos.calls, mixes)]);
        await settled(chaos, progress, async () => {
          const slots = await list(chaos.kubectl, 'nodeslots');
          const { name, regions } = CHAOS_ZONES[1]!;
          return (
            slots.filter(({ metadata }) => metadata.name.startsWith(`${name}-${regions[0]}-mix-`)).length === mixes
          );
        });
      }
    },
  },
  {
    name: 'all keys are changed',
    chosen: true,
    async go(chaos, progress) {
      const zones = CHAOS_ZONES.map(({ name }) => name);
      const rotate = `herd.network/rotate=${new Date().toISOString()}`;
      await run(chaos.kubectl, ['annotate', 'zone', '-n', NAMESPACE, ...zones, '--overwrite', rotate]);
      // New ones are in force from the epoch after the next.
      await sleep(150_000);
      await settled(chaos, progress);
    },
  },
  {
    name: 'all nodes get another image',
    chosen: true,
    async go(chaos, progress) {
      const next = `${chaos.nodeImage}-next`;
      await chaos.faults.tagImage(chaos.nodeImage, next);
      await run(chaos.kubectl, ['set', 'env', DEPLOYMENT, '-n', SYSTEM, `HERD_NODE_IMAGE=${next}`]);
      await settled(chaos, progress, async () => {
        const images = await run(chaos.kubectl, [
          ...['get', 'pods', '-n', NAMESPACE, '-o'],
          'jsonpath={range .items[*]}{.spec.containers[0].image}{"\\n"}{end}',
        ]);
        return images
          .trim()
          .split('\n')
          .every((image) => image === next);
      });
    },
  },
  {
    name: 'a region is parted from the others for a minute',
    chosen: false,
    async go(chaos, progress) {
      await chaos.faults.partRegion('au');
      await sleep(PARTED_MS).finally(() => chaos.faults.joinRegions());
      await settled(chaos, progress);
    },
  },
];

/** All is Ready and nothing is left to be done, and what else the step has to wait for is there. */
export async function settled(chaos: Chaos, progress: Progress, also = async () => true): Promise<void> {
  await until(
    chaos,
    progress,
    async () => {
      const there = await also();
      const waiting = (await list(chaos.kubectl, 'zones,superpeers')).filter(
        (item) =>
          !isSeen(item) ||
          condition(item, 'Ready')?.status !== 'True' ||
          (item.kind === 'Zone' && condition(item, 'Progressing')?.status !== 'False'),
      );
      const [first] = waiting;
      const why = first && (condition(first, 'Progressing') ?? condition(first, 'Ready'))?.message;
      progress.detail(
        `${waiting.length} not settled${first ? `: ${first.metadata.name} ${why ?? ''}` : ''}`.slice(0, 100),
      );
      return (there && waiting.length === 0) || undefined;
    },
    SETTLED_MS_MAX,
  );
}

/** The status is of the newest spec. */
const isSeen = ({ metadata, status }: Item) => status?.observedGeneration === metadata.generation;

/** The name of the pod that leads. */
async function leader({ kubectl }: Chaos): Promise<string> {
  const held = ['get', 'lease', '-n', SYSTEM, '-o', 'jsonpath={.items[0].spec.holderIdentity}'];
  const holder = await run(kubectl, held);
  if (!holder) throw new Error('nobody leads');
  return holder;
}

/** The process of an operator's pod, as this machine sees it. */
async function processOf({ runId }: Chaos, pod: string): Promise<number> {
  for (const { pid, command } of (await findLeftovers(runId)).processes) {
    if (!command.includes('operator/main.ts')) continue;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`POD_NAME=${pod}`)) return pid;
  }
  throw new Error(`no process of pod ${pod}`);
}
