import path from 'node:path';
import { exec } from '../host/exec.ts';
import { type Machine, startMachine } from '../host/machine.ts';
import type { Progress, Step } from '../host/progress.ts';
import type { Run } from '../host/run.ts';
import { waitFor } from '../host/wait.ts';
import { buildPause, writePauseArchive } from '../image/pause.ts';
import type { Delays } from '../wan/delays.ts';
import { createNetwork, joinRegions, type Network, partRegion, type Region } from '../wan/network.ts';
import type { Binaries } from './build.ts';
import { findCniPlugins } from './cni.ts';
import { copyImages, startContainerd, unpackImages } from './containerd.ts';
import { type ControlPlaneFaults, startControlPlane } from './control-plane.ts';
import { startKubelet } from './node.ts';
import { createAuthority } from './pki.ts';

export interface ClusterOptions {
  run: Run;
  delays: Delays;
  binaries: Binaries;
  progress: Progress;
  /** Archives of OCI images that the nodes have from the start. There is no registry to pull others from. */
  archives: readonly string[];
}

export interface Cluster {
  /** Lets kubectl, from the machine's own network, do everything. Goes with the run. */
  kubeconfigPath: string;
  kubectlPath: string;
  versions: { kubernetes: string; etcd: string; containerd: string };
  /** One node in each, named like the region. */
  regions: Region[];
  controlPlane: Network['controlPlane'];
  faults: ControlPlaneFaults & {
    /** Nothing gets into the region or out of it, until it is joined again. */
    partRegion(name: string): Promise<void>;
    joinRegions(): Promise<void>;
    /** Gives an image that all nodes have another reference. */
    tagImage(reference: string, other: string): Promise<void>;
  };
  /** Ends everything and leaves the machine as it was; the same as closing the run. */
  stop(): Promise<void>;
}

/**
 * Starts a real Kubernetes: a control plane, and one node for each region with the delays of a wide-area network
 * between them. Returns when all nodes are Ready. When it throws, the run still has to be closed.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { run, binaries, progress } = options;
  return progress.step(`Starting Kubernetes ${binaries.versions.kubernetes}`, (step) =>
    run.during(() => start(options, step)),
  );
}

async function start({ run, delays, binaries, archives }: ClusterOptions, step: Step): Promise<Cluster> {
  const pause = path.join(run.directory, 'pause.tar');
  const [network, authority, init, cniPlugins] = await run.all([
    createNetwork(run, delays),
    createAuthority(path.join(run.directory, 'keys')),
    buildPause(),
    findCniPlugins(),
    writePauseArchive(pause),
  ]);
  if (cniPlugins === undefined) throw new Error('the CNI plugins are not installed');
  const [control, ...nodes] = await run.all([
    startMachine(run, 'control', network.controlPlane.netns, init),
    ...network.regions.map((region) => startMachine(run, region.name, region.netns, init)),
  ]);
  step.detail('control plane, images');
  const [{ api, kubeconfigPath, nodeServer, faults }] = await run.all([
    startControlPlane(run, control, binaries, authority, network.controlPlane.address),
    startContainerds(run, control, nodes, network.regions, cniPlugins, [pause, ...archives]),
  ]);
  await run.all(
    network.regions.map((region, i) => startKubelet(run, nodes[i]!, region, binaries, authority, nodeServer)),
  );
  await waitFor(run, 'all nodes Ready', 90_000, async () => {
    const ready = await api.readyNodes();
    step.detail(`${ready.length} of ${nodes.length} nodes Ready`);
    return ready.length === nodes.length || undefined;
  });
  const containerd = (await exec('containerd', ['--version'])).split(' ')[2]!;
  return {
    kubeconfigPath,
    kubectlPath: binaries.path('kubectl'),
    versions: { ...binaries.versions, containerd },
    regions: network.regions,
    controlPlane: network.controlPlane,
    faults: {
      ...faults,
      partRegion: (name) => partRegion(network, name),
      joinRegions: () => joinRegions(network),
      async tagImage(reference, other) {
        await run.all(
          nodes.map((node) => node.exec('ctr', ['--namespace', 'k8s.io', 'images', 'tag', reference, other])),
        );
      },
    },
    async stop() {
      api.close();
      await run.close();
    },
  };
}

async function startContainerds(
  run: Run,
  control: Machine,
  nodes: Machine[],
  regions: Region[],
  cniPlugins: string,
  archives: readonly string[],
): Promise<void> {
  const unpacked = await unpackImages(run, control, archives);
  await run.all(
    nodes.map(async (node, i) => {
      await copyImages(run, unpacked, node);
      await startContainerd(run, node, regions[i]!, cniPlugins);
    }),
  );
}
