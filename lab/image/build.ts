import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { exec } from '../host/exec.ts';
import { productionPackages } from './dependencies.ts';
import { type Image, image, layer, writeArchive } from './oci.ts';
import type { TarEntry } from './tar.ts';

/** Neither root nor any user of the machine; the pods' security context names the same number. */
const userId = 65532;
const nodeProgram = 'usr/local/bin/node';

export interface BuiltImages {
  /** One archive with both images. */
  archive: string;
  /** References, tagged by content: "herd.local/node:<12 hex>". The same files give the same reference. */
  node: string;
  operator: string;
}

/**
 * Builds the images of nodes and operator from the repository at `root`, without a registry or a container tool:
 * the native part compiled, a base layer (Node and its libraries), one of production dependencies, and one of the repository's own folders.
 * @param archive where to write
 */
export async function buildImages(root: string, archive: string): Promise<BuiltImages> {
  await exec('sh', [path.join(root, 'nodes', 'native', 'build.sh')]);
  const [base, dependencies, nodes, operator, manifest] = await Promise.all([
    baseEntries(path.join(root, 'node_modules', 'node', 'bin', 'node')),
    dependencyEntries(root),
    folderEntries(path.join(root, 'nodes'), 'app/nodes/'),
    folderEntries(path.join(root, 'operator'), 'app/operator/'),
    fileEntry(path.join(root, 'package.json'), 'app/package.json'),
  ]);
  const lower = [layer(base), layer(dependencies), layer([manifest, ...nodes])];
  const config = {
    Entrypoint: [`/${nodeProgram}`],
    Env: ['PATH=/usr/local/bin', 'NODE_ENV=production'],
    User: `${userId}:${userId}`,
    WorkingDir: '/app',
  };
  const nodeImage = image(lower, config);
  const operatorImage = image([...lower, layer(operator)], config);
  const references = { node: reference('node', nodeImage), operator: reference('operator', operatorImage) };
  await writeArchive(archive, { [references.node]: nodeImage, [references.operator]: operatorImage });
  return { archive, ...references };
}

function reference(name: string, { digest }: Image): string {
  return `herd.local/${name}:${digest.slice('sha256:'.length).slice(0, 12)}`;
}

async function baseEntries(node: string): Promise<TarEntry[]> {
  const users = `root:x:0:0:root:/:/sbin/nologin\nherd:x:${userId}:${userId}:herd:/:/sbin/nologin\n`;
  const groups = `root:x:0:\nherd:x:${userId}:\n`;
  const libraries = await Promise.all((await sharedLibraries(node)).map((file) => fileEntry(file, file.slice(1))));
  return [
    ...['app/', 'etc/', 'proc/', 'sys/', 'dev/'].map((directory) => ({ path: directory, mode: 0o755 })),
    { path: 'tmp/', mode: 0o1777 },
    { path: 'etc/passwd', mode: 0o644, content: Buffer.from(users) },
    { path: 'etc/group', mode: 0o644, content: Buffer.from(groups) },
    await fileEntry(node, nodeProgram),
    ...libraries.map((library) => ({ ...library, mode: 0o755 })),
  ];
}

/** The libraries, dynamic linker included, that a program loads, as absolute paths. */
async function sharedLibraries(program: string): Promise<string[]> {
  const listed = await exec('ldd', [program]);
  return [...new Set([...listed.matchAll(/(?:=>)?\s(\/\S+) \(0x/g)].map((match) => match[1]!))];
}

async function dependencyEntries(root: string): Promise<TarEntry[]> {
  const packages = productionPackages(await readFile(path.join(root, 'package-lock.json'), 'utf8'));
  const perPackage = packages.map(async ({ path: folder, optional }) => {
    const directory = path.join(root, folder);
    const present = await stat(directory).catch(() => undefined);
    if (!present && !optional) throw new Error(`${folder} is not installed: run npm ci`);
    return present ? folderEntries(directory, `app/${folder}/`, isRunTimeFile) : [];
  });
  return (await Promise.all(perPackage)).flat();
}

/** Nested packages have entries of their own; types and source maps are a third of the size and never read. */
function isRunTimeFile(name: string): boolean {
  return name !== 'node_modules' && !/\.(d\.[cm]?ts|map|md)$/.test(name);
}

/** All regular files below a folder, under `prefix` in the image. */
async function folderEntries(
  directory: string,
  prefix: string,
  accept: (name: string) => boolean = () => true,
): Promise<TarEntry[]> {
  const entries = (await readdir(directory, { withFileTypes: true })).filter((entry) => accept(entry.name));
  const nested = entries.map(async (entry) => {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) return folderEntries(file, `${prefix}${entry.name}/`, accept);
    return entry.isFile() ? [await fileEntry(file, prefix + entry.name)] : [];
  });
  return [{ path: prefix, mode: 0o755 }, ...(await Promise.all(nested)).flat()];
}

/** A file with its mode reduced to what matters, so that a umask does not change the digest. */
async function fileEntry(file: string, target: string): Promise<TarEntry> {
  const [content, { mode }] = await Promise.all([readFile(file), stat(file)]);
  return { path: target, mode: mode & 0o100 ? 0o755 : 0o644, content };
}
