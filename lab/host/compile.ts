import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { cached } from './cache.ts';
import { exec } from './exec.ts';

/** Compiles one C file with gcc into the cache, keyed by the source and the flags, and returns the program's path. */
export async function compile(source: string, flags: readonly string[]): Promise<string> {
  const name = path.basename(source, '.c');
  const key = createHash('sha256')
    .update(await readFile(source))
    .update(flags.join(' '))
    .digest('hex');
  const entry = await cached(`${name}-${key.slice(0, 12)}`, async (directory) => {
    await exec('gcc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', source, '-o', path.join(directory, name), ...flags]);
  });
  return path.join(entry, name);
}
