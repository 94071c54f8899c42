import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { exec } from '../host/exec.ts';
import type { Machine } from '../host/machine.ts';
import type { Run } from '../host/run.ts';
import { waitFor } from '../host/wait.ts';
import { pauseReference } from '../image/pause.ts';
import type { Region } from '../wan/network.ts';

/** Relative to what a machine sees as /var/lib: containerd's default. */
const root = 'containerd';
/** Databases that a containerd writes to; everything else under its root is written once and then only read. */
const databases = ['io.containerd.metadata.v1.bolt', 'io.containerd.snapshotter.v1.overlayfs/metadata.db'];

/**
 * Fills a containerd root with images on `machine`, whose containerd ends with that; returns the root's directory.
 * Done once, since unpacking images is what costs most when a cluster starts: nodes then get copies.
 */
export async function unpackImages(run: Run, machine: Machine, archives: readonly string[]): Promise<string> {
  const config = path.join(run.directory, machine.name, 'containerd.toml');
  await writeFile(config, containerdConfig('/nowhere', '/nowhere'));
  const script = [
    `containerd --config ${config} > ${path.join(run.directory, machine.name, 'unpack.log')} 2>&1 & containerd=$!`,
    'trap "kill $containerd" EXIT', // Also when an import fails: the command ends only when all in it have.
    'until ctr version > /dev/null 2>&1; do kill -0 $containerd; sleep 0.05; done',
    ...archives.map((archive) => `ctr --namespace k8s.io images import '${archive}'`),
    'trap - EXIT; kill $containerd; wait $containerd',
  ];
  await machine.exec('sh', ['-ec', script.join('\n')]);
  return path.join(run.directory, machine.name, 'lib', root);
}

/** Copies an unpacked containerd root to a machine on which containerd does not run yet; files are shared by hard links. */
export async function copyImages(run: Run, unpacked: string, machine: Machine): Promise<void> {
  const target = path.join(run.directory, machine.name, 'lib', root);
  await exec('cp', ['--archive', '--link', unpacked, target]);
  for (const database of databases) {
    const copy = path.join(target, database);
    await exec('rm', ['-r', copy]);
    await exec('cp', ['--archive', path.join(unpacked, database), copy]);
  }
}

/** Starts containerd on a node's machine and returns when it answers. */
export async function startContainerd(run: Run, machine: Machine, region: Region, cniPlugins: string): Promise<void> {
  const directory = path.join(run.directory, machine.name);
  const cni = path.join(directory, 'cni');
  await mkdir(cni);
  await writeFile(path.join(cni, '10-pods.conflist'), JSON.stringify(podNetwork(region)));
  const config = path.join(directory, 'containerd.toml');
  await writeFile(config, containerdConfig(cni, cniPlugins));
  await machine.start('containerd', ['containerd', '--config', config]);
  await waitFor(run, `containerd in ${region.name}`, 20_000, () => machine.exec('ctr', ['version']));
}

/**
 * Pods get routed links (ptp) instead of a bridge: a Service's address then works between two pods of one node without
 * bridge netfilter, a kernel module that the lab would have to load. No NAT: pods see each other's addresses.
 */
function podNetwork(region: Region) {
  return {
    cniVersion: '1.0.0',
    name: 'pods',
    plugins: [
      {
        type: 'ptp',
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: region.pods }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
    ],
  };
}

function containerdConfig(cni: string, cniPlugins: string): string {
  return `
version = 2
oom_score = 0
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseReference}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${cniPlugins}"
    conf_dir = "${cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}
