import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { programPath } from './exec.ts';
import type { Run } from './run.ts';

/** Put before a command, lets the kernel kill it should the lab die without a chance to clean up. */
export const dieWithLab = ['setpriv', '--pdeathsig', 'KILL', '--'];

/** A process of the run and those that it has started without giving them a session of their own. */
export interface Daemon {
  signal(signal: NodeJS.Signals): void;
  /** Kills it, which is then no failure of the run; resolves when it has ended. */
  end(): Promise<void>;
}

/**
 * Starts a process that lives as long as the run. It gets a session of its own, so that Ctrl-C in the terminal reaches
 * the lab alone.
 * When it ends by itself, that becomes the run's `failure`, with the end of its log.
 */
export async function startDaemon(run: Run, name: string, command: readonly string[]): Promise<Daemon> {
  run.check();
  const log = path.join(run.directory, `${name}.log`);
  const file = await open(log, 'a');
  try {
    const child = spawn(command[0]!, command.slice(1), {
      detached: true,
      stdio: ['ignore', file.fd, file.fd],
      env: { PATH: programPath, HERD_RUN: run.name },
    });
    let wanted = true;
    const ended = once(child, 'exit');
    child.once('exit', async (code, signal) => {
      if (run.closed || !wanted) return;
      const said = (await readFile(log, 'utf8').catch(() => '')).trimEnd().split('\n').slice(-15).join('\n');
      run.failure ??= new Error(`${name} ended (${signal ?? `status ${code}`}). It said last:\n${said}`);
    });
    await once(child, 'spawn');
    const signal = (name: NodeJS.Signals) => void process.kill(-child.pid!, name);
    return {
      signal,
      async end() {
        wanted = false;
        signal('SIGKILL');
        await ended;
      },
    };
  } finally {
    await file.close();
  }
}
