import assert from 'node:assert/strict';
import test from 'node:test';
import type { Machine } from '../../../nodes/core/machine.ts';
import type { PacketRing } from '../../../nodes/core/ring.ts';
import { type Endpoint, MILLISECOND_US, type Micros, parseEndpoint, SECOND_US } from '../../../nodes/core/units.ts';
import { TICK_US } from '../../../nodes/wire/constants.ts';
import type { Host } from '../../sim/host.ts';
import { byLink, NEAR, type PathQuality } from '../../sim/path.ts';
import { type Sighting, World } from '../../sim/world.ts';

const PERFECT: PathQuality = { delayUs: 5 * MILLISECOND_US, jitterUs: 0, loss: 0 };
const endpoint = (text: string) => parseEndpoint(`${text}:7000`)!;

/** Sends so many numbered datagrams in every tick and keeps the numbers that come, with when it came and from where. */
class Peer implements Machine {
  readonly came: number[] = [];
  readonly cameAt: Micros[] = [];
  readonly cameFrom: number[] = [];
  readonly ticksAt: Micros[] = [];
  sent = 0;
  target: Endpoint | undefined;
  readonly #perTick: number;

  constructor(perTick: number) {
    this.#perTick = perTick;
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    this.ticksAt.push(now);
    for (let i = 0; i < inbox.count; i += 1) {
      this.came.push(inbox.bytes.readUInt32BE(i * inbox.slotBytes));
      this.cameAt.push(now);
      this.cameFrom.push(inbox.endpoints[i]!);
    }
    for (let i = 0; this.target !== undefined && i < this.#perTick; i += 1) {
      outbox.bytes.writeUInt32BE(this.sent, outbox.reserve());
      outbox.push(this.target, 100);
      this.sent += 1;
    }
  }
}

interface Pair {
  readonly world: World;
  readonly one: Peer;
  readonly other: Peer;
  readonly oneHost: Host;
  readonly otherHost: Host;
}

/** One sends to the other, over a path that may change meanwhile. */
function pair(seed: string, quality: () => PathQuality = () => PERFECT, perTick = 1): Pair {
  const world = new World(seed, quality);
  const [one, other] = [new Peer(perTick), new Peer(perTick)];
  const oneHost = world.add('one', endpoint('10.0.0.1'), 'client');
  const otherHost = world.add('other', endpoint('10.0.0.2'), 'superpeer');
  oneHost.machine = one;
  otherHost.machine = other;
  one.target = otherHost.endpoint;
  return { world, one, other, oneHost, otherHost };
}

const run = (world: World, seconds: number) => world.run(world.now + seconds * SECOND_US);

