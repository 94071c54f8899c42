import { readFileSync } from 'node:fs';
import { parseEndpoint } from '../core/units.ts';

/**
 * The address at which others reach this node, from a file: Kubernetes keeps it as an annotation of the pod says. No node
 * can know it by itself, since the address that its machine has may be another on the way to it.
 */
export function readAddress(file: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
  return parseEndpoint(`${text}:1`) === undefined ? undefined : text;
}
