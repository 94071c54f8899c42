import type { Endpoint } from '../../../nodes/core/units.ts';
import { Mesh } from '../../../nodes/link/mesh.ts';
import { LINK_KIND, MESH_COMMAND } from '../../../nodes/wire/constants.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, setUp } from '../talk.ts';

/** INITs per tick at each of the nodes attacked: more than five times what a tick takes. */
const FORGED_PER_TICK = 90;
const FLOOD_SECONDS = 4;
const INIT_BYTES = { [LINK_KIND.initNk]: 4 + 48 + 16, [LINK_KIND.initIk]: 4 + 96 + 16 } as const;

/** Another zone's rendezvous that keeps what its clients called with, and says it again. */
class Replayer {
  readonly joins: { mesh: Mesh<unknown>; tag: string; body: Buffer }[] = [];
  readonly #queue = Mesh.prototype.queue;

  listen(): void {
    const { joins } = this;
    const queue = this.#queue;
    Mesh.prototype.queue = function (tag, command, circuit, body, offset, length) {
      if (command === MESH_COMMAND.join) joins.push({ mesh: this, tag, body: Buffer.from(body) });
      queue.call(this, tag, command, circuit, body, offset, length);
    };
  }

  stop(): void {
    Mesh.prototype.queue = this.#queue;
  }

  /** Every SETUP that passed here once more, each as a new leg. */
  replay(): void {
    for (const { mesh, tag, body } of this.joins) mesh.queue(tag, MESH_COMMAND.join, mesh.openCircuit(tag)!, body);
  }
}

export const flood: Scenario = {
  name: 'flood',
  property:
    'Thousands of handshakes a second from forged addresses, copied and random ones, at a superpeer and at a mix keep no ' +
    'client from joining, cost a call no frame and leave nothing behind. A SETUP that is said again rings nobody twice.',
  set: 'short',
  minutes: FLOOD_SECONDS / 60,
  run: (seed, minutes) => {
    const check = new Checker();
    const pair = new Pair(seed, check);
    const { network, caller, callee } = pair;
    const { world } = network;
    const targets = [network.superpeer('eu', 1), network.superpeer('eu', 3), network.mix('eu', 1)];
    const copied: { to: Endpoint; bytes: Buffer }[] = [];
    world.tamper = (_from, to, bytes) => {
      if (bytes[0] === LINK_KIND.initNk || bytes[0] === LINK_KIND.initIk)
        copied.push({ to, bytes: Buffer.from(bytes) });
      return bytes;
    };
    pair.begin(true);
    const replayer = new Replayer();
    const before = network.nodes.size;
    const clients = targets.map(({ machine }) => machine.clients());
    const dropped = network.dropped();
    const since = world.now;
    let sent = 0;
    const attack = () => {
      for (const { host } of targets) {
        const mine = copied.filter(({ to }) => to === host.endpoint);
        for (let i = 0; i < FORGED_PER_TICK; i += 1) {
          const from = (0xc0a8_0000_0000 + world.random.below(2 ** 32)) as Endpoint;
          const kind = i % 2 === 0 ? LINK_KIND.initNk : LINK_KIND.initIk;
          const random = Buffer.alloc(INIT_BYTES[kind]);
          world.random.fill(random);
          random.writeUInt32BE(kind * 0x100_0000 + world.random.below(0x100_0000));
          const copy = mine.length > 0 && i % 3 === 0 ? world.random.pick(mine).bytes : random;
          world.inject(from, host.endpoint, copy);
          sent += 1;
        }
      }
    };
    const ticks = Math.round(minutes * 60 * 50);
    const late = network.addClient('eu', [1, 3, 5]);
    for (let tick = 0; tick < ticks; tick += 1) {
      attack();
      network.run(0.02);
    }
    attachAll(network, check, [late]);
    const missing = Math.max(pair.callerHears.missing, pair.calleeHears.missing);
    const surplus = missing - network.dropped('queue_standing');
    check.expect(surplus <= 0, `${missing} frames are missing, ${surplus} more than queues gave up`);
    check.expect(pair.talking, 'they do not talk any more');
    check.expect(
      network.dropped() - dropped >= sent * 0.9,
      `${sent} were sent and ${network.dropped() - dropped} dropped`,
    );
    check.expect(before === network.nodes.size, 'a node is gone');
    pair.end('flood');
    network.run(12);
    const left = targets.map(({ machine }) => machine.clients());
    check.expect(
      left.every((count, index) => count <= clients[index]! + 3),
      `clients before ${clients}, after ${left}`,
    );

    replayer.listen();
    setUp(network, caller, callee, check);
    replayer.stop();
    network.run(0.5);
    pair.end('replay');
    let rings = 0;
    const count = () => {
      for (let event = callee.machine.poll(); event; event = callee.machine.poll())
        if (event.kind === 'ringing') rings += 1;
      return false;
    };
    count();
    rings = 0;
    check.expect(replayer.joins.length > 0, 'there was no SETUP to repeat');
    for (let time = 0; time < 5; time += 1) {
      replayer.replay();
      network.run(1, count);
    }
    check.expect(rings === 0, `it rang ${rings} times for old SETUPs`);
    network.run(60, () => pair.held.calls === 0 && pair.held.channels === 0);
    check.expect(pair.held.calls + pair.held.channels === 0, `left behind: ${JSON.stringify(pair.held)}`);
    setUp(network, caller, callee, check);
    const facts = { sent, dropped: network.dropped() - dropped, seconds: (world.now - since) / 1e6, missing };
    return { violations: check.violations, facts };
  },
};
