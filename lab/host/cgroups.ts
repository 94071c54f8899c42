import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

const root = '/sys/fs/cgroup';

/** What a kubelet accounts and limits: cgroup v1's hierarchies and v2's controllers for the same things. */
const v1Needed = ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids'];
const v2Needed = ['cpu', 'cpuset', 'memory', 'pids', 'io'];

/** Of a machine's share of the processors, in shares of a process without a cgroup. Six daemons of a region, and room. */
const weight = 8;
const v1Shares = 1024;
const v2Weight = 100;

export type CgroupSetup =
  | { version: 2; missing: string[] }
  /** `hierarchies`: mount points by controller; a co-mounted hierarchy such as cpu,cpuacct appears once for each. */
  | { version: 1; hierarchies: Map<string, string>; missing: string[] };

/** Reads which cgroup version this machine uses, and what a kubelet would miss of it. */
export async function cgroupSetup(): Promise<CgroupSetup> {
  const mounted = await mounts();
  if (mounted.some(({ at, type }) => at === root && type === 'cgroup2')) {
    const available = (await readFile(`${root}/cgroup.controllers`, 'utf8')).trim().split(' ');
    return { version: 2, missing: v2Needed.filter((controller) => !available.includes(controller)) };
  }
  const hierarchies = new Map<string, string>();
  for (const { at, type, options } of mounted) {
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) hierarchies.set(option, at);
  }
  return { version: 1, hierarchies, missing: v1Needed.filter((controller) => !hierarchies.has(controller)) };
}

/**
 * Makes a cgroup for what stands for a machine of its own, all of a kubelet's pods for instance: it refuses to start when
 * its root is not there. On a busy processor it goes before what else this machine does, as if that were elsewhere; by
 * default all of its processes together would weigh as much as any single one beside it.
 */
export async function createCgroup(name: string): Promise<void> {
  const setup = await cgroupSetup();
  if (setup.version === 2) {
    // Controllers reach a child only when its parent passes them on; systemd does so for most of them already.
    await writeFile(`${root}/cgroup.subtree_control`, v2Needed.map((controller) => `+${controller}`).join(' '));
    await mkdir(path.join(root, name), { recursive: true });
    await writeFile(path.join(root, name, 'cpu.weight'), String(weight * v2Weight));
    return;
  }
  for (const hierarchy of new Set(setup.hierarchies.values()))
    await mkdir(path.join(hierarchy, name), { recursive: true });
  await writeFile(path.join(setup.hierarchies.get('cpu')!, name, 'cpu.shares'), String(weight * v1Shares));
  const cpuset = setup.hierarchies.get('cpuset')!;
  // A new v1 cpuset is empty, and nothing may run in an empty one.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    await writeFile(path.join(cpuset, name, file), await readFile(path.join(cpuset, file)));
  }
}

/** Moves a process into a cgroup of `createCgroup`, for its share of the processors. */
export async function enterCgroup(name: string, pid: number): Promise<void> {
  const setup = await cgroupSetup();
  const parent = setup.version === 2 ? root : setup.hierarchies.get('cpu')!;
  await writeFile(path.join(parent, name, 'cgroup.procs'), String(pid));
}

/** The directories of all cgroups whose top-level name is `name` or begins with `name-`, deepest first. */
export async function cgroupsNamed(name: string): Promise<string[]> {
  const found: string[] = [];
  // Wherever any hierarchy is mounted: beside v1's, runc makes groups in an otherwise unused v2 hierarchy too.
  for (const parent of new Set((await mounts()).filter(isCgroup).map((mount) => mount.at))) {
    for (const entry of await readdir(parent, { withFileTypes: true })) {
      if (!entry.isDirectory() || (entry.name !== name && !entry.name.startsWith(`${name}-`))) continue;
      found.push(...(await descendants(path.join(parent, entry.name))));
    }
  }
  return found;
}

interface Mount {
  at: string;
  type: string;
  options: string;
}

function isCgroup({ type }: Mount): boolean {
  return type === 'cgroup' || type === 'cgroup2';
}

/** Fields of proc(5), mounts. */
async function mounts(): Promise<Mount[]> {
  const lines = (await readFile('/proc/self/mounts', 'utf8')).trimEnd().split('\n');
  return lines.map((line) => {
    const [, at, type, options] = line.split(' ') as [string, string, string, string];
    return { at, type, options };
  });
}

async function descendants(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const below = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => descendants(path.join(directory, entry.name))),
  );
  return [...below.flat(), directory];
}
