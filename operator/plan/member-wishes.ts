/** What a Zone wants of its members: (zone, wanted slots) → what to write in each. Pure. */
import type { SlotRole } from '../api/slot.ts';
import type { Manifest } from '../kube/types.ts';
import { memberSlotManifest, type SlotWish } from '../objects/slot.ts';
import type { Permission } from './drains.ts';
import {
  isSameMember,
  type MemberRef,
  type MemberView,
  mayBeMade,
  mayHideSlots,
  memberId,
  memberOfRegion,
  membersOfZone,
  type Names,
  type PlacedSlot,
  type ZoneWithMembers,
} from './members.ts';

export interface WantedSlot {
  readonly name: string;
  readonly wish: SlotWish;
  readonly member: MemberRef | undefined;
}

export interface MemberWish {
  readonly apply: readonly Manifest[];
  readonly remove: readonly PlacedSlot[];
  readonly permissions: readonly Permission[];
}

type View = ZoneWithMembers & { readonly taken: Names };

/** By the member's id. */
export function planMembers(
  view: View,
  wanted: readonly WantedSlot[],
  permissions: readonly Permission[],
): ReadonlyMap<string, MemberWish> {
  const { metadata, spec } = view.zone;
  const isPaused = spec.paused && !metadata.deletionTimestamp;
  const wishes = membersOfZone(view, metadata.name).map((member): [string, MemberWish] => {
    const { namespace } = member;
    const apply = makeable(view, wanted, member).map(({ name, wish }) =>
      memberSlotManifest(metadata, { namespace, name }, wish),
    );
    const remove = isPaused ? [] : retired(view, wanted, member);
    const id = memberId(member);
    return [id, { apply, remove, permissions: permissions.filter(({ slot }) => slot.member === id) }];
  });
  return new Map(wishes);
}

/** Of what is wanted in a member, or in the Zone's own cluster, what can be made now. A slot that has no directory to register with is not made yet. */
export function makeable(view: View, wanted: readonly WantedSlot[], at: MemberView | undefined): WantedSlot[] {
  const taken = at?.taken ?? view.taken;
  const there = new Set(view.slots.map(({ metadata: { name } }) => name));
  return wanted.filter(
    ({ name, wish: { region, directory }, member }) =>
      isSameMember(member, at) &&
      !taken.has(name) &&
      (directory !== undefined || there.has(name)) &&
      mayBeMade({ name, region, member }, view),
  );
}

/** Names of wanted slots that are another Zone's. */
export function takenNames(view: View, wanted: readonly WantedSlot[]): string[] {
  const members = membersOfZone(view, view.zone.metadata.name);
  const at = (member: MemberRef | undefined) => members.find((one) => isSameMember(one, member))?.taken ?? view.taken;
  return wanted.filter(({ name, member }) => at(member).has(name)).map(({ name }) => name);
}

/** What is in a member, or in the Zone's own cluster, and not wanted there. Of superpeers' slots those in members: no owner takes them with it. */
export function retired(view: View, wanted: readonly WantedSlot[], at: MemberView | undefined): PlacedSlot[] {
  const { zone, slots, superpeers } = view;
  const names = new Set(wanted.filter(({ member }) => isSameMember(member, at)).map(({ name }) => name));
  for (const { metadata, spec } of zone.metadata.deletionTimestamp ? [] : superpeers) {
    const isOfZone = spec.zoneRef === zone.metadata.name;
    if (isOfZone && isSameMember(memberOfRegion(zone, spec.managed?.region), at)) names.add(metadata.name);
  }
  const id = at && memberId(at);
  return slots.filter(
    ({ metadata, spec, member }) =>
      spec.zone === zone.metadata.name &&
      member === id &&
      (at !== undefined || spec.role !== 'superpeer') &&
      !names.has(metadata.name) &&
      !metadata.deletionTimestamp,
  );
}

/** Of these roles nobody knows whether all nodes are Active. */
export function unseenRoles(view: View, slots: readonly PlacedSlot[], wanted: readonly WantedSlot[]): Set<SlotRole> {
  const { zone, superpeers } = view;
  const unseen = new Set(
    membersOfZone(view, zone.metadata.name)
      .filter(({ problem, unread }) => problem || unread.size > 0)
      .map(memberId),
  );
  const isUnseen = (member: MemberRef | undefined) => member !== undefined && unseen.has(memberId(member));
  const carriers = superpeers.filter(
    ({ spec }) => spec.zoneRef === zone.metadata.name && isUnseen(memberOfRegion(zone, spec.managed?.region)),
  );
  return new Set([
    ...slots.filter(({ member }) => member !== undefined && unseen.has(member)).map(({ spec }) => spec.role),
    ...wanted.filter(({ member }) => isUnseen(member)).map(({ wish }) => wish.role),
    ...(carriers.length > 0 ? (['superpeer'] as const) : []),
  ]);
}

/**
 * Whether a zone that is deleted waits: for all of its slots, so that none is left when the operator goes next; by force for
 * those of other clusters only until the members that can be asked are told.
 */
export function isAwaited(view: View, isForced: boolean): boolean {
  const { zone, slots } = view;
  const members = membersOfZone(view, zone.metadata.name);
  const own = slots.filter(({ spec }) => spec.zone === zone.metadata.name);
  // That of a superpeer stays when only the zone goes.
  const here = own.filter(
    ({ member, metadata, spec }) =>
      member === undefined && (spec.role !== 'superpeer' || metadata.deletionTimestamp !== undefined),
  );
  if (here.length > 0) return true;
  if (isForced) return members.some((member) => !member.problem && retired(view, [], member).length > 0);
  return mayHideSlots(zone, members) || own.some(({ member }) => member !== undefined);
}
