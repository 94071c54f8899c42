import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

/** Where everything is kept that takes long to make: outside the repository, so that `git clean` costs no rebuild. */
export function cacheDirectory(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'herd');
}

/**
 * Returns the cache entry `name` (a directory), made by `make` if it is not there yet.
 * Atomic: `make` fills a directory of its own that is then renamed, so an interrupted run leaves no half entry,
 * and of two runs at once one wins and both find the same content.
 */
export async function cached(name: string, make: (directory: string) => Promise<void>): Promise<string> {
  const entry = path.join(cacheDirectory(), name);
  if (await exists(entry)) return entry;
  await mkdir(cacheDirectory(), { recursive: true });
  const partial = await mkdtemp(`${entry}.partial-`);
  try {
    await make(partial);
    await rename(partial, entry).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return entry;
}

export async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
