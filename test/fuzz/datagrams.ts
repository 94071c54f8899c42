import assert from 'node:assert/strict';
import { DropCounters } from '../../nodes/core/drop.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { parseEndpoint } from '../../nodes/core/units.ts';
import { DhKeyPair } from '../../nodes/crypto/keys.ts';
import { Links } from '../../nodes/link/links.ts';
import {
  DATAGRAM_BYTES_MAX,
  LINK_COOKIE_BYTES,
  LINK_INIT_HEADER_BYTES,
  LINK_KIND,
  linkInitBytes,
  TICK_US,
} from '../../nodes/wire/constants.ts';
import { SeededRandom } from '../sim/random.ts';
import type { Sighting } from '../sim/world.ts';
import { Network } from '../sim/zones.ts';
import { inForce, selfOf } from '../unit/nodes/support/keys.ts';
import type { Target } from './target.ts';

/** Hostile datagrams, from people who have no key: noise, and what was sent before with something else about it. */
const BATCH_SECONDS = 0.1;
const PER_BATCH = 400;
/** A flood of INITs is answered with COOKIEs, as it should be: fewer than make one. */
const INITS_PER_BATCH = 6;
const CAPTURED_MAX = 600;

class Twin {
  readonly network = new Network('fuzzed world', [{ name: 'eu' }, { name: 'na' }]);
  readonly world = this.network.world;
  readonly caller = this.network.addClient('eu');
  readonly callee = this.network.addClient('na');
  readonly captured: Buffer[] = [];
  seen: Sighting[] = [];
  heard = 0;

  constructor() {
    this.world.observe = (sighting) => this.seen.push(sighting);
    this.world.tamper = (_from, _to, bytes) => {
      if (this.captured.length < CAPTURED_MAX) this.captured.push(Buffer.from(bytes));
      return bytes;
    };
    const { network, caller, callee } = this;
    caller.machine.voice = { next: (into) => into.fill(0xff), heard: () => this.heard++ };
    assert(network.attach());
    assert.equal(caller.machine.place(caller.host.now, callee.contact), undefined);
    const isUp = () => callee.machine.answer(callee.host.now) || caller.machine.callState === 'talking';
    assert(network.run(5, () => isUp() && caller.machine.callState === 'talking'));
    // Handshakes are first in it; now what a call looks like, and all of it long delivered.
    this.captured.splice(CAPTURED_MAX / 4);
    network.run(1);
    this.seen = [];
  }

  step(): Sighting[] {
    this.network.run(BATCH_SECONDS);
    const { seen } = this;
    this.seen = [];
    return seen;
  }
}

/** The bytes of an INIT that its handshake proves, if it is one: header and cookie are not among them. */
function provenBytes(bytes: Buffer): { first: number; end: number } | undefined {
  const pattern = bytes[0] === LINK_KIND.initIk ? 'IK' : 'NK';
  if (pattern === 'NK' && bytes[0] !== LINK_KIND.initNk) return undefined;
  return { first: LINK_INIT_HEADER_BYTES, end: linkInitBytes(pattern) - LINK_COOKIE_BYTES };
}

/** A datagram that verifies nowhere. */
function hostile(random: SeededRandom, captured: readonly Buffer[]): Buffer {
  const original = random.pick(captured);
  const bytes = Buffer.from(original);
  const { first, end } = provenBytes(bytes) ?? { first: 0, end: bytes.length };
  switch (random.below(6)) {
    case 0: {
      const noise = Buffer.alloc(random.below(DATAGRAM_BYTES_MAX + 1));
      random.fill(noise);
      // Half of it looks like something.
      if (noise.length > 0 && random.next() < 0.5) noise[0] = 1 + random.below(5);
      return noise;
    }
    case 1:
      return bytes.subarray(0, random.below(bytes.length));
    case 2:
      return Buffer.concat([bytes, Buffer.alloc(1 + random.below(40), random.below(256))]);
    case 3:
      // A copied INIT is the one datagram that is answered twice: it does verify (WIRE.md 1).
      if (end === bytes.length) return bytes;
  }
  for (let n = 1 + random.below(4); n > 0; n -= 1) {
    const at = first + random.below(end - first);
    bytes[at] = (bytes[at]! + 1 + random.below(255)) & 255;
  }
  // Two changes of one byte can undo each other.
  if (bytes.equals(original)) bytes[first]! ^= 1;
  return bytes;
}

