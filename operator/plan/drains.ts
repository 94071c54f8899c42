/**
 * Who of a zone's slots may drain. Pure.
 *
 * Property: one more at a time, in whatever region it is, and only while all others of its role that are to stay are
 * Active; so there is somebody for its clients and circuits to go to, and the regions never drain the same layer at once.
 * A call that leaves a mix and a superpeer in the same seconds may find its new ways in the wrong order, so nothing else of
 * the zone drains until one that does is empty. What nobody waits for, such as another image, also waits until its successor
 * is up. Of a role of which some can't be seen none gets the permission. Of a zone that is deleted all drain together: it
 * has nobody to go to.
 */
import type { DrainReason, NodeSlot, SlotRole } from '../api/slot.ts';
import type { PlacedSlot } from './members.ts';

export interface Permission {
  readonly slot: PlacedSlot;
  readonly drain: boolean;
}

/** What has to go first: what holds up a person's `kubectl drain`, then what was asked for. */
const urgency: readonly DrainReason[] = ['Cordoned', 'Requested', 'Retired', 'Outdated'];

/**
 * @param unseen roles of slots in clusters that can't be asked
 * @returns the permissions that are to change
 */
export function planDrains(
  slots: readonly PlacedSlot[],
  zoneIsLeaving: boolean,
  unseen: ReadonlySet<SlotRole>,
): Permission[] {
  // Whoever had the permission keeps it until it is what it was before: then its successor is up, or nobody wants it to go.
  const holders = slots.filter((slot) => slot.spec.drain && !isSettled(slot));
  const next = candidate(slots, holders, unseen);
  const may = (slot: PlacedSlot) => zoneIsLeaving || slot === next || holders.includes(slot);
  return slots.filter((slot) => slot.spec.drain !== may(slot)).map((slot) => ({ slot, drain: may(slot) }));
}

const reasonOf = ({ status }: NodeSlot) => status?.drainReason;
const isSettled = (slot: NodeSlot) => reasonOf(slot) === undefined && slot.status?.state === 'Active';

function candidate(
  slots: readonly PlacedSlot[],
  holders: readonly PlacedSlot[],
  unseen: ReadonlySet<SlotRole>,
): PlacedSlot | undefined {
  return slots
    .filter((slot) => reasonOf(slot) !== undefined && !unseen.has(slot.spec.role))
    .sort((a, b) => rank(a) - rank(b) || (a.metadata.name < b.metadata.name ? -1 : 1))
    .find(
      (slot) =>
        !holders.some((holder) => holdsUp(holder, slot)) &&
        slots.every((other) => other === slot || other.spec.role !== slot.spec.role || mayBeLeftTo(other)),
    );
}

function holdsUp(holder: NodeSlot, slot: NodeSlot): boolean {
  if (holder.spec.role === slot.spec.role) return true;
  const { drained, state } = holder.status ?? {};
  // One that somebody has asked to drain stays like this for as long as he likes.
  if (reasonOf(holder) === 'Requested' && drained) return false;
  const isEmpty = drained || state === 'Pending' || state === 'Publishing';
  return !isEmpty || rank(slot) >= urgency.indexOf('Retired');
}

const rank = (slot: NodeSlot) => urgency.indexOf(reasonOf(slot)!);

/** Nobody waits for one that is to be no more, or it would wait for the others of its kind. */
const mayBeLeftTo = (slot: NodeSlot) =>
  slot.status?.state === 'Active' || slot.metadata.deletionTimestamp !== undefined;
