import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { removeLeftovers } from './leftovers.ts';
import { runDirectory, runName, runsParent } from './names.ts';

/**
 * One running lab. Everything that it makes outside its directory (network namespaces, cgroups, the link in the root
 * namespace) begins with `name`, and every process that it starts carries `name` in its environment, so that all of it
 * can be found again by name alone: at the end, after a failure half-way, or by the next run after a crash.
 */
export class Run {
  /** Four hex digits. */
  readonly id: string;
  readonly name: string;
  /** State, logs and keys; removed at the end. */
  readonly directory: string;
  /** The first daemon that ended although nobody asked it to. */
  failure: Error | undefined;
  #closed = false;
  readonly #work = new Set<Promise<unknown>>();

  constructor(id: string) {
    this.id = id;
    this.name = runName(id);
    this.directory = runDirectory(id);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws when the run is being closed or one of its daemons has ended: start-up asks this between steps. */
  check(): void {
    if (this.#closed) throw new Error('the lab is being stopped');
    if (this.failure) throw this.failure;
  }

  /**
   * Like Promise.all, but a failure becomes the run's, which makes the rest of the work give up, and is thrown only when
   * nothing is under way any more: what is still starting could not be cleaned up.
   */
  async all<T extends readonly unknown[]>(work: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
    const started = work.map(async (one) => {
      try {
        return await one;
      } catch (error) {
        this.failure ??= error as Error;
        throw error;
      }
    });
    await Promise.allSettled(started);
    return Promise.all(started) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>;
  }

  /** Lets `close` wait for `work`, which makes things that belong to the run. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    this.#work.add(running);
    try {
      return await running;
    } finally {
      this.#work.delete(running);
    }
  }

  /** Ends every process of the run and removes all that it made. May be called at any time, and more than once. */
  async close(): Promise<void> {
    this.#closed = true;
    // Work under way notices, at the latest when its processes are gone; what it made until then goes in a second round.
    await removeLeftovers(this.id);
    await Promise.allSettled(this.#work);
    await removeLeftovers(this.id);
  }
}

/** Opens a run, after clearing away those whose process is gone. */
export async function openRun(): Promise<Run> {
  for (const id of await staleRuns()) await removeLeftovers(id);
  const run = new Run(randomBytes(2).toString('hex'));
  await mkdir(run.directory, { mode: 0o700 });
  await writeFile(path.join(run.directory, 'owner'), await owner(process.pid));
  return run;
}

async function staleRuns(): Promise<string[]> {
  const stale: string[] = [];
  for (const entry of await readdir(runsParent)) {
    const id = /^herd-([0-9a-f]{4})$/.exec(entry)?.[1];
    if (id === undefined) continue;
    const recorded = await readFile(path.join(runDirectory(id), 'owner'), 'utf8').catch(() => undefined);
    // No record yet: a run that is being opened at this moment. It has made nothing else.
    if (recorded === undefined) continue;
    const current = await owner(Number(recorded.split(' ')[0])).catch(() => undefined);
    if (recorded !== current) stale.push(id);
  }
  return stale;
}

/** Names a process beyond the reuse of its id: process id, start time (proc(5), stat field 22) and boot. */
async function owner(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z') throw new Error(`process ${pid} has ended`);
  const startTime = fields[18];
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  return `${pid} ${startTime} ${boot}`;
}
