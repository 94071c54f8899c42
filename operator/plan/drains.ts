/**
 * Who of a zone's slots may drain. Pure.
 *
 * Property: of each role at most one slot drains at a time, in whatever region it is, and only while all others that
 * are to stay are Active; so there is somebody for its clients and circuits to go to, and the regions never drain the same
 * layer at once. Of a role of which some can't be seen none gets the permission. Of a zone that is deleted all drain
 * together: it has nobody to go to.
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
  const roles = new Set(slots.map(({ spec }) => spec.role));
  const wanted = zoneIsLeaving
    ? slots.map((slot) => ({ slot, drain: true }))
    : [...roles].flatMap((role) =>
        ofRole(
          slots.filter(({ spec }) => spec.role === role),
          unseen.has(role),
        ),
      );
  return wanted.filter(({ slot, drain }) => slot.spec.drain !== drain);
}

function ofRole(slots: readonly PlacedSlot[], isUnseen: boolean): Permission[] {
  // Whoever had the permission keeps it until it is what it was before: then its successor is up, or nobody wants it to go.
  const holders = slots.filter((slot) => slot.spec.drain && !isSettled(slot));
  const next = holders.length === 0 && !isUnseen ? candidate(slots) : undefined;
  return slots.map((slot) => ({ slot, drain: holders.includes(slot) || slot === next }));
}

const reasonOf = ({ status }: NodeSlot) => status?.drainReason;
const isSettled = (slot: NodeSlot) => reasonOf(slot) === undefined && slot.status?.state === 'Active';

function candidate(slots: readonly NodeSlot[]): NodeSlot | undefined {
  const ranked = slots
    .filter((slot) => reasonOf(slot) !== undefined)
    .sort((a, b) => rank(a) - rank(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
  return ranked.find((slot) => slots.every((other) => other === slot || mayBeLeftTo(other)));
}

const rank = (slot: NodeSlot) => urgency.indexOf(reasonOf(slot)!);

/** Nobody waits for one that is to be no more, or it would wait for the others of its kind. */
const mayBeLeftTo = (slot: NodeSlot) =>
  slot.status?.state === 'Active' || slot.metadata.deletionTimestamp !== undefined;
