import type { PublishedKey } from '../config/descriptor.ts';

/**
 * From when on a node's keys are used.
 *
 * Property: whoever holds a consensus that is not older than an epoch knows a key before anybody uses it, and no key
 * comes back once a newer one was there.
 */
export interface KnownKey extends PublishedKey {
  /** Milliseconds since 1970, the start of an epoch; 0 of what a node had when it was first heard of. */
  readonly from: number;
}

/**
 * What a node publishes now, after what it was known to have (undefined: nobody has heard of it yet); undefined if that
 * goes back. A key that is first seen in epoch e is in force from the start of e + 2: it has then been in the consensus
 * for all of e + 1.
 */
export function scheduled(
  nowMs: number,
  epochMs: number,
  known: readonly KnownKey[] | undefined,
  published: readonly PublishedKey[],
): readonly KnownKey[] | undefined {
  if (!known) return published.map((key) => ({ ...key, from: 0 }));
  const newest = known.at(-1)!.number;
  if (published.at(-1)!.number < newest) return undefined;
  const from = (Math.floor(nowMs / epochMs) + 2) * epochMs;
  const keys = published.flatMap(({ number, key }): KnownKey[] => {
    const same = known.find((one) => one.number === number && one.key === key);
    if (same) return [same];
    return number > newest ? [{ number, key, from }] : [];
  });
  return keys.length === published.length ? keys : undefined;
}
