import { WAN } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, recording, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

export const noise: Scenario = {
  name: 'noise',
  property:
    'Datagrams that are random, cut short, changed by a bit or sent again, to every node and from a real address, change ' +
    'nothing but drop counters: the call goes on without a missing frame.',
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }], () => WAN);
    const { world } = network;
    const caller = network.addClient('eu');
    const callee = network.addClient('na');
    attachAll(network, check);
    const listener = new Listener(world);
    caller.machine.voice = listener.voice;
    callee.machine.voice = recording();
    setUp(network, caller, callee, check);
    const captured: Buffer[] = [];
    const rounds = Math.round(minutes * 60 * 50);
    world.tamper = (_from, _to, bytes) => {
      if (captured.length < rounds && world.random.next() < 0.3) captured.push(Buffer.from(bytes));
      return bytes;
    };
    network.run(2);
    const before = network.dropped();
    let sent = 0;
    for (const bytes of captured) {
      const flipped = Buffer.from(bytes);
      const bit = world.random.below(bytes.length * 8);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const random = Buffer.alloc(world.random.below(400));
      world.random.fill(random);
      const cut = bytes.subarray(0, world.random.below(bytes.length));
      const hostile = [flipped, random, cut, bytes];
      for (const { host } of network.nodes.values())
        for (const datagram of hostile) world.inject(caller.host.endpoint, host.endpoint, datagram);
      sent += hostile.length * network.nodes.size;
      network.run(0.02);
    }
    network.run(2);
    const dropped = network.dropped() - before;
    // A copied handshake may open a session that nobody then uses.
    check.expect(dropped >= sent * 0.98, `${sent} hostile datagrams, ${dropped} drops`);
    check.expect(caller.machine.callState === 'talking', `the caller is ${caller.machine.callState}`);
    listener.checkNames(check);
    const surplus = listener.missing - network.dropped('queue_standing');
    check.expect(surplus <= 0, `${listener.missing} frames are missing, ${surplus} more than queues gave up`);
    return { violations: check.violations, facts: { sent, dropped, missing: listener.missing } };
  },
};
