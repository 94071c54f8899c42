import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import type { CallRow } from '../../lab/calls/row.ts';
import { Progress } from '../../lab/host/progress.ts';
import { openRun } from '../../lab/host/run.ts';
import { buildImages } from '../../lab/image/build.ts';
import { buildKubernetes } from '../../lab/kubernetes/build.ts';
import { startCluster } from '../../lab/kubernetes/cluster.ts';
import { kubectlRunner, run as runKubectl } from '../../lab/kubernetes/kubectl.ts';
import { readDelays } from '../../lab/wan/delays.ts';

/** `npm start -- --context` on a cluster that somebody else runs and that has had no Herd before. */
const skip = process.env.HERD_KUBERNETES_BIN ? false : 'needs a machine that can run a cluster';
const root = path.join(import.meta.dirname, '..', '..');

interface Ended {
  readonly code: number | null;
  readonly printed: string;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ended> {
  const child = spawn(process.execPath, ['lab/main.ts', ...args], { cwd: root, env: { ...process.env, ...env } });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, printed })));
}

test("the deployment and its calls run on a user's cluster, and go from it without a trace", { skip }, async () => {
  const progress = new Progress(process.stderr);
  const folder = await mkdtemp(path.join(tmpdir(), 'herd-context-'));
  const run = await openRun();
  try {
    const images = await buildImages(root, path.join(folder, 'herd.tar'));
    const [binaries, delays] = await Promise.all([buildKubernetes(progress), readDelays()]);
    const cluster = await startCluster({ run, binaries, delays, progress, archives: [images.archive] });
    const kubectl = kubectlRunner(cluster.kubectlPath, ['--kubeconfig', cluster.kubeconfigPath]);
    const context = (await runKubectl(kubectl, ['config', 'current-context'])).trim();
    const env = {
      KUBECONFIG: cluster.kubeconfigPath,
      PATH: `${path.dirname(cluster.kubectlPath)}:${process.env.PATH}`,
    };
    const unknown = await start(['--context', 'nowhere', '--node-image', 'x', '--operator-image', 'y', '--once'], env);
    assert.equal(unknown.code, 1);
    assert.match(unknown.printed, /nowhere/);
    const report = path.join(folder, 'report.json');
    const imageArgs = ['--node-image', images.node, '--operator-image', images.operator];
    const ended = await start(['--context', context, ...imageArgs, '--once', '--report', report], env);
    const { calls } = JSON.parse(await readFile(report, 'utf8')) as { calls: CallRow[] };
    assert.equal(calls.filter(({ outcome }) => outcome === 'measured').length, 12, ended.printed);
    for (const kind of ['namespaces', 'crds', 'clusterroles', 'clusterrolebindings', 'validatingadmissionpolicies']) {
      assert.doesNotMatch(await runKubectl(kubectl, ['get', kind, '-o', 'name']), /herd/, `${kind} of Herd are gone`);
    }
  } finally {
    await run.close();
    await rm(folder, { recursive: true, force: true });
  }
});
