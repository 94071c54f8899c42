import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { programPath } from '../../../lab/host/exec.ts';

const env = { ...process.env, PATH: programPath };

const isInstalled = (() => {
  try {
    execFileSync('promtool', ['--version'], { env, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

/** Debian has promtool in its package prometheus, which `npm test` installs. Without it in CI a test fails, elsewhere it is left out. */
export const withoutPromtool =
  isInstalled || process.env.CI ? false : 'promtool is not installed (Debian: apt-get install prometheus)';

/** What promtool prints; throws that if it is not content. */
export function promtool(args: readonly string[], input = ''): string {
  try {
    return execFileSync('promtool', args, { env, input, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}` || message);
  }
}

/** Does something with files of these names and texts in a folder of their own. */
export function withFiles<T>(files: Readonly<Record<string, string>>, work: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'herd-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
