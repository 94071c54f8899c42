/** The local cluster with the images of this repository, as whatever runs on it needs it. */
import path from 'node:path';
import type { Kubectl } from './calls/client.ts';
import { installPackages } from './host/packages.ts';
import { checkPrerequisites, describeProblems } from './host/prerequisites.ts';
import type { Progress } from './host/progress.ts';
import type { Run } from './host/run.ts';
import { type BuiltImages, buildImages } from './image/build.ts';
import { buildKubernetes } from './kubernetes/build.ts';
import { type Cluster, startCluster } from './kubernetes/cluster.ts';
import { kubectlRunner } from './kubernetes/kubectl.ts';
import { readDelays } from './wan/delays.ts';

const root = path.join(import.meta.dirname, '..');

/** Installs what the machine lacks. @returns false, having said why, if it can run no cluster */
export async function prepareMachine(progress: Progress): Promise<boolean> {
  const { problems: missing, packages } = await checkPrerequisites();
  if (missing.length > 0) {
    console.error(`This machine cannot run the local cluster:\n${describeProblems(missing)}`);
    return false;
  }
  if (packages.length > 0) await installPackages(packages, progress);
  return true;
}

export interface LocalCluster {
  readonly cluster: Cluster;
  readonly images: BuiltImages;
  readonly kubectl: Kubectl;
}

export async function startLocalCluster(run: Run, progress: Progress): Promise<LocalCluster> {
  const [binaries, images, delays] = await Promise.all([
    buildKubernetes(progress),
    progress.step('Building the images', () => buildImages(root, path.join(run.directory, 'herd.tar'))),
    readDelays(),
  ]);
  run.check();
  const cluster = await startCluster({ run, delays, binaries, progress, archives: [images.archive] });
  return { cluster, images, kubectl: kubectlRunner(cluster.kubectlPath, ['--kubeconfig', cluster.kubeconfigPath]) };
}
