import path from 'node:path';
import { exists } from '../host/cache.ts';

/** Where distributions and the plugins' own releases install them. */
const candidates = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];

/** Finds the directory of the CNI plugins by one that the lab uses; undefined when they are not installed. */
export async function findCniPlugins(): Promise<string | undefined> {
  for (const directory of candidates) if (await exists(path.join(directory, 'ptp'))) return directory;
  return undefined;
}
