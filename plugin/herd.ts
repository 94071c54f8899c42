/** What is in the cluster of a herd: read once, parsed as the operator parses it. */
import type { Parsed } from '../operator/api/fields.ts';
import { type NodeSlot, parseSlot } from '../operator/api/slot.ts';
import { parseSuperpeer, type Superpeer } from '../operator/api/superpeer.ts';
import { parseZone, type Zone } from '../operator/api/zone.ts';
import type { KubeClient } from '../operator/kube/client.ts';
import { type CustomResource, nodeSlots, type Resource, superpeers, zones } from '../operator/kube/types.ts';
import { Failure } from './failures.ts';

export interface Herd {
  readonly zones: readonly Zone[];
  readonly slots: readonly NodeSlot[];
  readonly superpeers: readonly Superpeer[];
  /** What is there and can't be read, in sentences: of another version, most likely. */
  readonly unread: readonly string[];
}

export const kindOf = { zone: zones, slot: nodeSlots, superpeer: superpeers } as const;

/** @param namespace undefined: all */
export async function readHerd(client: KubeClient, namespace: string | undefined): Promise<Herd> {
  const unread: string[] = [];
  const [foundZones, slots, foundSuperpeers] = await Promise.all([
    readAll(client, zones, namespace, parseZone, unread),
    readAll(client, nodeSlots, namespace, parseSlot, unread),
    readAll(client, superpeers, namespace, parseSuperpeer, unread),
  ]);
  return { zones: foundZones, slots, superpeers: foundSuperpeers, unread };
}

async function readAll<T extends { metadata: { namespace: string; name: string } }>(
  client: KubeClient,
  resource: Resource<CustomResource>,
  namespace: string | undefined,
  parse: (raw: object) => Parsed<T>,
  unread: string[],
): Promise<T[]> {
  const { items } = await client.list(resource, { namespace });
  return items
    .flatMap((raw) => {
      const parsed = parse(raw);
      if (parsed.ok) return [parsed.value];
      unread.push(`${resource.kind} ${raw.metadata.name}: ${parsed.problems.join('; ')}`);
      return [];
    })
    .sort((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1));
}

const pathOf = ({ metadata: { namespace, name } }: { metadata: { namespace: string; name: string } }) =>
  `${namespace}/${name}`;

/** Those of the name, or all. @throws Failure when there are none of the name */
export function zonesOf(herd: Herd, name: string | undefined, namespace: string | undefined): readonly Zone[] {
  const found = name === undefined ? herd.zones : herd.zones.filter(({ metadata }) => metadata.name === name);
  if (name !== undefined && found.length === 0)
    throw new Failure('refused', `ZONE ${name}: ${absent(namespace)}${known(herd.zones)}`);
  return found;
}

export const absent = (namespace: string | undefined) =>
  namespace === undefined ? 'in no namespace' : `not in namespace ${namespace}`;
const known = (all: readonly { metadata: { name: string } }[]) =>
  all.length === 0 ? '' : `; there are: ${all.map(({ metadata: { name } }) => name).join(', ')}`;

export const isOf = (zone: Zone, metadata: { namespace: string }, name: string): boolean =>
  zone.metadata.namespace === metadata.namespace && zone.metadata.name === name;

export const slotsOf = ({ slots }: Herd, zone: Zone): NodeSlot[] =>
  slots.filter(({ metadata, spec }) => isOf(zone, metadata, spec.zone));
export const superpeersOf = (herd: Herd, zone: Zone): Superpeer[] =>
  herd.superpeers.filter(({ metadata, spec }) => isOf(zone, metadata, spec.zoneRef));
