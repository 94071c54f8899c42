import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDirectory, cached, exists } from '../host/cache.ts';
import { exec } from '../host/exec.ts';
import type { Progress } from '../host/progress.ts';

const modules = path.join(import.meta.dirname, 'modules');
export const commands = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
];

export interface Versions {
  /** With a leading "v", as upstream tags them. */
  kubernetes: string;
  etcd: string;
}

export interface Binaries {
  versions: Versions;
  /** Path of a program: one of `commands`, or "etcd". */
  path(command: string): string;
}

/** The versions that the lab's go.mod files pin. */
export async function pinnedVersions(): Promise<Versions> {
  const goMod = (module: string) => readFile(path.join(modules, module, 'go.mod'), 'utf8');
  return {
    kubernetes: requiredVersion(await goMod('kubernetes'), 'k8s.io/kubernetes'),
    etcd: requiredVersion(await goMod('etcd'), 'go.etcd.io/etcd/server/v3'),
  };
}

/** The Go release, e.g. "1.26.0", that the lab's go.mod files ask for. */
export async function requiredGo(): Promise<string> {
  const goMod = await readFile(path.join(modules, 'kubernetes', 'go.mod'), 'utf8');
  return /^go (\S+)$/m.exec(goMod)![1]!;
}

/** Finds the version that the text of a go.mod requires of `module`. Throws when it requires none. */
export function requiredVersion(goMod: string, module: string): string {
  for (const line of goMod.split('\n')) {
    const [name, version] = line.replace(/^\s*(require\s)?\s*/, '').split(' ');
    if (name === module && version?.startsWith('v')) return version;
  }
  throw new Error(`go.mod does not require ${module}`);
}

/** Whether `buildKubernetes` would find everything in the cache. */
export async function isBuilt(): Promise<boolean> {
  const names = Object.values(cacheNames(await pinnedVersions()));
  return (await Promise.all(names.map((name) => exists(path.join(cacheDirectory(), name))))).every(Boolean);
}

/** Builds Kubernetes and etcd from their Go modules; takes minutes the first time, nothing from then on. */
export async function buildKubernetes(progress: Progress): Promise<Binaries> {
  const versions = await pinnedVersions();
  const names = cacheNames(versions);
  const etcd = await cached(names.etcd, (directory) =>
    progress.step(`Building etcd ${versions.etcd} from its Go module (once)`, () =>
      goBuild('etcd', 'go.etcd.io/etcd/server/v3', path.join(directory, 'etcd')),
    ),
  );
  const kubernetes = await cached(names.kubernetes, (directory) =>
    progress.step(
      `Building Kubernetes ${versions.kubernetes} from its Go module (once, about 10 minutes)`,
      async (step) => {
        for (const [i, command] of commands.entries()) {
          step.detail(`${command} (${i + 1} of ${commands.length})`);
          const output = path.join(directory, command);
          await goBuild('kubernetes', `k8s.io/kubernetes/cmd/${command}`, output, versionFlags(versions.kubernetes));
        }
      },
    ),
  );
  return { versions, path: (command) => path.join(command === 'etcd' ? etcd : kubernetes, command) };
}

function cacheNames(versions: Versions) {
  return { etcd: `etcd-${versions.etcd}`, kubernetes: `kubernetes-${versions.kubernetes}` };
}

async function goBuild(module: string, target: string, output: string, linkerFlags: string[] = []): Promise<void> {
  await exec('go', ['build', '-trimpath', '-ldflags', ['-s', '-w', ...linkerFlags].join(' '), '-o', output, target], {
    cwd: path.join(modules, module),
    env: { GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' },
  });
}

/** Without these a build calls itself v0.0.0, which breaks version checks of kubectl and of charts. */
function versionFlags(version: string): string[] {
  const [major, minor] = version.slice(1).split('.');
  return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((p) => [
    `-X ${p}.gitVersion=${version}`,
    `-X ${p}.gitMajor=${major}`,
    `-X ${p}.gitMinor=${minor}`,
    `-X ${p}.gitTreeState=clean`,
  ]);
}
