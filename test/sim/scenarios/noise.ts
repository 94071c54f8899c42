import { MILLISECOND_US, SECOND_US } from '../../../nodes/core/units.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, givenUp, Listener, recording, setUp } from '../talk.ts';
import { World } from '../world.ts';
import { addClient, makeZones } from '../zones.ts';

export const noise: Scenario = {
  name: 'noise',
  property:
    'Datagrams that are random, cut short, changed by a bit or sent again, to every node and from a real address, change ' +
    'nothing but drop counters: the call goes on without a missing frame.',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const world = new World(seed, () => ({ delayUs: 45 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 }));
    const zones = makeZones(world, ['eu', 'na']);
    const caller = addClient(world, zones[0]!, 1);
    const callee = addClient(world, zones[1]!, 1);
    attachAll(world, [caller, callee], check);
    const listener = new Listener();
    caller.machine.voice = listener.voice;
    callee.machine.voice = recording();
    setUp(world, caller, callee, check);
    const captured: Buffer[] = [];
    const rounds = Math.round(minutes * 60 * 50);
    world.tamper = (_from, _to, bytes) => {
      if (captured.length < rounds && world.random.next() < 0.3) captured.push(Buffer.from(bytes));
      return bytes;
    };
    world.run(world.now + 2 * SECOND_US);
    const nodes = zones.flatMap(({ mix, rendezvous, superpeer }) => [mix, rendezvous, superpeer]);
    const before = nodes.map(({ drops }) => drops.total());
    let sent = 0;
    for (const bytes of captured) {
      const flipped = Buffer.from(bytes);
      const bit = Math.floor(world.random.next() * bytes.length * 8);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const random = Buffer.alloc(Math.floor(world.random.next() * 400));
      world.random.fill(random);
      const cut = bytes.subarray(0, Math.floor(world.random.next() * bytes.length));
      for (const { host } of nodes) {
        for (const hostile of [flipped, random, cut, bytes])
          world.inject(caller.host.endpoint, host.endpoint, Buffer.from(hostile));
      }
      sent += 4 * nodes.length;
      world.run(world.now + 20 * MILLISECOND_US);
    }
    world.run(world.now + 2 * SECOND_US);
    const dropped = nodes.reduce((sum, { drops }, index) => sum + drops.total() - before[index]!, 0);
    // A copied handshake may open a session that nobody then uses.
    check.expect(dropped >= sent * 0.98, `${sent} hostile datagrams, ${dropped} drops`);
    check.expect(caller.machine.callState === 'talking', `the caller is ${caller.machine.callState}`);
    listener.checkNames(check);
    const surplus = listener.missing - givenUp(zones);
    check.expect(surplus <= 0, `${listener.missing} frames are missing, ${surplus} more than queues gave up`);
    return { violations: check.violations, facts: { sent, dropped, missing: listener.missing } };
  },
};
