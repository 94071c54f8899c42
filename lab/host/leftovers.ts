import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exists } from './cache.ts';
import { cgroupsNamed } from './cgroups.ts';
import { exec } from './exec.ts';
import { runDirectory, runName } from './names.ts';

/** How long the kernel may take to let go of killed processes and their cgroups. */
const patienceMs = 20_000;

/** What exists of a run on this machine. */
export interface Leftovers {
  /** `isInit`: the first process of a process namespace, whose end ends all others in it. */
  processes: { pid: number; command: string; isInit: boolean }[];
  /** Network namespaces, by their name under /run/netns. */
  namespaces: string[];
  /** Network interfaces in the root namespace. */
  links: string[];
  /** Mount points in the root mount namespace, deepest first. */
  mounts: string[];
  /** Directories, deepest first. */
  cgroups: string[];
  directories: string[];
}

/** Finds everything of the run `id` by its name; needs no record of what was made. */
export async function findLeftovers(id: string): Promise<Leftovers> {
  const name = runName(id);
  const directory = runDirectory(id);
  const names = async (dir: string) =>
    (await readdir(dir).catch(() => [])).filter((entry) => entry === name || entry.startsWith(`${name}-`));
  return {
    processes: await processesOf(name, directory),
    namespaces: await names('/run/netns'),
    links: await names('/sys/class/net'),
    mounts: await mountsUnder(directory),
    cgroups: await cgroupsNamed(name),
    directories: (await exists(directory)) ? [directory] : [],
  };
}

/** One line for each thing that is left; none means a clean machine. */
export function describeLeftovers(left: Leftovers): string[] {
  return [
    ...left.processes.map((p) => `process ${p.pid}: ${p.command}`),
    ...left.namespaces.map((n) => `network namespace ${n}`),
    ...left.links.map((l) => `network interface ${l}`),
    ...left.mounts.map((m) => `mount ${m}`),
    ...left.cgroups.map((c) => `cgroup ${c}`),
    ...left.directories.map((d) => `directory ${d}`),
  ];
}

/**
 * Kills and removes everything of the run `id`, in the order in which one thing holds another.
 * Throws, listing what remains, when something withstands.
 */
export async function removeLeftovers(id: string): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const left = await findLeftovers(id);
    if (describeLeftovers(left).length === 0) return;
    if (Date.now() > deadline) throw new Error(`could not remove:\n  ${describeLeftovers(left).join('\n  ')}`);
    if (left.processes.length > 0) {
      // First those whose end ends others: so that each of these is reaped by its parent, which then ends by itself.
      const inits = left.processes.filter((process) => process.isInit);
      for (const { pid } of inits.length > 0 ? inits : left.processes) killIfThere(pid);
      await sleep(20);
      continue;
    }
    // Each may fail for a moment while the kernel still tears down; the next round tries again.
    const quietly = (work: Promise<unknown>) => work.catch(() => {});
    for (const link of left.links) await quietly(exec('ip', ['link', 'delete', link]));
    for (const namespace of left.namespaces) await quietly(exec('ip', ['netns', 'delete', namespace]));
    for (const mount of left.mounts) await quietly(exec('umount', [mount]));
    for (const cgroup of left.cgroups) await quietly(rmdir(cgroup));
    for (const directory of left.directories) await quietly(rm(directory, { recursive: true, force: true }));
    await sleep(10);
  }
}

/** By the marks that processes of a run bear: its name in their environment, its directory as argument, its cgroups. */
async function processesOf(name: string, directory: string): Promise<Leftovers['processes']> {
  const found: Leftovers['processes'] = [];
  for (const entry of await readdir('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    const [environment, argument, cgroup] = await Promise.all([read('environ'), read('cmdline'), read('cgroup')]);
    const args = argument.split('\0');
    const marked =
      environment.split('\0').includes(`HERD_RUN=${name}`) ||
      args.some((arg) => arg.startsWith(`${directory}/`)) ||
      cgroup.includes(`:/${name}-`);
    if (marked)
      found.push({ pid, command: args.join(' ').trim(), isInit: /^NSpid:(\t\d+)+\t1$/m.test(await read('status')) });
  }
  return found;
}

async function mountsUnder(directory: string): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  return mounts.filter((mount) => mount === directory || mount.startsWith(`${directory}${path.sep}`)).reverse();
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
