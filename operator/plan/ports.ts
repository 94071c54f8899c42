/** Which ports of a machine a node has. Pure. */
import { createHash } from 'node:crypto';
import type { Network } from '../api/fields.ts';
import type { NodeSlotSpec } from '../api/slot.ts';
import { type NodePorts, ports } from '../objects/config.ts';

type Range = Network['ports'];
type Labels = Readonly<Record<string, string>>;

/** undefined: it has none yet. */
export function portsOf({ network, port }: Pick<NodeSlotSpec, 'network' | 'port'>): NodePorts | undefined {
  if (network.mode === 'Pod') return ports;
  return port === undefined ? undefined : { cells: port, metrics: port + network.ports.count };
}

/** Whether a machine may have the labels of both: it may unless they want different values of one. */
export const mayMeet = (a: Labels, b: Labels): boolean =>
  Object.entries(a).every(([label, value]) => (b[label] ?? value) === value);

export const isIn = ({ first, count }: Range, port: number): boolean => first <= port && port < first + count;

/**
 * The ports of a range in the order in which a slot tries them. It follows from the slot's name, so that ports are the same
 * whoever is asked, and in which order, as long as no two names begin with the same one.
 */
export function candidates({ first, count }: Range, name: string): number[] {
  const begin = createHash('sha256').update(name).digest().readUInt32BE();
  return Array.from({ length: count }, (_, i) => first + ((begin + i) % count));
}
