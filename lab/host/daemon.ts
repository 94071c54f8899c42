import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { programPath } from './exec.ts';
import type { Run } from './run.ts';

/** Put before a command, lets the kernel kill it should the lab die without a chance to clean up. */
export const dieWithLab = ['setpriv', '--pdeathsig', 'KILL', '--'];

/**
 * Starts a process that lives as long as the run. It gets a session of its own, so that Ctrl-C in the terminal reaches
 * the lab alone.
 * When it ends by itself, that becomes the run's `failure`, with the end of its log.
 */
export async function startDaemon(run: Run, name: string, command: readonly string[]): Promise<void> {
  run.check();
  const log = path.join(run.directory, `${name}.log`);
  const file = await open(log, 'a');
  try {
    const child = spawn(command[0]!, command.slice(1), {
      detached: true,
      stdio: ['ignore', file.fd, file.fd],
      env: { PATH: programPath, HERD_RUN: run.name },
    });
    child.once('exit', async (code, signal) => {
      if (run.closed) return;
      const said = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-15).join('\n');
      run.failure ??= new Error(`${name} ended (${signal ?? `status ${code}`}). It said last:\n${said}`);
    });
    await once(child, 'spawn');
  } finally {
    await file.close();
  }
}