function batchOf(random: SeededRandom, captured: readonly Buffer[], count: number): Buffer[] {
  const batch: Buffer[] = [];
  let inits = 0;
  while (batch.length < count) {
    const bytes = hostile(random, captured);
    if (provenBytes(bytes)) inits += 1;
    if (!provenBytes(bytes) || inits <= INITS_PER_BATCH) batch.push(bytes);
  }
  return batch;
}

export const datagrams: Target = {
  name: 'datagrams at every role',
  property:
    'Two worlds with one seed live the same life, a call is on, and into one of them hostile datagrams are thrown, at ' +
    'every node and client. The worlds stay the same, datagram by datagram: what does not verify is not answered, delays ' +
    'nothing, changes nothing. Nothing is thrown.',
  start: (seed) => {
    const random = new SeededRandom(seed);
    const [fuzzed, calm] = [new Twin(), new Twin()];
    const hosts = [...fuzzed.world.hosts.values()];
    return () => {
      const batch = batchOf(random, fuzzed.captured, PER_BATCH);
      for (const host of hosts)
        for (const bytes of batch) fuzzed.world.inject(random.pick(hosts).endpoint, host.endpoint, bytes);
      assert.deepEqual(fuzzed.step(), calm.step());
      assert.equal(fuzzed.caller.machine.callState, 'talking');
      assert.equal(fuzzed.heard, calm.heard);
      return hosts.length * PER_BATCH;
    };
  },
};

const RING_SLOTS = 4096;
const SMALL_BYTES = 64;

export const links: Target = {
  name: 'datagrams at a link',
  property:
    'One end of a live link is sent datagrams like the other’s, none of which are: changed, cut, longer, old, of other ' +
    'kinds. It hears nothing, answers nothing, counts a drop for each, and then still hears its peer.',
  start: (seed) => {
    const random = new SeededRandom(seed);
    const here = parseEndpoint('10.0.0.1:7000')!;
    const there = parseEndpoint('10.0.0.2:7000')!;
    const secret = Buffer.alloc(32);
    random.fill(secret);
    const key = new DhKeyPair(secret);
    const drops = new DropCounters();
    const make = (self: DhKeyPair | undefined, counters: DropCounters) =>
      new Links<string>({
        self: self && selfOf(self),
        entropy: random.fill,
        drops: counters,
        admit: () => 'peer',
        linksMax: 4,
      });
    const [victim, peer] = [make(key, drops), make(undefined, new DropCounters())];
    const inbox = new PacketRing(RING_SLOTS, DATAGRAM_BYTES_MAX);
    const outbox = new PacketRing(16, DATAGRAM_BYTES_MAX);
    let now = TICK_US;
    const link = peer.connect(now, 'peer', () => inForce(key.publicKey), here)!;
    const captured: Buffer[] = [];
    const pass = (to: Links<string>, from: typeof here) => {
      inbox.clear();
      for (let i = 0; i < outbox.count; i += 1) {
        const bytes = outbox.bytes.subarray(i * outbox.slotBytes, i * outbox.slotBytes + outbox.lengths[i]!);
        captured.push(Buffer.from(bytes));
        bytes.copy(inbox.bytes, inbox.reserve());
        inbox.push(from, bytes.length);
      }
      outbox.clear();
      let heard = 0;
      for (let i = 0; i < inbox.count; i += 1) if (to.receive(now, inbox, i, outbox)) heard += 1;
      return heard;
    };
    const say = () => {
      const offset = peer.reserve(link, outbox);
      outbox.bytes.fill(7, offset, offset + SMALL_BYTES);
      peer.send(link, outbox, SMALL_BYTES);
      return pass(victim, there);
    };
    peer.tick(now, outbox, () => {});
    pass(victim, there);
    pass(peer, here);
    for (let n = 0; n < 20; n += 1) assert.equal(say(), 1);
    return () => {
      now += TICK_US;
      victim.tick(now, outbox, () => assert.fail('the link is not forgotten'));
      const before = drops.total();
      inbox.clear();
      for (const bytes of batchOf(random, captured, RING_SLOTS)) {
        bytes.copy(inbox.bytes, inbox.reserve());
        inbox.push(there, bytes.length);
      }
      for (let i = 0; i < inbox.count; i += 1) assert.equal(victim.receive(now, inbox, i, outbox), undefined);
      assert.equal(outbox.count, 0);
      assert.equal(drops.total() - before, RING_SLOTS);
      assert.equal(say(), 1);
      captured.splice(20);
      return RING_SLOTS;
    };
  },
};
