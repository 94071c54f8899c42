import path from 'node:path';

/** Not /tmp, which on many machines is memory: container images are unpacked here. */
export const runsParent = '/var/tmp';

/** What everything of the run `id` begins with: short enough to be a network interface's name. */
export function runName(id: string): string {
  return `herd-${id}`;
}

export function runDirectory(id: string): string {
  return path.join(runsParent, runName(id));
}
