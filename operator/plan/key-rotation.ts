/**
 * Which keys a node or directory should have: (existing, lifetime, now) → the ones to make and to remove. Pure.
 *
 * A key that is made in epoch e is in force from the start of e + 2 (nodes/directory/schedule.ts): its successor is made
 * so long ahead that none is in force for longer than its lifetime. The one before is accepted until it is removed, when
 * the newest has been in force for a whole epoch and everybody with a consensus of that epoch uses it; a further one is
 * for what kubelets and clocks take.
 */
import type { KeyState } from '../api/fields.ts';
import { timeOf } from './status.ts';

export const keyKinds = { node: ['link', 'circuit'], directory: ['signing'] } as const;
export type KeyKind = (typeof keyKinds)[keyof typeof keyKinds][number];

export interface MadeKey {
  readonly kind: KeyKind;
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly madeMs: number;
}

export interface RotationTimes {
  readonly epochMs: number;
  readonly lifetimeMs: Readonly<Record<KeyKind, number>>;
  /** Keys that were made before are to have a successor at once: somebody asked. */
  readonly notBeforeMs: number;
}

export interface Rotation {
  readonly make: readonly { readonly kind: KeyKind; readonly number: number }[];
  readonly remove: readonly MadeKey[];
}

/** Epochs from when a key is made until it is in force for certain. */
const aheadEpochs = 2;
const overlapEpochs = 2;

export function planRotation(
  kinds: readonly KeyKind[],
  made: readonly MadeKey[],
  times: RotationTimes,
  nowMs: number,
): Rotation {
  const plans = kinds.map((kind) => {
    const keys = made.filter((key) => key.kind === kind).sort((a, b) => a.number - b.number);
    return ofKind(kind, keys, times, nowMs);
  });
  return { make: plans.flatMap(({ make }) => make), remove: plans.flatMap(({ remove }) => remove) };
}

function ofKind(kind: KeyKind, keys: readonly MadeKey[], times: RotationTimes, nowMs: number): Rotation {
  const newest = keys.at(-1);
  if (!newest) return { make: [{ kind, number: 1 }], remove: [] };
  const ageEpochs = (nowMs - newest.madeMs) / times.epochMs;
  const isOver = ageEpochs >= aheadEpochs + overlapEpochs;
  // One after the other: while two overlap there is no third.
  if (keys.length > 1) return { make: [], remove: isOver ? keys.slice(0, -1) : [] };
  const isDue = nowMs >= newest.madeMs + times.lifetimeMs[kind];
  const isAsked = newest.madeMs < times.notBeforeMs && nowMs >= times.notBeforeMs;
  return { make: isDue || isAsked ? [{ kind, number: newest.number + 1 }] : [], remove: [] };
}

/** What a status tells of the keys. */
export function keyStatesOf(made: readonly MadeKey[], { lifetimeMs }: RotationTimes): KeyState[] {
  return made
    .map(({ kind, number, madeMs }) => ({
      name: `${kind}-${number}`,
      made: timeOf(madeMs),
      expires: timeOf(madeMs + lifetimeMs[kind]),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** When the first of all newest keys of a kind is due, seconds since 1970, by kind: what statuses tell. */
export function firstExpiries(
  statuses: Iterable<{ readonly keys?: readonly KeyState[] | undefined }>,
): Map<string, number> {
  const first = new Map<string, number>();
  for (const { keys = [] } of statuses) {
    const newest = new Map<string, { readonly number: number; readonly expires: string }>();
    for (const { name, expires } of keys) {
      const [kind, number] = name.split('-') as [string, string];
      if (Number(number) > (newest.get(kind)?.number ?? -1)) newest.set(kind, { number: Number(number), expires });
    }
    for (const [kind, { expires }] of newest)
      first.set(kind, Math.min(first.get(kind) ?? Number.POSITIVE_INFINITY, Date.parse(expires) / 1000));
  }
  return first;
}

/** The same for the same keys: what a pod should have as files by now. */
export const keyNames = (made: readonly MadeKey[]): string =>
  made
    .map(({ kind, number }) => `${kind}-${number}`)
    .sort()
    .join(' ');
