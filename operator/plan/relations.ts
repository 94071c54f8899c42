/** Who depends on whom: which plans change when something does. */
import type { Zone } from '../api/zone.ts';

/** The zone whose directory serves this one, by name. */
export const hostOf = (zone: Zone): string => zone.spec.directory.zoneRef ?? zone.metadata.name;

/** What other plans read of a zone; when this stays, they stay. */
export function published(zone: Zone | undefined): string {
  if (!zone) return '';
  const deleting = zone.metadata.deletionTimestamp !== undefined;
  const keys = zone.status?.keys?.map(({ name }) => name);
  return JSON.stringify([zone.spec, deleting, zone.status?.rootKey, zone.status?.directoryURL, keys]);
}

/** Names of the zones whose plan reads the changed zone. */
export function dependents(changed: Zone, zones: readonly Zone[]): Set<string> {
  const { name } = changed.metadata;
  const names = new Set<string>([hostOf(changed)]);
  for (const zone of zones) {
    const peers = zone.spec.peers.some((p) => p.zone === name);
    if (peers || hostOf(zone) === name) names.add(zone.metadata.name);
    if (peers) names.add(hostOf(zone));
  }
  names.delete(name);
  return names;
}

/** Names of the zones whose plan reads what is of the named zone, such as a superpeer or a slot: itself, and the one whose directory admits it. */
export function zonesOf(name: string, zone: Zone | undefined): Set<string> {
  return new Set([name, ...(zone ? [hostOf(zone)] : [])]);
}
