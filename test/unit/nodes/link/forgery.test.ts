import assert from 'node:assert/strict';
import test from 'node:test';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Endpoint, SECOND_US } from '../../../../nodes/core/units.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { Links } from '../../../../nodes/link/links.ts';
import {
  DATAGRAM_BYTES_MAX,
  LINK_COOKIE_BYTES,
  LINK_INIT_HEADER_BYTES,
  LINK_KIND,
  TICK_US,
} from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { inForce, selfOf } from '../support/keys.ts';

/** An attacker who sees the link's datagrams, and so its indexes, and can send to both ends. */
const PEER = 77 as Endpoint;
const ATTACKER = 66 as Endpoint;
const ring = () => new PacketRing(8, DATAGRAM_BYTES_MAX);

function end(seed: string, linksMax = 4) {
  const random = new SeededRandom(seed);
  const secret = Buffer.alloc(32);
  random.fill(secret);
  const key = new DhKeyPair(secret);
  const drops = new DropCounters();
  const links = new Links<string>({ self: selfOf(key), entropy: random.fill, drops, admit: () => 'peer', linksMax });
  return { listed: () => inForce(key.publicKey), drops, links };
}

function arriving(sent: PacketRing, from: Endpoint): PacketRing {
  const inbox = ring();
  for (let i = 0; i < sent.count; i += 1) {
    const offset = i * sent.slotBytes;
    sent.bytes.copy(inbox.bytes, inbox.reserve(), offset, offset + sent.lengths[i]!);
    inbox.push(from, sent.lengths[i]!);
  }
  return inbox;
}

test('forged RESPONSEs with the right index are not answered and do not stop the handshake', () => {
  const alice = end('alice');
  const bob = end('bob');
  const link = alice.links.connect(0, 'bob', bob.listed, PEER)!;
  const init = ring();
  alice.links.tick(0, init, () => {});
  const index = init.bytes.readUIntBE(1, 3);
  for (let tick = 1; tick <= 10; tick += 1) {
    const forged = ring();
    forged.bytes.fill(9, 0, 56);
    forged.bytes.writeUInt32BE(2 * 0x100_0000, 0);
    forged.bytes.writeUInt32BE(index, 4);
    forged.push(PEER, 56);
    const answers = ring();
    alice.links.receive(tick * TICK_US, arriving(forged, ATTACKER), 0, answers);
    alice.links.tick(tick * TICK_US, answers, () => {});
    assert.equal(answers.count, 0);
  }
  assert.equal(alice.drops.get('bad_handshake'), 10);
  const response = ring();
  bob.links.receive(0, arriving(init, ATTACKER), 0, response);
  alice.links.receive(11 * TICK_US, arriving(response, PEER), 0, ring());
  assert(alice.links.isUp(link), 'the true RESPONSE still counts');
});

test('a copied INIT is not answered and does not undo the session that waits for its first datagram', () => {
  const alice = end('alice');
  const bob = end('bob');
  const link = alice.links.connect(0, 'bob', bob.listed, PEER)!;
  const init = ring();
  alice.links.tick(0, init, () => {});
  const response = ring();
  bob.links.receive(0, arriving(init, PEER), 0, response);
  const toAttacker = ring();
  bob.links.receive(1, arriving(init, ATTACKER), 0, toAttacker);
  assert.equal(toAttacker.count, 0);
  assert.equal(bob.drops.get('replayed'), 1);
  alice.links.receive(2, arriving(response, PEER), 0, ring());
  const data = ring();
  data.bytes.write('hello', alice.links.reserve(link, data));
  alice.links.send(link, data, 5);
  assert(bob.links.receive(3, arriving(data, PEER), 0, ring()), 'the first datagram of the true initiator opens');
});

/** A COOKIE for the handshake with `index`, from somebody who has read the index and forges the address. */
function forgedCookie(index: number, from: Endpoint, byte: number): PacketRing {
  const forged = ring();
  forged.bytes.fill(byte, 0, LINK_INIT_HEADER_BYTES + LINK_COOKIE_BYTES);
  forged.bytes.writeUInt32BE(LINK_KIND.cookie * 0x100_0000 + index, 0);
  forged.push(from, LINK_INIT_HEADER_BYTES + LINK_COOKIE_BYTES);
  return arriving(forged, from);
}

test('a forged COOKIE brings one INIT forward, a second none, and the link comes up as if there were none', () => {
  const alice = end('alice');
  const bob = end('bob');
  const link = alice.links.connect(0, 'bob', bob.listed, PEER)!;
  const init = ring();
  alice.links.tick(0, init, () => {});
  const index = init.bytes.readUIntBE(1, 3);
  const answers = ring();
  alice.links.receive(1, forgedCookie(index, ATTACKER, 9), 0, answers);
  alice.links.receive(1, forgedCookie(index ^ 1, PEER, 9), 0, answers);
  assert.equal(answers.count, 0, 'from elsewhere, or for no handshake of ours');
  alice.links.receive(1, forgedCookie(index, PEER, 9), 0, answers);
  assert.equal(answers.count, 1);
  for (let byte = 0; byte < 10; byte += 1) alice.links.receive(2, forgedCookie(index, PEER, byte), 0, answers);
  assert.equal(answers.count, 1);
  assert.equal(alice.drops.get('cookie_stray'), 12);
  const responses = ring();
  bob.links.receive(3, arriving(init, PEER), 0, responses);
  bob.links.receive(3, arriving(answers, PEER), 0, responses);
  assert.equal(responses.count, 1, 'it is the same handshake: taken once');
  alice.links.receive(4, arriving(responses, PEER), 0, ring());
  assert(alice.links.isUp(link));
});

test('after a forged COOKIE the true one is heard at the next try', () => {
  const alice = end('alice');
  const bob = end('bob', 256);
  const link = alice.links.connect(0, 'bob', bob.listed, PEER)!;
  let upAt = 0;
  for (let now = 0; upAt === 0 && now < 2 * SECOND_US; now += TICK_US) {
    // Handshakes enough, so that Bob asks for a cookie all the time.
    for (let i = 0; i < 9; i += 1) {
      const other = end(`other ${now} ${i}`);
      const init = ring();
      other.links.connect(now, 'bob', bob.listed, PEER);
      other.links.tick(now, init, () => {});
      bob.links.receive(now, arriving(init, (ATTACKER + i) as Endpoint), 0, ring());
    }
    const out = ring();
    alice.links.tick(now, out, () => {});
    if (out.count > 0 && now === 0) {
      const sent = ring();
      alice.links.receive(now, forgedCookie(out.bytes.readUIntBE(1, 3), PEER, 9), 0, sent);
      assert.equal(sent.count, 1);
    }
    for (let hop = 0, toBob = out; toBob.count > 0 && hop < 3; hop += 1) {
      const toAlice = ring();
      bob.links.receive(now, arriving(toBob, PEER), 0, toAlice);
      toBob = ring();
      for (let i = 0; i < toAlice.count; i += 1) alice.links.receive(now, arriving(toAlice, PEER), i, toBob);
    }
    if (alice.links.isUp(link)) upAt = now;
    bob.links.tick(now, ring(), () => {});
  }
  assert(upAt > 0 && upAt < SECOND_US, `up after ${upAt / SECOND_US} s`);
});
