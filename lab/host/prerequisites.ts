import { mkdir, statfs } from 'node:fs/promises';
import { isBuilt, requiredGo } from '../kubernetes/build.ts';
import { cacheDirectory, exists } from './cache.ts';
import { cgroupSetup } from './cgroups.ts';
import { exec } from './exec.ts';
import { runsParent } from './names.ts';
import { type MissingPackages, missingPackages } from './packages.ts';

const otherCluster =
  'or use a Kubernetes that you have: npm start -- --context NAME (kubectl config get-contexts lists them)';
const gigabyte = 1e9;
/** Kubernetes' binaries and what Go keeps of building them; measured: 0.55 GB and 4.5 GB. */
const buildGb = 6;
/** Images and state of one run; measured: 0.5 GB. */
const runGb = 2;

/** Why the lab cannot start, and what to do about it. */
export interface Problem {
  what: string;
  remedy: string;
}

/** What of this machine decides whether the lab can start. */
export interface Facts {
  platform: string;
  isRoot: boolean;
  isDebian: boolean;
  hasTun: boolean;
  missing: MissingPackages;
  /** cgroup controllers that the machine lacks. */
  missingControllers: string[];
  /** Kubernetes' binaries are in the cache; then no Go is needed. */
  isBuilt: boolean;
  /** Release of the installed Go, e.g. "1.26.0"; none when there is none. */
  go: string | undefined;
  requiredGo: string;
  /** Free space by directory in bytes. */
  freeBytes: { cache: { directory: string; bytes: number }; run: { directory: string; bytes: number } };
}

export interface Prerequisites {
  /** All at once. None: the lab can start, after `packages` are installed. */
  problems: Problem[];
  /** Debian packages to be given to `installPackages` first. */
  packages: string[];
}

/** Checks everything that the lab needs before anything is started or changed. */
export async function checkPrerequisites(): Promise<Prerequisites> {
  if (process.platform !== 'linux') return { problems: [notLinux(process.platform)], packages: [] };
  return assess(await gatherFacts());
}

/** What the facts mean. */
export function assess(facts: Facts): Prerequisites {
  if (facts.platform !== 'linux') return { problems: [notLinux(facts.platform)], packages: [] };
  const problems: Problem[] = [];
  const canInstall = facts.isRoot && facts.isDebian;
  if (!facts.isRoot) {
    problems.push({
      what: 'not running as root, which network namespaces and containers need',
      remedy: `run it as root (sudo npm start), ${otherCluster}`,
    });
  }
  if (facts.missing.packages.length > 0 && !canInstall) {
    const packages = facts.missing.packages.join(' ');
    problems.push({
      what: `not installed: ${facts.missing.programs.join(', ')}`,
      remedy: facts.isDebian
        ? `sudo apt-get install --no-install-recommends ${packages}`
        : `install them with your package manager; in Debian they are in: ${packages}`,
    });
  }
  if (!facts.hasTun) {
    problems.push({
      what: '/dev/net/tun is not there; the delays between regions pass through it',
      remedy: 'modprobe tun; in a container: start it with --device /dev/net/tun',
    });
  }
  if (facts.missingControllers.length > 0) {
    problems.push({
      what: `cgroup controllers that the kubelet needs are not mounted: ${facts.missingControllers.join(', ')}`,
      remedy: `mount cgroup v2 at /sys/fs/cgroup, or v1 with these controllers; ${otherCluster}`,
    });
  }
  if (!facts.isBuilt && (facts.go === undefined || isOlder(facts.go, facts.requiredGo))) {
    problems.push({
      what: `Go ${facts.requiredGo} or newer is needed to build Kubernetes once; ${facts.go ? `found ${facts.go}` : 'found none'}`,
      remedy: 'install it from https://go.dev/dl and put it first in PATH',
    });
  }
  const needed = [
    { ...facts.freeBytes.run, gb: runGb, use: 'images and state of the cluster' },
    { ...facts.freeBytes.cache, gb: facts.isBuilt ? 0 : buildGb, use: 'building Kubernetes' },
  ];
  for (const { directory, bytes, gb, use } of needed) {
    if (bytes >= gb * gigabyte) continue;
    problems.push({
      what: `${directory} has ${(bytes / gigabyte).toFixed(1)} GB free; ${use} needs ${gb} GB`,
      remedy: `free some space there${directory === facts.freeBytes.cache.directory ? ', or set XDG_CACHE_HOME to a directory that has it' : ''}`,
    });
  }
  return { problems, packages: canInstall ? facts.missing.packages : [] };
}

/** One text for a person: each problem and, below it, what to do. */
export function describeProblems(problems: readonly Problem[]): string {
  return problems.map(({ what, remedy }) => `- ${what}\n  ${remedy}`).join('\n');
}

/** Compares releases such as "1.26.0" number by number; "1.27rc1" counts as 1.27. */
function isOlder(version: string, than: string): boolean {
  const numbers = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10));
  const [a, b] = [numbers(version), numbers(than)];
  for (const [i, wanted] of b.entries()) {
    const have = a[i] ?? 0;
    if (have !== wanted) return have < wanted;
  }
  return false;
}

function notLinux(platform: string): Problem {
  return {
    what: `the local Kubernetes needs Linux; this is ${platform}`,
    remedy: `run it in a Linux machine or virtual machine, ${otherCluster}`,
  };
}

async function gatherFacts(): Promise<Facts> {
  const free = async (directory: string) => {
    const { bavail, bsize } = await statfs(directory);
    return { directory, bytes: bavail * bsize };
  };
  const cache = cacheDirectory();
  await mkdir(cache, { recursive: true });
  return {
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    isDebian: await exists('/etc/debian_version'),
    hasTun: await exists('/dev/net/tun'),
    missing: await missingPackages(),
    missingControllers: (await cgroupSetup()).missing,
    isBuilt: await isBuilt(),
    go: await installedGo(),
    requiredGo: await requiredGo(),
    freeBytes: { cache: await free(cache), run: await free(runsParent) },
  };
}

/** The toolchain that is installed, not one that it might download. */
async function installedGo(): Promise<string | undefined> {
  const version = await exec('go', ['env', 'GOVERSION'], { env: { GOTOOLCHAIN: 'local' } }).catch(() => undefined);
  return version?.trim().replace(/^go/, '');
}
