import { MILLISECOND_US, type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { GEOMETRY, LINK_OVERHEAD_BYTES, TICK_US } from '../../../nodes/wire/constants.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { Listener, recording } from '../talk.ts';
import type { Sighting } from '../world.ts';
import { Network, type SimClient } from '../zones.ts';

/** Calls over one rendezvous of each zone while the mesh carries so many. */
const CALLS = 8;
const RATES = [3, 5, 3] as const;
/** What a cell of the mesh is on the wire. */
const CELL_BYTES = GEOMETRY.A.mesh + LINK_OVERHEAD_BYTES;

interface Call {
  readonly caller: SimClient;
  readonly callee: SimClient;
  readonly heard: Listener;
}

/** Counts the mesh cells of each link and tick, and holds them against the rate at that instant. */
class Watch {
  /** By link: the tick that is being counted. */
  readonly #ticks = new Map<string, { at: Micros; cells: number }>();
  readonly #rateAt: (at: Micros) => number;
  ticks = 0;
  wrong = 0;
  /** The largest number of cells that a link carried in a tick. */
  most = 0;

  constructor(rateAt: (at: Micros) => number) {
    this.#rateAt = rateAt;
  }

  see({ at, from, to, length, link }: Sighting): void {
    if (link !== 'mesh' || length !== CELL_BYTES) return;
    const name = `${from} ${to}`;
    const tick = this.#ticks.get(name);
    if (tick && tick.at === at) {
      tick.cells += 1;
      return;
    }
    if (tick) this.#judge(tick, at);
    this.#ticks.set(name, { at, cells: 1 });
  }

  #judge({ at, cells }: { at: Micros; cells: number }, next: Micros): void {
    this.ticks += 1;
    this.most = Math.max(this.most, cells);
    if (cells !== this.#rateAt(at) || next - at !== TICK_US) this.wrong += 1;
  }
}

export const meshrates: Scenario = {
  name: 'meshrates',
  property:
    'More calls than the mesh has cells for are refused, and those that are up lose nothing. A ' +
    'rate changes on all links to a zone in the first tick after its instant, whenever its consensus was heard of; a link ' +
    'carries exactly its rate in every tick, also where a lower one must give up cells of calls.',
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const params = { meshCellsPerTick: RATES[0], clientsPerChannel: 4 };
    const plan = { mixes: 2, superpeers: 4, channelsPerSuperpeer: 4, params };
    const names = ['eu', 'na'];
    const network = new Network(
      seed,
      names.map((name) => ({ name, ...plan })),
      () => NEAR,
    );
    network.learnWithinUs = 3 * SECOND_US;
    const { world } = network;
    // Of its own channel each, and by turns over either mix: nothing but the mesh is short.
    const calls = Array.from({ length: CALLS }, (_, index): Call => {
      const [caller, callee] = names.map((name) => network.addClient(name, [index + 1]));
      return { caller: caller!, callee: callee!, heard: new Listener(world) };
    });
    check.expect(network.attach(network.clients, 30), 'not all clients attached in 30 s');
    for (const { caller, callee, heard } of calls) {
      caller.machine.voice = heard.voice;
      callee.machine.voice = recording();
    }

    const start = world.now;
    const phaseUs = Math.round(minutes * 60 * SECOND_US);
    // In whole milliseconds, as the consensus has it.
    const raised = Math.ceil((start + 2 * phaseUs) / MILLISECOND_US) * MILLISECOND_US;
    const lowered = raised + 2 * phaseUs;
    const watch = new Watch((at) => RATES[at < raised ? 0 : at < lowered ? 1 : 2]);
    world.observe = (sighting) => watch.see(sighting);
    for (const name of names) {
      const entries = [raised, lowered].flatMap((at, index) =>
        names.map((zone) => ({ zone, cellsPerTick: RATES[index + 1]!, from: at / MILLISECOND_US })),
      );
      network.meshRates.set(name, entries);
    }
    network.publish();

    const talking = () =>
      calls.filter(({ caller, callee }) => [caller, callee].every(({ machine }) => machine.callState === 'talking'));
    /** All who are not in a call try, until the instant. */
    const demand = (until: Micros) => {
      for (const { caller, callee } of calls)
        if (caller.machine.callState === 'idle') caller.machine.place(caller.host.now, callee.contact);
      world.run(until, () => {
        for (const { callee } of calls)
          if (callee.machine.callState === 'ringing') callee.machine.answer(callee.host.now);
        return false;
      });
    };
    const giveUp = () => {
      for (const { caller } of calls) if (caller.machine.callState !== 'talking') caller.machine.hangUp();
    };

    demand(start + phaseUs);
    const first = talking();
    check.expect(first.length === RATES[0], `${first.length} calls are up, there is room for ${RATES[0]}`);
    check.expect(network.dropped('mesh_full') > 0, 'no rendezvous has refused a call: the demand was too low');
    demand(raised);
    giveUp();
    demand(raised + phaseUs);
    demand(lowered);
    const second = talking();
    check.expect(second.length === RATES[1], `${second.length} calls are up, there is room for ${RATES[1]}`);
    check.expect(
      first.every((call) => second.includes(call)),
      'a call that was up before the change is not any more',
    );
    const full = network.dropped('queue_full');
    check.expect(full === 0, `${full} cells were given up while no more calls were up than there was room for`);
    const missing = first.reduce((sum, { heard }) => sum + heard.missing, 0);
    const standing = network.dropped('queue_standing');
    check.expect(missing <= standing, `${missing} frames are missing, queues gave up ${standing}`);
    giveUp();
    world.run(lowered + phaseUs);
    const givenUp = network.dropped('queue_full');
    check.expect(givenUp > 0, 'the lower rate carries as many calls as the higher one');
    for (const { heard } of calls) heard.checkNames(check);
    check.expect(watch.wrong === 0, `${watch.wrong} of ${watch.ticks} ticks of links have not their rate`);
    const facts = {
      linkTicks: watch.ticks,
      most: watch.most,
      callsFirst: first.length,
      callsSecond: second.length,
      refused: network.dropped('mesh_full'),
      missing,
      standing,
      givenUp,
    };
    return { violations: check.violations, facts };
  },
};
