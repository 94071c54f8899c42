import assert from 'node:assert/strict';
import test from 'node:test';
import type { ScheduledKey } from '../../../../nodes/config/consensus.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Micros, SECOND_US } from '../../../../nodes/core/units.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { type LinkSelf, Links } from '../../../../nodes/link/links.ts';
import { DATAGRAM_BYTES_MAX, LINK_KIND, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { Network, type SimNode } from '../../../sim/zones.ts';
import { inForce } from '../support/keys.ts';
import { ALICE, BOB, End, kind } from './ends.ts';

const HOUR_US = 3600 * SECOND_US;
const STEP_US = SECOND_US / 2;
const [OLD, NEW] = [1, 2].map((fill) => new DhKeyPair(Buffer.alloc(32, fill)));
const listed = (key: DhKeyPair, fromS = 0): ScheduledKey => ({ key: key.publicKey, from: fromS * 1000 });

/** A node whose keys the test changes. */
class Keys implements LinkSelf {
  readonly tag: string;
  accepted: readonly DhKeyPair[];
  show: DhKeyPair;

  constructor(tag: string, key: DhKeyPair) {
    this.tag = tag;
    this.accepted = [key];
    this.show = key;
  }

  shown(): DhKeyPair {
    return this.show;
  }
}

/** Alice has a link to Bob; what she knows of his keys is for the test to say, and which of her own she shows. */
class Couple {
  readonly #admitted = new Map<string, string>();
  readonly aliceKeys = new Keys('a1'.repeat(8), new DhKeyPair(Buffer.alloc(32, 11)));
  readonly bobKeys = new Keys('b0'.repeat(8), OLD);
  readonly alice = new End('alice', ALICE, new Map(), { self: this.aliceKeys });
  readonly bob = new End('bob', BOB, this.#admitted, { self: this.bobKeys });
  listed: readonly ScheduledKey[] = [listed(OLD)];
  now: Micros = 0;
  inits = 0;
  #toAlice: ReturnType<End['tick']> = [];
  readonly link = this.alice.links.connect(0, 'bob', () => this.listed, BOB)!;

  constructor() {
    this.admit(this.aliceKeys.show);
  }

  admit(key: DhKeyPair): void {
    this.#admitted.set(key.publicKey.toString('hex'), 'alice');
  }

  /** Something said in both directions, in every half second; that all of it is heard. */
  talk(untilUs: Micros): void {
    for (; this.now < untilUs; this.now += STEP_US) {
      this.#tick();
      this.bob.heard.length = 0;
      this.#tick(`at ${this.now}`);
      assert.equal(this.bob.heard.at(-1), `alice: at ${this.now}`, 'heard');
    }
  }

  #tick(text?: string): void {
    const sent = this.alice.tick(this.now, this.#toAlice, text ? [[this.link, text]] : []);
    this.inits += sent.filter((datagram) => kind(datagram) === LINK_KIND.initIk).length;
    const { heardOn } = this.bob;
    this.#toAlice = this.bob.tick(this.now, sent, heardOn ? [[heardOn, 'pong']] : []);
  }

  /** Up, with what was needed for it left behind. */
  up(): this {
    for (let i = 0; i < 3; i += 1) this.#tick('is it up?');
    this.inits = 0;
    return this;
  }
}

test('a link lives through changes of both ends’ keys, and is renewed under those in force', () => {
  const couple = new Couple().up();
  const { aliceKeys, bobKeys, bob } = couple;
  couple.talk(HOUR_US / 4);
  bobKeys.accepted = [OLD, NEW];
  couple.listed = [listed(OLD), listed(NEW, 1800)];
  const fresh = new DhKeyPair(Buffer.alloc(32, 12));
  couple.admit(fresh);
  aliceKeys.show = fresh;
  couple.talk(HOUR_US * 0.75);
  bobKeys.accepted = [NEW];
  assert.equal(couple.inits, 0, 'nothing is torn down for it');
  const link = bob.heardOn;
  couple.talk(HOUR_US + 10 * SECOND_US);
  assert.equal(couple.inits, 1, 'the hour’s renewal goes through at once');
  assert.equal(bob.heardOn, link, 'under the other key it is the same link');
  assert.deepEqual([bob.links.size, bob.drops.total(), couple.alice.drops.total()], [1, 0, 0]);
});

for (const [what, shown] of [
  ['old', OLD],
  ['new', NEW],
] as const) {
  test(`while there are two keys, a handshake for the ${what} one is taken`, () => {
    const couple = new Couple();
    couple.bobKeys.accepted = [OLD, NEW];
    couple.listed = inForce(shown.publicKey);
    couple.up().talk(SECOND_US);
    assert.equal(couple.bob.drops.total(), 0);
  });
}

test('a handshake for a key that has gone is not answered', () => {
  const couple = new Couple();
  couple.bobKeys.accepted = [NEW];
  couple.up();
  assert.equal(couple.alice.links.isUp(couple.link), false);
  assert.deepEqual([couple.bob.drops.get('bad_handshake'), couple.bob.links.size], [1, 0]);
});

/** Whether a node answers an INIT under that tag and key. */
function answers(to: SimNode, tag: string, key: DhKeyPair): boolean {
  const self = { tag, shown: () => key, accepted: [key] };
  const { fill } = new SeededRandom('initiator');
  const links = new Links<string>({ self, entropy: fill, drops: to.drops, admit: () => undefined, linksMax: 1 });
  const { now, endpoint } = to.host;
  links.connect(now, 'node', () => to.described.linkKeys, endpoint);
  const [inbox, outbox] = [new PacketRing(4, DATAGRAM_BYTES_MAX), new PacketRing(4096, DATAGRAM_BYTES_MAX)];
  links.tick(now, inbox, () => {});
  to.machine.tick(now + TICK_US, inbox, outbox);
  const kinds = Array.from({ length: outbox.count }, (_, at) => outbox.bytes[at * outbox.slotBytes]);
  return kinds.includes(LINK_KIND.response);
}

for (const role of ['mix', 'rendezvous'] as const) {
  test(`a ${role} takes a link only from a node of the consensus under its own key`, () => {
    const network = new Network('who', [{ name: 'eu', mixes: 2, rendezvous: 2, superpeers: 2 }, { name: 'na' }]);
    // Of two nodes the one with the lower tag opens the link.
    const [node] = [...network.nodes.values()]
      .filter(({ described }) => described.role === role)
      .sort((a, b) => (a.described.tag < b.described.tag ? 1 : -1));
    const others = [...network.nodes.values()].filter(
      ({ described }) => described.role !== 'superpeer' && described.tag < node.described.tag,
    );
    assert(others.length >= 2, 'somebody opens links to it');
    const [one, other] = others;
    const keyOf = ({ keys }: SimNode) => keys.link[0].pair;
    assert(answers(node, one.described.tag, keyOf(one)));
    assert(!answers(node, one.described.tag, keyOf(other)), 'the tag of another');
    assert(!answers(node, 'ff'.repeat(8), keyOf(one)), 'a tag that nobody has');
    assert(!answers(node, one.described.tag, NEW), 'a key that nobody has');
    assert(!answers(node, one.described.tag, one.keys.circuit[0].pair), 'a key for something else');
    assert.equal(node.drops.get('bad_handshake'), 4);
  });
}
