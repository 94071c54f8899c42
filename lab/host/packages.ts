import { constants } from 'node:fs';
import { access, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findCniPlugins } from '../kubernetes/cni.ts';
import { exists } from './cache.ts';
import { exec, programPath } from './exec.ts';
import type { Progress } from './progress.ts';

/** A program that the lab runs, and the Debian package that has it. */
interface Program {
  name: string;
  package: string;
}

const programs: Program[] = [
  { name: 'containerd', package: 'containerd' },
  { name: 'ctr', package: 'containerd' },
  { name: 'runc', package: 'runc' },
  { name: 'nft', package: 'nftables' }, // kube-proxy calls it
  { name: 'ip', package: 'iproute2' },
  { name: 'nsenter', package: 'util-linux' },
  { name: 'unshare', package: 'util-linux' },
  { name: 'setpriv', package: 'util-linux' },
  { name: 'mount', package: 'mount' }, // the kubelet calls it for volumes
  { name: 'openssl', package: 'openssl' },
  { name: 'gcc', package: 'gcc' },
  { name: 'g++', package: 'g++' },
  { name: 'ldd', package: 'libc-bin' },
  { name: 'espeak-ng', package: 'espeak-ng' }, // speaks the recordings that callees play
  { name: 'sox', package: 'sox' }, // brings them to telephone quality
];

/** What tests run besides. */
const testPrograms: Program[] = [
  { name: 'promtool', package: 'prometheus' },
  { name: 'faketime', package: 'faketime' },
];

/** What `npm run observe` runs besides. */
const observePrograms: Program[] = [
  { name: 'prometheus', package: 'prometheus' },
  { name: 'chromium', package: 'chromium' }, // draws the dashboards
];

/** Chromium brings none. */
const observeFont = { file: '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf', package: 'fonts-dejavu-core' };

export interface MissingPackages {
  /** What was looked for, e.g. "runc". */
  programs: string[];
  /** Debian packages that have it. */
  packages: string[];
}

/** Looks for every program that the lab runs. */
export async function missingPackages(): Promise<MissingPackages> {
  const missing: Program[] = [];
  for (const program of programs) if (!(await isInPath(program.name))) missing.push(program);
  if (!(await findCniPlugins())) missing.push({ name: 'CNI plugin ptp', package: 'containernetworking-plugins' });
  if (!(await exists('/usr/include/stdio.h'))) missing.push({ name: 'C library headers', package: 'libc6-dev' });
  return {
    programs: missing.map((program) => program.name),
    packages: [...new Set(missing.map((program) => program.package))],
  };
}

/** Debian packages that tests run and that are not installed. */
export const missingTestPackages = (): Promise<string[]> => packagesMissing(testPrograms);

/** The same of `npm run observe`. */
export async function missingObservePackages(): Promise<string[]> {
  const missing = await packagesMissing(observePrograms);
  return (await exists(observeFont.file)) ? missing : [...missing, observeFont.package];
}

async function packagesMissing(wanted: readonly Program[]): Promise<string[]> {
  const missing: string[] = [];
  for (const program of wanted) if (!(await isInPath(program.name))) missing.push(program.package);
  return missing;
}

/** Installs Debian packages without starting the services that they bring. Needs root. */
export async function installPackages(packages: readonly string[], progress: Progress): Promise<void> {
  await progress.step(`Installing ${packages.join(', ')}`, async (step) => {
    const env = { DEBIAN_FRONTEND: 'noninteractive' };
    const onLine = (line: string) => step.detail(line.trim().slice(0, 60));
    await withoutServices(async () => {
      const install = () => exec('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env, onLine });
      // Package lists that are too old, or none at all, make the first attempt fail.
      await install().catch(async () => {
        await exec('apt-get', ['update'], { env, onLine });
        await install();
      });
    });
  });
}

/** Debian asks this program before it starts a package's service; 101 means no (policy-rc.d interface). */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  if (await exists(policy)) return work();
  await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await work();
  } finally {
    await rm(policy);
  }
}

async function isInPath(program: string): Promise<boolean> {
  for (const directory of programPath.split(':')) {
    const found = access(path.join(directory, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (await found) return true;
  }
  return false;
}
