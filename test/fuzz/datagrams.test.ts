import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { MILLISECOND_US, SECOND_US } from '../../nodes/core/units.ts';
import { LINK_INIT_HEADER_BYTES, LINK_KIND } from '../../nodes/wire/constants.ts';
import { SeededRandom } from '../sim/random.ts';
import { type Sighting, World } from '../sim/world.ts';
import { addClient, makeZones } from '../sim/zones.ts';
import { FUZZ_MS } from './time.ts';

/**
 * Two worlds with one seed live the same life: a call is on. Into one of them hostile datagrams are thrown, at every
 * node and client, between any two ticks. Property: the worlds stay the same, datagram by datagram: what does not
 * verify is not answered, delays nothing, changes nothing. Nothing is thrown.
 */
const SEED = process.env.HERD_FUZZ_SEED ?? `fuzz-${randomInt(2 ** 32)}`;
const PATH = { delayUs: 5 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 };
const BATCH_US = 100 * MILLISECOND_US;
const PER_BATCH = 40;
const CAPTURED_MAX = 600;

class Twin {
  readonly world = new World('fuzzed world', () => PATH);
  readonly zones = makeZones(this.world, ['eu', 'na']);
  readonly caller = addClient(this.world, this.zones[0], 1);
  readonly callee = addClient(this.world, this.zones[1], 1);
  readonly captured: Buffer[] = [];
  seen: Sighting[] = [];
  heard = 0;

  constructor() {
    this.world.observe = (sighting) => this.seen.push(sighting);
    this.world.tamper = (_from, _to, bytes) => {
      if (this.captured.length < CAPTURED_MAX) this.captured.push(Buffer.from(bytes));
      return bytes;
    };
    const { world, caller, callee } = this;
    caller.machine.voice = { next: (into) => into.fill(0xff), heard: () => this.heard++ };
    assert(world.run(world.now + 20 * SECOND_US, () => caller.machine.attached && callee.machine.attached));
    assert.equal(caller.machine.place(world.now, callee.contact), undefined);
    assert(world.run(world.now + 5 * SECOND_US, () => caller.machine.callState === 'talking'));
    // Handshakes are first in it; now what a call looks like, and all of it long delivered.
    this.captured.splice(CAPTURED_MAX / 4);
    world.run(world.now + SECOND_US);
    this.seen = [];
  }

  step(): Sighting[] {
    this.world.run(this.world.now + BATCH_US);
    const { seen } = this;
    this.seen = [];
    return seen;
  }
}

const integer = (random: SeededRandom, below: number) => Math.floor(random.next() * below);

/** A datagram that verifies nowhere: noise, or one that was sent before with something else about it. */
function hostile(random: SeededRandom, captured: readonly Buffer[]): Buffer {
  const bytes = Buffer.from(captured[integer(random, captured.length)]);
  const isInit = bytes[0] === LINK_KIND.initIk || bytes[0] === LINK_KIND.initNk;
  switch (integer(random, 6)) {
    case 0: {
      const noise = Buffer.alloc(integer(random, 1281));
      random.fill(noise);
      // Half of it looks like something.
      if (noise.length > 0 && random.next() < 0.5) noise[0] = 1 + integer(random, 4);
      return noise;
    }
    case 1:
      return bytes.subarray(0, integer(random, bytes.length));
    case 2:
      return Buffer.concat([bytes, Buffer.alloc(1 + integer(random, 40), integer(random, 256))]);
    case 3:
      // A copied INIT is the one datagram that is answered twice: it does verify (WIRE.md 1).
      if (!isInit) return bytes;
  }
  // Some bytes others; in an INIT not those of its header, which is no part of what the handshake proves.
  const first = isInit ? LINK_INIT_HEADER_BYTES : 0;
  for (let n = 1 + integer(random, 4); n > 0; n -= 1) {
    const at = first + integer(random, bytes.length - first);
    bytes[at] = (bytes[at] + 1 + integer(random, 255)) & 255;
  }
  return bytes;
}

test(`hostile datagrams at every role are not answered and change nothing (HERD_FUZZ_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const [fuzzed, calm] = [new Twin(), new Twin()];
  const nodes = fuzzed.zones.flatMap(({ mix, rendezvous, superpeer }) => [mix, rendezvous, superpeer]);
  const hosts = [...nodes, fuzzed.caller, fuzzed.callee].map(({ host }) => host);
  const deadline = Date.now() + FUZZ_MS;
  let thrown = 0;
  do {
    const batch = Array.from({ length: PER_BATCH }, () => hostile(random, fuzzed.captured));
    for (const host of hosts) {
      for (const bytes of batch) {
        const { endpoint } = hosts[integer(random, hosts.length)];
        fuzzed.world.inject(endpoint, host.endpoint, bytes);
        thrown += 1;
      }
    }
    assert.deepEqual(fuzzed.step(), calm.step(), `after ${thrown} datagrams`);
  } while (Date.now() < deadline);
  assert.equal(fuzzed.caller.machine.callState, 'talking');
  assert.equal(fuzzed.heard, calm.heard);
});
