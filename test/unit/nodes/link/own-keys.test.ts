import assert from 'node:assert/strict';
import test from 'node:test';
import { nodeTag, type ScheduledKey, type View } from '../../../../nodes/config/consensus.ts';
import { DhKeyPair, Identity, type NodeKeys } from '../../../../nodes/crypto/keys.ts';
import { OwnKeys } from '../../../../nodes/link/own-keys.ts';

const IDENTITY = new Identity(Buffer.alloc(32, 1));
const PAIRS = [0, 1, 2].map((number) => ({ number, pair: new DhKeyPair(Buffer.alloc(32, 10 + number)) }));
const holding = (...numbers: number[]): NodeKeys => {
  const pairs = numbers.map((number) => PAIRS[number]);
  return { link: pairs, circuit: pairs };
};
const [, one, two] = PAIRS.map(({ pair }) => pair);

/** A consensus that tells of the node, as far as it matters here. */
function saying(linkKeys: readonly ScheduledKey[], zone = 'eu'): View {
  const nodes = [{ tag: nodeTag(zone, IDENTITY.publicKey), linkKeys }];
  return { own: { zone, nodes }, peers: [] } as unknown as View;
}
const listed = (number: number, from: number) => ({ key: PAIRS[number].pair.publicKey, from });

test('shows the key in force from the millisecond on in which it is, and accepts all that it has', () => {
  const own = new OwnKeys('eu', IDENTITY, holding(1, 2));
  own.follow(saying([listed(1, 0), listed(2, 5000)]));
  assert.equal(own.shown(4_999_999), one);
  assert.equal(own.shown(5_000_000), two);
  assert.deepEqual(
    [own.accepted, own.circuit],
    [
      [one, two],
      [one, two],
    ],
  );
});

test('shows the oldest that it has while the consensus knows nothing of it, or of other keys', () => {
  const own = new OwnKeys('eu', IDENTITY, holding(1, 2));
  assert.equal(own.shown(0), one);
  own.follow(saying([listed(0, 0)]));
  assert.equal(own.shown(0), one);
});

test('a key whose file has gone is neither shown nor accepted, whatever the consensus says', () => {
  const own = new OwnKeys('eu', IDENTITY, holding(1, 2));
  own.follow(saying([listed(1, 0), listed(2, 5000)]));
  own.replace(holding(2));
  assert.equal(own.shown(0), two);
  assert.deepEqual([own.accepted, own.circuit], [[two], [two]]);
});

test('its tag is of its identity and its zone, not of its keys', () => {
  assert.equal(new OwnKeys('eu', IDENTITY, holding(1)).tag, new OwnKeys('eu', IDENTITY, holding(2)).tag);
  assert.notEqual(new OwnKeys('eu', IDENTITY, holding(1)).tag, new OwnKeys('na', IDENTITY, holding(1)).tag);
});
