import { keyAt, nodeTag, type ScheduledKey, type View } from '../config/consensus.ts';
import type { Micros } from '../core/units.ts';
import type { DhKeyPair, Identity, NodeKeys, NumberedPair } from '../crypto/keys.ts';
import type { LinkSelf } from './links.ts';

/**
 * A node's own static keys: what it has, and which of it the consensus has put in force.
 *
 * Property: it answers under every key that it has, and opens links with one that all others know. So a change of keys
 * meets nobody who does not know the new one yet, or uses the old one still. A key that it no longer has opens nothing.
 */
export class OwnKeys implements LinkSelf {
  readonly tag: string;
  #keys: NodeKeys;
  /** Of the own link keys. BOUNDED: by the consensus. */
  #schedule: readonly ScheduledKey[] = [];

  constructor(zone: string, identity: Identity, keys: NodeKeys) {
    this.tag = nodeTag(zone, identity.publicKey);
    this.#keys = keys;
  }

  /** These take the place of what there was. */
  replace(keys: NodeKeys): void {
    this.#keys = keys;
  }

  follow({ own }: View): void {
    this.#schedule = own.nodes.find(({ tag }) => tag === this.tag)?.linkKeys ?? [];
  }

  /** The link key in force, or the oldest: of what a node has, others know that for the longest time. */
  shown(now: Micros): DhKeyPair {
    const { link } = this.#keys;
    const inForce = this.#schedule.length > 0 ? keyAt(now, this.#schedule) : undefined;
    return (link.find(({ pair }) => inForce?.equals(pair.publicKey)) ?? link[0]!).pair;
  }

  get accepted(): readonly DhKeyPair[] {
    return pairs(this.#keys.link);
  }

  get circuit(): readonly DhKeyPair[] {
    return pairs(this.#keys.circuit);
  }
}

const pairs = (numbered: readonly NumberedPair[]) => numbered.map(({ pair }) => pair);
