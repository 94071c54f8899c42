import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const NATIVE_FOLDER = fileURLToPath(new URL('../../../../nodes/native/', import.meta.url));

/**
 * Builds the native part of the sources in `folder`, for as long as this process lives, and returns the file. Each has a
 * path of its own: a path that has been loaded once stays what it was, however often it is built anew.
 */
export function buildNative(folder: string, ...options: string[]): string {
  const temporary = mkdtempSync(path.join(tmpdir(), 'herd-native-'));
  process.once('exit', () => rmSync(temporary, { recursive: true }));
  const file = path.join(temporary, 'native.node');
  execFileSync('sh', [path.join(folder, 'build.sh'), ...options, file]);
  return file;
}
