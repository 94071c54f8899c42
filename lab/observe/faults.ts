/** What the run does to the cluster: its parts, in shares of its length, one after another. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Chaos } from '../chaos/steps.ts';
import { NAMESPACE } from '../herd/resources.ts';
import { findLeftovers } from '../host/leftovers.ts';
import { run as runKubectl } from '../kubernetes/kubectl.ts';

export interface Part {
  readonly name: string;
  readonly share: number;
  /** Lasts as long as the signal lets it, if it can. */
  readonly go: (chaos: Chaos, ms: number) => Promise<void>;
  /** When something that is done to the cluster ends by itself or with the part. */
  readonly over?: string;
}

/** In the region of the first zone, where callers and a probe are. */
const VICTIM = 'eu-sp-0';
/** Where the second zone has its directory. */
const PARTED = 'na';
const LOOK_MS = 500;

const rest = (_chaos: Chaos, ms: number) => sleep(ms).then(() => {});

export const parts: readonly Part[] = [
  { name: 'nothing', share: 0.12, go: rest },
  {
    name: `superpeer ${VICTIM} is killed, whenever it starts`,
    over: 'it may live',
    share: 0.18,
    async go(chaos, ms) {
      const pod = `${VICTIM}-0`;
      const uid = await runKubectl(chaos.kubectl, [
        'get',
        'pod',
        pod,
        '-n',
        NAMESPACE,
        '-o',
        'jsonpath={.metadata.uid}',
      ]);
      for (const end = performance.now() + ms; performance.now() < end; await sleep(LOOK_MS)) {
        chaos.check();
        for (const pid of await processesOf(chaos.runId, uid)) kill(pid);
      }
    },
  },
  { name: 'nothing', share: 0.06, go: rest },
  {
    name: `region ${PARTED} is parted from all others`,
    over: 'the regions are joined',
    share: 0.25,
    async go({ faults }, ms) {
      await faults.partRegion(PARTED);
      await sleep(ms).finally(() => faults.joinRegions());
    },
  },
  { name: 'nothing', share: 0.39, go: rest },
];

/** Those of the pod's containers that run node. */
async function processesOf(runId: string, podUid: string): Promise<number[]> {
  const found: number[] = [];
  for (const { pid, command } of (await findLeftovers(runId)).processes) {
    if (!command.includes('nodes/superpeer/main.ts')) continue;
    const cgroups = await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '');
    if (cgroups.includes(podUid)) found.push(pid);
  }
  return found;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended since.
  }
}
