import { createHash } from 'node:crypto';
import { endToEndKeyOf, KEY_BYTES, tagOf } from '../crypto/keys.ts';
import { COOKIE_BYTES } from '../wire/constants.ts';
import type { Consensus, ConsensusNode } from './consensus.ts';

/**
 * What a user hands to friends: `herd:<zone>:<Ed25519 public key, base64url>:<checksum, 8 hex digits>`.
 *
 * All that a caller needs follows from it and the consensus: the callee's end-to-end key, its cookie, its rendezvous.
 */
export interface Contact {
  readonly zone: string;
  /** X25519 form of the identity key. */
  readonly endToEndKey: Buffer;
}

const checksum = (body: string) => createHash('sha256').update(body).digest('hex').slice(0, 8);

export function printContact(zone: string, identityKey: Uint8Array): string {
  const body = `herd:${zone}:${Buffer.from(identityKey).toString('base64url')}`;
  return `${body}:${checksum(body)}`;
}

/** The contact, or one sentence saying what is wrong with the text. */
export function parseContact(text: string): Contact | { refused: string } {
  const [scheme, zone = '', key = '', sum = '', ...rest] = text.split(':');
  if (scheme !== 'herd' || rest.length > 0 || zone === '' || sum === '')
    return { refused: 'a contact reads herd:ZONE:KEY:CHECKSUM' };
  if (checksum(`herd:${zone}:${key}`) !== sum)
    return { refused: 'the contact has a typing error: its checksum does not fit' };
  const identityKey = Buffer.from(key, 'base64url');
  const endToEndKey = identityKey.length === KEY_BYTES ? endToEndKeyOf(identityKey) : undefined;
  if (!endToEndKey) return { refused: "the contact's key is not an Ed25519 public key" };
  return { zone, endToEndKey };
}

/** The name under which a client's circuit is filed at its rendezvous (WIRE.md 2). */
export function cookieOf(endToEndKey: Uint8Array): Buffer {
  return tagOf('herd cookie', endToEndKey, COOKIE_BYTES);
}

/**
 * The rendezvous of a zone in the order in which a cookie has them: highest hash of (cookie, node) first, so a node that
 * leaves moves only its own clients. The first two count: first and second choice. The first one does not drain if any
 * does not; the second may, since whoever is about to leave it may still be there.
 */
export function rendezvousOf(cookie: Uint8Array, consensus: Consensus): readonly ConsensusNode[] {
  const weight = (node: ConsensusNode) =>
    tagOf('herd rendezvous', Buffer.concat([cookie, Buffer.from(node.tag, 'hex')]), 8).toString('hex');
  const ranked = consensus.nodes
    .filter((node) => node.role === 'rendezvous')
    .sort((a, b) => (weight(a) < weight(b) ? 1 : -1));
  const first = ranked.find(({ draining }) => !draining);
  return first ? [first, ...ranked.filter((node) => node !== first)] : ranked;
}

/** Those of the ranking that do not drain; all of them where there is no other. */
export function staying(ranked: readonly ConsensusNode[]): readonly ConsensusNode[] {
  const open = ranked.filter(({ draining }) => !draining);
  return open.length > 0 ? open : ranked;
}
