import type { ScheduledKey } from '../../../../nodes/config/consensus.ts';
import type { Descriptor } from '../../../../nodes/config/descriptor.ts';
import { type DhKeyPair, derivedSeeds, type NodeKeys, nodeKeys } from '../../../../nodes/crypto/keys.ts';
import type { LinkSelf } from '../../../../nodes/link/links.ts';

/** A node's keys that never change, and how others see them. */
export const inForce = (key: Buffer): ScheduledKey[] => [{ key, from: 0 }];

/** The keys that a node with that seed has if it is given none. */
export const derivedKeys = (seed: Uint8Array): NodeKeys => nodeKeys(derivedSeeds(seed));

/** Whoever has one link key; the tag is as good as any. */
export function selfOf(key: DhKeyPair): LinkSelf {
  return { tag: key.publicKey.toString('hex', 0, 8), shown: () => key, accepted: [key] };
}

/** The part of a descriptor that is about keys: of each kind those with these numbers, all of them different keys. */
export function publishing(...numbers: readonly number[]): Pick<Descriptor, 'linkKeys' | 'circuitKeys'> {
  const keys = (kind: number) =>
    numbers.map((number) => ({ number, key: Buffer.alloc(32, 2 * number + kind).toString('base64') }));
  return { linkKeys: keys(0), circuitKeys: keys(1) };
}
