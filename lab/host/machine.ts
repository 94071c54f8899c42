import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Daemon, dieWithLab, startDaemon } from './daemon.ts';
import { exec } from './exec.ts';
import type { Run } from './run.ts';
import { waitFor } from './wait.ts';

/**
 * What the kubelet sets machine-wide, and to what. A machine's processes see these values already (a file bound over
 * each), so the kubelet changes nothing and the real settings stay as they are.
 */
const kubeletSysctls: Record<string, string> = {
  'vm/overcommit_memory': '1',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
};

/**
 * Something that looks to its processes like a machine of its own: network, process and mount namespaces. /run,
 * /var/lib and /var/log are private, so programs can keep their usual paths. When its first process dies, the kernel
 * kills all others, containers too, and the mounts go with them.
 */
export interface Machine {
  name: string;
  /** Starts a daemon inside that lives as long as the machine. */
  start(name: string, command: readonly string[]): Promise<Daemon>;
  /** Runs a command inside to its end and returns its standard output. */
  exec(command: string, args: readonly string[]): Promise<string>;
}

/** Starts a machine in the network namespace `netns`; `init` is a program that reaps orphans and waits. */
export async function startMachine(run: Run, name: string, netns: string, init: string): Promise<Machine> {
  const directory = path.join(run.directory, name);
  const ready = path.join(directory, 'pid');
  const binds: [string, string][] = [
    [path.join(directory, 'lib'), '/var/lib'],
    [path.join(directory, 'log'), '/var/log'],
  ];
  for (const [source] of binds) await mkdir(source, { recursive: true });
  for (const [sysctl, value] of Object.entries(kubeletSysctls)) {
    const file = path.join(directory, sysctl.replace('/', '.'));
    await writeFile(file, `${value}\n`);
    binds.push([file, `/proc/sys/${sysctl}`]);
  }
  const script = [
    'set -e',
    'read -r pid rest < /proc/self/stat', // Still the outer /proc: the process id as the lab sees it.
    'mount -t proc proc /proc',
    'mount -t tmpfs tmpfs /run',
    ...binds.map(([source, target]) => `mount --bind ${source} ${target}`),
    `echo "$pid" > ${ready}.new && mv ${ready}.new ${ready}`,
    `exec ${init}`,
  ].join('\n');
  await startDaemon(run, `${name}/init`, [
    ...dieWithLab,
    ...['nsenter', `--net=/run/netns/${netns}`],
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--', 'sh', '-c', script],
  ]);
  const pid = await waitFor(run, `machine ${name}`, 10_000, () => readFile(ready, 'utf8').catch(() => undefined));
  const enter = ['--target', pid.trim(), '--mount', '--net', '--pid', '--'];
  return {
    name,
    // These die with the machine's first process, and nsenter has to outlive what it waits for.
    start: (daemon, command) => startDaemon(run, `${name}/${daemon}`, ['nsenter', ...enter, ...command]),
    exec: (command, args) => exec('nsenter', [...enter, command, ...args]),
  };
}
