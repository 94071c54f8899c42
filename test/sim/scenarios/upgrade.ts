import { MILLISECOND_US, type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { type Path, WAN } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

/** A few frames, as for one that drains. */
const GAP_MS_MAX = 100;
const CALLS = 6;
const ZONES = ['eu', 'na'] as const;
/** Every client is in a call, and draws its two channels anew with every change of mix: there must be many to draw from. */
const CHANNELS_PER_SUPERPEER = 3 * CALLS;
const NODES = { mix: 2, rendezvous: 2, superpeer: 3 } as const;
type Role = keyof typeof NODES;
/** Directories and the operator ask that often; nobody is empty before the news has come to all. */
const LOOK_US = 3 * SECOND_US;
const FIRST_LOOK_US = 18 * SECOND_US;
const DOWN_US = 4 * SECOND_US;
/** Per node, with all waits. */
const DRAIN_SECONDS_MAX = 45;
const NEAR_ZONE: ReturnType<Path> = { delayUs: 5 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 };

/** Every node of a zone drains, ends when it is empty and comes back, one after the other, as the operator has it. */
class Upgrade {
  readonly late: string[] = [];
  done = false;
  readonly #network: Network;
  readonly #zone: string;
  readonly #queue: (readonly [role: Role, number: number])[];

  constructor(network: Network, zone: string) {
    this.#network = network;
    this.#zone = zone;
    this.#queue = (Object.keys(NODES) as Role[]).flatMap((role) =>
      Array.from({ length: NODES[role] }, (_, index) => [role, index + 1] as const),
    );
    this.#next();
  }

  #next(): void {
    const next = this.#queue.shift();
    this.done = next === undefined;
    if (!next) return;
    const { world } = this.#network;
    this.#tell(...next, true);
    const since = world.now;
    world.after(FIRST_LOOK_US, () => this.#look(next, since));
  }

  #look(node: readonly [Role, number], since: Micros): void {
    const { world } = this.#network;
    const id = this.#member(...node).id;
    if (this.#riding(...node) > 0 && world.now - since < DRAIN_SECONDS_MAX * SECOND_US)
      return world.after(LOOK_US, () => this.#look(node, since));
    if (this.#riding(...node) > 0) this.late.push(id);
    this.#network.restart(id, DOWN_US);
    world.after(DOWN_US + LOOK_US, () => {
      this.#tell(...node, false);
      world.after(LOOK_US, () => this.#next());
    });
  }

  #tell(role: Role, number: number, draining: boolean): void {
    this.#network.announce(this.#member(role, number).id, { draining });
    if (role === 'mix') this.#network.deal(this.#zone, [1, 2]);
  }

  #member(role: Role, number: number) {
    if (role === 'mix') return this.#network.mix(this.#zone, number);
    if (role === 'rendezvous') return this.#network.rendezvous(this.#zone, number);
    return this.#network.superpeer(this.#zone, number);
  }

  #riding(role: Role, number: number): number {
    if (role === 'rendezvous') return this.#network.rendezvous(this.#zone, number).machine.circuits();
    if (role === 'mix') return this.#network.mix(this.#zone, number).machine.clients();
    return this.#network.superpeer(this.#zone, number).machine.clients();
  }
}

export const upgrade: Scenario = {
  name: 'upgrade',
  property:
    'Every node of two zones is replaced, one of a zone at a time, while every client is in a call: none is ended before ' +
    'nothing rides on it, no call is dropped, and none misses more than a few frames.',
  set: 'long',
  minutes: 6,
  run: (seed, minutes) => {
    const check = new Checker();
    const params = { attachmentsPerClient: 2, clientsPerChannel: 4, meshCellsPerTick: CALLS };
    const { mix: mixes, rendezvous, superpeer: superpeers } = NODES;
    const shape = { mixes, rendezvous, superpeers, channelsPerSuperpeer: CHANNELS_PER_SUPERPEER, params };
    const plans = ZONES.map((name) => ({ name, ...shape }));
    const zoneOf = new Map<string, string>();
    const path: Path = (from, to) => (zoneOf.get(from.name) === zoneOf.get(to.name) ? NEAR_ZONE : WAN);
    const network = new Network(seed, plans, path);
    network.learnWithinUs = 3 * SECOND_US;
    const [callers, callees] = ZONES.map((zone) => network.addClients(zone, CALLS));
    for (const { host, zone } of [...network.nodes.values(), ...network.clients]) zoneOf.set(host.name, zone);
    attachAll(network, check);
    network.run(5);
    const ears = network.clients.map(({ machine }) => {
      const ear = new Listener(network.world);
      machine.voice = ear.voice;
      return ear;
    });
    for (const [index, caller] of callers!.entries()) setUp(network, caller, callees![index]!, check);
    network.run(2);
    const start = network.world.now;
    const upgrades = ZONES.map((zone) => new Upgrade(network, zone));
    const over = network.run(minutes * 60, () => upgrades.every(({ done }) => done));
    check.expect(over, `not all nodes are replaced after ${minutes} minutes`);
    const late = upgrades.flatMap((each) => each.late);
    check.expect(late.length === 0, `something still rides on ${late.join(', ')} after ${DRAIN_SECONDS_MAX} s`);
    const gapMs = Math.max(...ears.map((ear) => ear.longestGapMs(start)));
    check.expect(gapMs <= GAP_MS_MAX, `a gap of ${gapMs} ms`);
    const talking = network.clients.filter(({ machine }) => machine.callState === 'talking').length;
    check.expect(talking === 2 * CALLS, `${talking} of ${2 * CALLS} clients still talk`);
    const seconds = Math.round((network.world.now - start) / SECOND_US);
    return { violations: check.violations, facts: { gapMs, talking, seconds } };
  },
};
