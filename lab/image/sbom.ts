import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exec } from '../host/exec.ts';

/**
 * `npm run --silent sbom > herd.spdx.json`: the npm packages of the images as SPDX, by npm itself.
 * With --omit=dev it would leave out what is needed to develop and to run, though images have it: so it is shown a
 * project that was never developed.
 */
export async function sbom(root: string): Promise<string> {
  const read = async (file: string) => JSON.parse(await readFile(path.join(root, file), 'utf8'));
  const manifest = { ...(await read('package.json')), devDependencies: {} };
  const lock = await read('package-lock.json');
  const packages = Object.entries(lock.packages as Record<string, { dev?: boolean }>).filter(([, { dev }]) => !dev);
  lock.packages = { ...Object.fromEntries(packages), '': { ...lock.packages[''], devDependencies: {} } };
  const project = await mkdtemp(path.join(tmpdir(), 'herd-sbom-'));
  try {
    await writeFile(path.join(project, 'package.json'), JSON.stringify(manifest));
    await writeFile(path.join(project, 'package-lock.json'), JSON.stringify(lock));
    const args = ['sbom', '--package-lock-only', '--sbom-format=spdx', '--sbom-type=application'];
    return await exec('npm', args, { cwd: project });
  } finally {
    await rm(project, { recursive: true });
  }
}

if (import.meta.main) process.stdout.write(await sbom(path.join(import.meta.dirname, '..', '..')));