/** Lengths of the runs of numbers that have not come, up to the greatest that has. */
function runsOfMissing(came: readonly number[]): number[] {
  const sorted = [...new Set(came)].sort((a, b) => a - b);
  return sorted.map((number, index) => number - (sorted[index - 1] ?? -1) - 1).filter((length) => length > 0);
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

/** All that two worlds could differ in. */
function life(seed: string): unknown[] {
  const quality = { ...NEAR, loss: 0.1, bursts: { loss: 0.1, lengthDatagrams: 4 }, reordered: 0.1, duplicated: 0.1 };
  const { world, one, other, oneHost, otherHost } = pair(seed, () => quality, 3);
  const sightings: Sighting[] = [];
  world.observe = (sighting) => sightings.push(sighting);
  world.setDrift(oneHost, 300);
  world.after(0.7 * SECOND_US, () => world.pause(otherHost, 0.2 * SECOND_US));
  run(world, 5);
  return [one.ticksAt, other.came, other.cameAt, other.ticksAt, sightings];
}

test('the same seed gives the same run, another seed another', () => {
  assert.deepEqual(life('a'), life('a'));
  assert.notDeepEqual(life('a'), life('b'));
});

test('what one host draws does not move what another draws', () => {
  const [calm, busy] = [new World('one seed', () => PERFECT), new World('one seed', () => PERFECT)];
  const buffer = Buffer.alloc(5000);
  busy.randomFor('eager').fill(buffer);
  assert.equal(busy.randomFor('host').next(), calm.randomFor('host').next());
  assert.notEqual(calm.randomFor('eager').next(), calm.randomFor('host').next());
});

test('a perfect path brings everything once, in order, at the first tick after its delay', () => {
  const { world, one, other } = pair('perfect');
  run(world, 10);
  assert.deepEqual(
    other.came,
    Array.from({ length: other.came.length }, (_, index) => index),
  );
  assert(one.sent - other.came.length <= 2, 'but what is on its way');
  for (const [index, at] of other.cameAt.entries()) {
    const waited = at - one.ticksAt[index]! - PERFECT.delayUs;
    assert(waited >= 0 && waited <= TICK_US, `waited ${waited} µs`);
  }
});

test('random loss loses its share', () => {
  const { world, one, other } = pair('loss', () => ({ ...PERFECT, loss: 0.05 }), 20);
  run(world, 50);
  const lost = 1 - other.came.length / one.sent;
  assert(Math.abs(lost - 0.05) < 0.005, `lost ${lost}`);
});

for (const { loss, lengthDatagrams, lossInBad } of [
  { loss: 0.02, lengthDatagrams: 3, lossInBad: 1 },
  { loss: 0.1, lengthDatagrams: 10, lossInBad: 1 },
  { loss: 0.1, lengthDatagrams: 10, lossInBad: 0.5 },
]) {
  test(`bursts: ${loss} lost, bad for ${lengthDatagrams} datagrams, in which ${lossInBad} are lost`, () => {
    const bursts = { loss, lengthDatagrams, lossInBad };
    const { world, one, other } = pair('bursts', () => ({ ...PERFECT, bursts }), 40);
    run(world, 100);
    const lost = 1 - other.came.length / one.sent;
    assert(Math.abs(lost / loss - 1) < 0.1, `lost ${lost}`);
    const runs = runsOfMissing(other.came);
    const length = sum(runs) / runs.length;
    // In the bad state a run goes on if the state does and the next datagram is lost too.
    const expected = 1 / (1 - (1 - 1 / lengthDatagrams) * lossInBad);
    assert(Math.abs(length / expected - 1) < 0.1, `bursts of ${length}, expected ${expected}`);
  });
}

test('bursts that cannot be are refused', () => {
  const { world } = pair('impossible', () => ({ ...PERFECT, bursts: { loss: 0.6, lengthDatagrams: 1 } }));
  assert.throws(() => run(world, 1), /cannot be/);
});

test('a path that reorders lets later datagrams overtake earlier ones, and loses none', () => {
  const { world, one, other } = pair('reordered', () => ({ ...PERFECT, reordered: 0.2 }));
  run(world, 100);
  const overtaken = other.came.filter((number, index) => number < (other.came[index - 1] ?? -1)).length;
  assert(overtaken > other.came.length * 0.05, `${overtaken} of ${other.came.length} came after a later one`);
  one.target = undefined;
  run(world, 1);
  assert.deepEqual(
    [...other.came].sort((a, b) => a - b),
    Array.from({ length: one.sent }, (_, index) => index),
  );
  const latest = other.came.map((number, index) => other.cameAt[index]! - one.ticksAt[number]!);
  const bound = PERFECT.delayUs + 6 * TICK_US;
  assert(Math.max(...latest) > bound - 2 * TICK_US && Math.max(...latest) <= bound, 'five ticks late at most');
});

test('a path that duplicates brings its share twice', () => {
  const { world, one, other } = pair('duplicated', () => ({ ...PERFECT, duplicated: 0.1 }), 20);
  run(world, 20);
  const twice = other.came.length - new Set(other.came).size;
  assert(Math.abs(twice / one.sent - 0.1) < 0.01, `${twice} of ${one.sent} came twice`);
});

test('a path may change as time goes, and by class of link', () => {
  let quality = PERFECT;
  const { world, other } = pair('changing', () => quality);
  run(world, 1);
  quality = { ...PERFECT, loss: 1 };
  run(world, 0.1);
  const before = other.came.length;
  run(world, 1);
  assert.equal(other.came.length, before);
  const path = byLink({ 'client-superpeer': NEAR }, PERFECT);
  const [client, superpeer] = [...world.hosts.values()];
  assert.equal(path(client!, superpeer!), NEAR);
  assert.equal(path(superpeer!, client!), NEAR);
  assert.equal(path(superpeer!, superpeer!), PERFECT);
});

test('a partition parts until it is healed, and only its groups', () => {
  const { world, one, other, oneHost, otherHost } = pair('parted');
  const third = new Peer(1);
  world.add('third', endpoint('10.0.0.3')).machine = third;
  third.target = otherHost.endpoint;
  const { target } = one;
  other.target = oneHost.endpoint;
  run(world, 1);
  const join = world.partition([oneHost], [otherHost]);
  run(world, 0.1);
  const counts = () => [one.came.length, other.cameFrom.filter((from) => from === oneHost.endpoint).length];
  const before = counts();
  const fromThird = other.came.length - before[1]!;
  run(world, 1);
  assert.deepEqual(counts(), before);
  assert(other.came.length - before[1]! > fromThird + 45, 'who is in no group is heard');
  join();
  run(world, 1);
  assert(counts().every((count, index) => count > before[index]! + 45));
  world.partition([otherHost], [oneHost]);
  run(world, 0.1);
  const again = counts();
  run(world, 1);
  assert.deepEqual(counts(), again);
  world.heal();
  run(world, 1);
  assert(counts().every((count, index) => count > again[index]! + 45));
  assert.equal(one.target, target);
});

test('a clock that is 200 ppm fast ticks once more in 100 s, by its own reading every 20 ms', () => {
  const { world, one, other, oneHost } = pair('drift');
  world.setDrift(oneHost, 200);
  const start = world.now;
  run(world, 100);
  assert.equal(one.ticksAt.length, other.ticksAt.length + 1);
  for (let i = 1; i < one.ticksAt.length; i += 1)
    assert(Math.abs(one.ticksAt[i]! - one.ticksAt[i - 1]! - TICK_US) <= 1);
  assert.equal(oneHost.now - start, 100 * SECOND_US + 20 * MILLISECOND_US);
});

test('a clock that is stepped shows it to the machine, and ticks go on', () => {
  const { world, one, oneHost } = pair('step');
  run(world, 1);
  world.stepClock(oneHost, -3 * SECOND_US);
  run(world, 1);
  assert.equal(one.ticksAt.length, 100);
  const steps = one.ticksAt.slice(1).map((at, index) => at - one.ticksAt[index]!);
  assert.deepEqual(
    steps.filter((step) => step !== TICK_US),
    [TICK_US - 3 * SECOND_US],
  );
});

test('a pause within what the socket holds loses nothing', () => {
  const { world, one, other, otherHost } = pair('pause', undefined, 10);
  run(world, 1);
  world.pause(otherHost, 2 * SECOND_US);
  run(world, 2);
  const ticks = other.ticksAt.length;
  run(world, 1);
  assert(other.ticksAt.length - ticks <= 51, 'ticks of a long pause are left out');
  assert.equal(otherHost.socketDrops, 0);
  assert.deepEqual(runsOfMissing(other.came), []);
  assert(one.sent - other.came.length <= 20);
});

test('a pause beyond what the socket holds loses the rest', () => {
  const { world, other, otherHost } = pair('overflow', undefined, 10);
  otherHost.socketDatagramsMax = 400;
  run(world, 1);
  world.pause(otherHost, 2 * SECOND_US);
  run(world, 3);
  assert.deepEqual(runsOfMissing(other.came), [otherHost.socketDrops]);
  assert(Math.abs(otherHost.socketDrops - (2 * 500 - 400)) <= 20, `${otherHost.socketDrops}`);
});

test('ticks of a short pause are caught up', () => {
  const { world, other, otherHost } = pair('stall');
  run(world, 1);
  world.pause(otherHost, 80 * MILLISECOND_US);
  run(world, 1);
  assert.equal(other.ticksAt.length, 100);
});

test('one pause does not end another', () => {
  const { world, otherHost } = pair('pauses');
  world.pause(otherHost, SECOND_US);
  world.resume(otherHost);
  world.pause(otherHost);
  run(world, 2);
  assert.equal(otherHost.state, 'paused');
});

test('a host that sleeps misses datagrams and time', () => {
  const { world, other, otherHost } = pair('sleep');
  run(world, 1);
  world.sleep(otherHost, 10 * SECOND_US);
  run(world, 11);
  assert(Math.abs(runsOfMissing(other.came)[0]! - 500) <= 2);
  assert.equal(other.ticksAt.length, 100);
  assert.equal(otherHost.now, world.now - 10 * SECOND_US);
});

test('what is sent to a killed host vanishes, also for the process after it', () => {
  const { world, other, otherHost } = pair('killed');
  run(world, 1);
  world.kill(otherHost);
  run(world, 1);
  const next = new Peer(1);
  const started = world.now;
  world.start(otherHost, next);
  run(world, 1);
  assert.equal(other.ticksAt.length, 50);
  assert.equal(next.ticksAt[0], started + TICK_US);
  assert(next.came[0]! >= 99, `hears ${next.came[0]} first`);
  assert(next.came.length > 45);
});

test('a host behind another address sends from there and is reached only there', () => {
  const slow = { ...PERFECT, delayUs: SECOND_US / 2 };
  const { world, one, other, oneHost } = pair('rebound', () => slow);
  other.target = oneHost.endpoint;
  run(world, 2);
  const before = one.came.length;
  const address = endpoint('10.0.0.77');
  world.rebind(oneHost, address);
  run(world, 1);
  assert(one.came.length <= before + 1, 'what was on its way to the old address is lost, and what still goes there');
  assert.equal(other.cameFrom.at(-1), address);
  assert.deepEqual(runsOfMissing(other.came), []);
  other.target = address;
  run(world, 2);
  assert(one.came.length > before + 70);
  assert.equal(world.hosts.get(address), oneHost);
});

test('an observer sees every datagram with the class of its link, lost ones too', () => {
  const { world, one, oneHost, otherHost } = pair('observed', () => ({ ...PERFECT, loss: 1 }));
  const seen: Sighting[] = [];
  world.observe = (sighting) => seen.push(sighting);
  run(world, 1);
  assert.equal(seen.length, one.sent);
  const [first] = seen;
  assert.deepEqual(first, {
    at: one.ticksAt[0],
    from: oneHost.endpoint,
    to: otherHost.endpoint,
    length: 100,
    link: 'client-superpeer',
  });
});

test('an adversary on the path changes, drops and injects', () => {
  const { world, other, oneHost, otherHost } = pair('tampered');
  world.tamper = (_from, _to, bytes) => {
    const number = bytes.readUInt32BE(0);
    if (number % 2 === 0) return undefined;
    bytes.writeUInt32BE(number + 1000, 0);
    return bytes;
  };
  run(world, 0.5);
  assert(other.came.length > 5);
  assert(other.came.every((number) => number > 1000 && number % 2 === 1));
  const forged = Buffer.alloc(4);
  forged.writeUInt32BE(9, 0);
  world.inject(oneHost.endpoint, otherHost.endpoint, forged);
  run(world, 0.02);
  assert(other.came.includes(9));
});

test('timers run in their order, before the ticks of their instant', () => {
  const { world, one } = pair('timers');
  const done: string[] = [];
  world.after(30 * MILLISECOND_US, () => done.push(`b ${one.ticksAt.length}`));
  world.after(10 * MILLISECOND_US, () => done.push('a'));
  world.after(30 * MILLISECOND_US, () => world.after(0, () => done.push('c')));
  run(world, 0.1);
  assert.deepEqual(
    done.map((text) => text[0]),
    ['a', 'b', 'c'],
  );
});

test('every host ticks exactly when it is due, however many there are and however often one starts anew', () => {
  const world = new World('order', () => PERFECT);
  const due = new Map<Host, Micros>();
  let ticks = 0;
  const hosts = Array.from({ length: 200 }, (_, index) => world.add(`h${index}`, endpoint(`10.0.1.${index}`)));
  for (const host of hosts) {
    const tick = () => {
      assert.equal(world.now, due.get(host) ?? world.now);
      due.set(host, world.now + TICK_US);
      ticks += 1;
    };
    host.machine = { tick };
  }
  for (let i = 0; i < 100; i += 1) {
    run(world, 0.013);
    const host = world.random.pick(hosts);
    world.start(host, host.machine!);
    due.set(host, world.now + TICK_US);
  }
  assert(ticks > 1.3 * 50 * 200 * 0.95, `${ticks} ticks`);
});
