import { SECOND_US } from '../../../nodes/core/units.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

const ZONES = ['eu', 'na', 'sa'];
const CLIENTS_PER_ZONE = 20;
const ATTACHMENTS = 3;
const NODES = { mix: 2, rendezvous: 2, superpeer: 4 };
const STEP_SECONDS = 0.1;
/** Chances of each in a tenth of a second. */
const PLACED = 0.5;
const HUNG_UP = 0.25;
const ANSWERED = 0.1;
const CLIENT_LOST = 0.02;
const NODE_LOST = 0.03;
const DOWN_SECONDS_MAX = 8;
const REST_SECONDS = 60;

type Role = keyof typeof NODES;
const ROLES = Object.keys(NODES) as Role[];

/** What happens to a network in the time of a coffee, a day's worth of it. */
class Turmoil {
  readonly network: Network;
  /** Zones and roles of which one node is down: the other is what a call can go over. */
  readonly #down = new Set<string>();
  readonly facts = { placed: 0, up: 0, clientsLost: 0, nodesLost: 0, talkingAtEnd: 0, quietAfterS: Number.NaN };

  constructor(seed: string) {
    const params = { attachmentsPerClient: ATTACHMENTS, meshCellsPerTick: 2 };
    const { mix: mixes, rendezvous, superpeer: superpeers } = NODES;
    const shape = { mixes, rendezvous, superpeers, channelsPerSuperpeer: 2, params };
    const plans = ZONES.map((name) => ({ name, ...shape }));
    this.network = new Network(seed, plans, () => NEAR);
    // As with the daemons: nobody hears of anything at once.
    this.network.learnWithinUs = SECOND_US;
    for (const zone of ZONES) this.network.addClients(zone, CLIENTS_PER_ZONE);
  }

  step(): void {
    const { random } = this.network.world;
    for (const client of this.#present()) {
      for (let event = client.machine.poll(); event; event = client.machine.poll())
        if (event.kind === 'call-up' && !event.incoming) this.facts.up += 1;
      if (client.machine.callState === 'ringing' && random.next() < ANSWERED) client.machine.answer(client.host.now);
    }
    if (random.next() < PLACED) this.#place();
    if (random.next() < HUNG_UP) random.pick(this.#present()).machine.hangUp();
    if (random.next() < CLIENT_LOST) this.#loseClient();
    if (random.next() < NODE_LOST) this.#loseNode();
    this.network.run(STEP_SECONDS);
  }

  #present(): SimClient[] {
    return this.network.clients.filter(({ host, machine }) => host.machine === machine);
  }

  #place(): void {
    const { random } = this.network.world;
    const [caller, callee] = [random.pick(this.#present()), random.pick(this.network.clients)];
    if (!caller.machine.place(caller.host.now, callee.contact)) this.facts.placed += 1;
  }

  #downUs(): number {
    return this.network.world.random.below(DOWN_SECONDS_MAX * SECOND_US) + SECOND_US;
  }

  #loseClient(): void {
    const { id } = this.network.world.random.pick(this.#present());
    this.facts.clientsLost += 1;
    this.network.restart(id, this.#downUs());
  }

  #loseNode(): void {
    const { random } = this.network.world;
    const [zone, role] = [random.pick(ZONES), random.pick(ROLES)];
    const which = `${zone}-${role}`;
    if (this.#down.has(which)) return;
    const downUs = this.#downUs();
    this.#down.add(which);
    this.facts.nodesLost += 1;
    this.network.restart(`${which}-${random.below(NODES[role]) + 1}`, downUs);
    // One that has just come back is not what others can go to yet.
    this.network.world.after(downUs + 5 * SECOND_US, () => this.#down.delete(which));
  }

  /** All hang up, until nobody does anything any more; what there is then that should not be. */
  rest(): string[] {
    const { network, facts } = this;
    facts.talkingAtEnd = network.clients.filter(({ machine }) => machine.callState === 'talking').length;
    const start = network.world.now;
    const isQuiet = network.run(REST_SECONDS, () => {
      for (const { machine } of network.clients) if (machine.callState !== 'idle') machine.hangUp();
      return this.#leftOver().length === 0;
    });
    if (isQuiet) facts.quietAfterS = (network.world.now - start) / SECOND_US;
    return this.#leftOver();
  }

  #leftOver(): string[] {
    const { network } = this;
    const problems: string[] = [];
    const expect = (what: string, is: number, should: number) => {
      if (is !== should) problems.push(`${what}: ${is}, not ${should}`);
    };
    const all = network.clients.length;
    expect('clients without a call', network.clients.filter(({ machine }) => machine.callState === 'idle').length, all);
    const whole = network.clients.filter(({ machine }) => machine.attachments === ATTACHMENTS);
    expect('clients with all attachments', whole.length, all);
    for (const zone of ZONES) {
      const mixes = [1, 2].map((number) => network.mix(zone, number).machine.holdings());
      const rendezvous = [1, 2].map((number) => network.rendezvous(zone, number).machine.holdings());
      const sum = <K extends string>(of: readonly Record<K, number>[], key: K) =>
        of.reduce((total, holdings) => total + holdings[key], 0);
      expect(`${zone}: sessions`, sum(mixes, 'sessions'), CLIENTS_PER_ZONE);
      expect(`${zone}: circuits of the mixes`, sum(mixes, 'circuits'), CLIENTS_PER_ZONE * ATTACHMENTS);
      for (const key of ['held', 'draining', 'pending'] as const) expect(`${zone}: ${key}`, sum(mixes, key), 0);
      expect(`${zone}: circuits of the rendezvous`, sum(rendezvous, 'circuits'), CLIENTS_PER_ZONE * ATTACHMENTS);
      for (const key of ['calls', 'legs'] as const) expect(`${zone}: ${key}`, sum(rendezvous, key), 0);
    }
    return problems;
  }
}

export const churnPackets: Scenario = {
  name: 'churn-packets',
  property:
    'Sixty clients of three zones, each on three superpeers, call, answer and hang up at random, while clients, ' +
    'superpeers, mixes and rendezvous die and come back. When all have hung up and all nodes are there again, within a ' +
    'minute everybody is whole again and the mixes and rendezvous hold what the attached clients need and nothing besides.',
  set: 'short',
  minutes: 0.3,
  run: (seed, minutes) => {
    const check = new Checker();
    const turmoil = new Turmoil(seed);
    attachAll(turmoil.network, check);
    for (let step = 0; step < (minutes * 60) / STEP_SECONDS; step += 1) turmoil.step();
    for (const problem of turmoil.rest()) check.expect(false, `${REST_SECONDS} s after all have hung up, ${problem}`);
    check.expect(turmoil.facts.up > 10 * minutes, `only ${turmoil.facts.up} calls came about`);
    return { violations: check.violations, facts: turmoil.facts };
  },
};
