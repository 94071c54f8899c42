import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Consensus, ConsensusNode } from '../../../../nodes/config/consensus.ts';
import { nodeTag } from '../../../../nodes/config/consensus.ts';
import { cookieOf, parseContact, printContact, rendezvousOf } from '../../../../nodes/config/contact.ts';
import { parseEndpoint } from '../../../../nodes/core/units.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { DEFAULT_PARAMS } from '../../../sim/zones.ts';
import { inForce } from '../support/keys.ts';

const IDENTITY = new Identity(Buffer.alloc(32, 7));
const CONTACT = printContact('eu', IDENTITY.publicKey);
/** What a user's keyboard and a copy from a letter may bring, whether it belongs there or not. */
const TYPED = 'ABCXYZabcdefxyz0123456789-_:+/= .';

test('a contact holds the zone and the end-to-end key, for any identity and zone', () => {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(seed, fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/), (bytes, zone) => {
      const identity = new Identity(bytes);
      const parsed = parseContact(printContact(zone, identity.publicKey));
      assert.deepEqual(parsed, { zone, endToEndKey: identity.endToEnd.publicKey });
    }),
    { numRuns: 40 },
  );
});

test('every wrong, missing, doubled or added character is refused', () => {
  const refused = (text: string) => assert('refused' in parseContact(text), text);
  for (let at = 0; at <= CONTACT.length; at += 1) {
    for (const typed of TYPED) {
      if (at < CONTACT.length && typed !== CONTACT[at]) refused(CONTACT.slice(0, at) + typed + CONTACT.slice(at + 1));
      refused(CONTACT.slice(0, at) + typed + CONTACT.slice(at));
    }
    if (at < CONTACT.length) refused(CONTACT.slice(0, at) + CONTACT.slice(at + 1));
  }
});

test('two neighbours that have changed places are refused', () => {
  for (let at = 0; at + 1 < CONTACT.length; at += 1) {
    if (CONTACT[at] === CONTACT[at + 1]) continue;
    const text = CONTACT.slice(0, at) + CONTACT[at + 1] + CONTACT[at] + CONTACT.slice(at + 2);
    assert('refused' in parseContact(text), text);
  }
});

test('says which of three things is wrong', () => {
  const refusal = (text: string) => (parseContact(text) as { refused: string }).refused;
  for (const text of ['', 'herd', 'herd::x:y', 'tel:eu:x:y', `${CONTACT}:z`, 'herd:eu:key:'])
    assert.equal(refusal(text), 'a contact reads herd:ZONE:KEY:CHECKSUM', text);
  assert.match(refusal(CONTACT.replace(':eu:', ':na:')), /typing error/);
  for (const key of [Buffer.alloc(31, 1), Buffer.alloc(32), Buffer.alloc(32, 0xff), Buffer.alloc(0)])
    assert.match(refusal(printContact('eu', key)), /not an Ed25519 public key/);
});

function rendezvous(number: number, role: ConsensusNode['role'] = 'rendezvous'): ConsensusNode {
  const keys = inForce(Buffer.alloc(32, number));
  const endpoint = parseEndpoint(`10.0.0.${number}:7000`)!;
  const tag = nodeTag('eu', Buffer.alloc(32, number));
  return { id: `${role}-${number}`, role, endpoint, linkKeys: keys, circuitKeys: keys, boot: 1, draining: false, tag };
}

const consensusOf = (nodes: ConsensusNode[]): Consensus => ({
  zone: 'eu',
  epoch: 1,
  validUntilMs: 0,
  params: { ...DEFAULT_PARAMS, meshCellsPerTick: 2 },
  nodes,
  channels: [],
  meshRates: [],
});
const cookies = Array.from({ length: 200 }, (_, i) => cookieOf(Buffer.alloc(32, i)));

/** First and second choice, as ids. */
const choices = (cookie: Buffer, nodes: ConsensusNode[]) =>
  rendezvousOf(cookie, consensusOf(nodes)).map(({ id }) => id);

test('everybody finds the same two rendezvous, in whatever order the consensus lists them', () => {
  const nodes = [1, 2, 3, 4].map((number) => rendezvous(number));
  for (const cookie of cookies) {
    const found = choices(cookie, nodes);
    assert.equal(new Set(found).size, 2);
    assert.deepEqual(choices(cookie, nodes.toReversed()), found);
  }
});

test('a rendezvous that leaves makes way for the second choice, and moves nobody else', () => {
  const nodes = [1, 2, 3, 4].map((number) => rendezvous(number));
  const left = nodes[3].id;
  let moved = 0;
  for (const cookie of cookies) {
    const [first, second] = choices(cookie, nodes);
    const after = choices(cookie, nodes.slice(0, 3));
    if (first === left) {
      moved += 1;
      assert.equal(after[0], second);
    } else assert.equal(after[0], first);
    if (first !== left && second !== left) assert.equal(after[1], second);
  }
  assert(moved > 25 && moved < 75, `about a quarter of 200 moves: ${moved}`);
});

test('first and second choices are spread over all rendezvous, independently of each other', () => {
  const nodes = [1, 2, 3].map((number) => rendezvous(number));
  const pairs = new Map<string, number>();
  for (const cookie of cookies) {
    const pair = choices(cookie, nodes).join();
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  // A sixth of 200 is 33, its standard deviation 5.
  assert.equal(pairs.size, 6);
  for (const [pair, count] of pairs) assert(count > 10 && count < 60, `${pair}: ${count}`);
});

test('a zone has as many choices as rendezvous, and no other role is taken for one', () => {
  assert.deepEqual(choices(cookies[0], [rendezvous(1, 'mix'), rendezvous(2, 'superpeer')]), []);
  assert.deepEqual(choices(cookies[0], [rendezvous(1), rendezvous(2, 'mix')]), ['rendezvous-1']);
});
