import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { compile } from '../host/compile.ts';
import { image, layer, writeArchive } from './oci.ts';

/** Under this name the nodes have the image in which every pod's namespaces live. */
export const pauseReference = 'herd.local/pause:1';

/** Builds the program that is the first process of every pod and of every node; static, so it needs no files but itself. */
export function buildPause(): Promise<string> {
  return compile(path.join(import.meta.dirname, 'pause.c'), ['-static', '-s']);
}

/** Writes the pause image's archive to `file`. */
export async function writePauseArchive(file: string): Promise<void> {
  const program = await readFile(await buildPause());
  const files = layer([{ path: 'pause', mode: 0o755, content: program }]);
  await writeArchive(file, { [pauseReference]: image([files], { Entrypoint: ['/pause'] }) });
}
