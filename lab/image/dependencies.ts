import { z } from 'zod';

const lockSchema = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(
    z.string(),
    z.object({ dev: z.boolean().optional(), optional: z.boolean().optional(), devOptional: z.boolean().optional() }),
  ),
});

export interface ProductionPackage {
  /** Its folder, e.g. "node_modules/a/node_modules/b". */
  path: string;
  /** May be absent: npm leaves out what does not fit the platform. */
  optional: boolean;
}

/** What `npm ci --omit=dev` installs by the text of a package-lock.json (version 3), sorted by path. */
export function productionPackages(lockText: string): ProductionPackage[] {
  const lock = lockSchema.parse(JSON.parse(lockText));
  return Object.entries(lock.packages)
    .filter(([path, entry]) => path.startsWith('node_modules/') && !entry.dev)
    .map(([path, entry]) => ({ path, optional: Boolean(entry.optional || entry.devOptional) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
