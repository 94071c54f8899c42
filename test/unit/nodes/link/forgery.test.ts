import assert from 'node:assert/strict';
import test from 'node:test';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import type { Endpoint } from '../../../../nodes/core/units.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { Links } from '../../../../nodes/link/links.ts';
import { DATAGRAM_BYTES_MAX, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';

/** An attacker who sees the link's datagrams, and so its indexes, and can send to both ends. */
const PEER = 77 as Endpoint;
const ATTACKER = 66 as Endpoint;
const ring = () => new PacketRing(8, DATAGRAM_BYTES_MAX);

function end(seed: string) {
  const random = new SeededRandom(seed);
  const secret = Buffer.alloc(32);
  random.fill(secret);
  const key = new DhKeyPair(secret);
  const drops = new DropCounters();
  const links = new Links<string>({ self: key, entropy: random.fill, drops, admit: () => 'peer', linksMax: 4 });
  return { key, drops, links };
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
  const link = alice.links.connect(0, 'bob', bob.key.publicKey, PEER)!;
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
  const link = alice.links.connect(0, 'bob', bob.key.publicKey, PEER)!;
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
