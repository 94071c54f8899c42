import { SECOND_US } from '../../../nodes/core/units.ts';
import { NEAR, WAN } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Cells per tick on a link of the mesh: calls that it carries. */
const RATE = 2;
const CROWD = 10;
const LOSS_MAX = 0.01;

/** Two zones in which more is wanted than there is: channels for four calls, a mesh for `RATE`, `CROWD` callers. */
function begin(seed: string, channels: number, rate: number, check: Checker) {
  const params = { attachmentsPerClient: 2, clientsPerChannel: 2 * CROWD, meshCellsPerTick: rate };
  const plans = ['eu', 'na'].map((name) => ({ name, superpeers: channels, params }));
  const network = new Network(seed, plans, (from, to) =>
    from.name.slice(0, 2) === to.name.slice(0, 2) || from.kind === 'client' || to.kind === 'client' ? NEAR : WAN,
  );
  const callers = network.addClients('eu', CROWD);
  const callees = network.addClients('na', CROWD);
  attachAll(network, check);
  network.run(3);
  return { network, callers, callees };
}

/** Datagrams by link in each of so many seconds. */
function rates(network: Network, seconds: number, meanwhile: () => void): Map<string, number[]> {
  const { world } = network;
  const counts = new Map<string, number[]>();
  const start = world.now;
  world.observe = ({ at, from, to, length }) => {
    const second = Math.floor((at - start) / SECOND_US);
    const link = `${from} ${to} ${length}`;
    const series = counts.get(link) ?? new Array<number>(seconds).fill(0);
    counts.set(link, series);
    if (second < seconds) series[second]! += 1;
  };
  network.run(seconds, () => {
    meanwhile();
    return false;
  });
  world.observe = undefined;
  return counts;
}

/** What the crowd is told of its calls. */
function ends(clients: readonly SimClient[]): string[] {
  return clients.flatMap(({ machine }) => {
    const told: string[] = [];
    for (let event = machine.poll(); event; event = machine.poll())
      if (event.kind === 'call-ended') told.push(event.reason);
    return told;
  });
}

export const overload: Scenario = {
  name: 'overload',
  property:
    'When five times as many call at once as there are channels or mesh cells for, those who are in a call hear it as ' +
    'before, no link carries one datagram more or less, no queue overflows, the others are refused without a reason, and ' +
    'when all is over everything is free.',
  set: 'short',
  minutes: 0.25,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const [what, channels, rate] of [
      ['channels', 2, 8],
      ['mesh', 8, RATE],
    ] as const) {
      const { network, callers, callees } = begin(`${seed} ${what}`, channels, rate, check);
      const { world } = network;
      const ears = [new Listener(world), new Listener(world)];
      callers[0]!.machine.voice = ears[0]!.voice;
      callees[0]!.machine.voice = ears[1]!.voice;
      setUp(network, callers[0]!, callees[0]!, check);
      network.run(2);
      const before = world.now;
      const full = network.dropped('queue_full');
      const crowd = callers.slice(1);
      ends(callers);
      for (const [index, { machine, host }] of crowd.entries()) machine.place(host.now, callees[index + 1]!.contact);
      const seconds = Math.round(minutes * 60);
      const series = rates(network, seconds, () => {
        for (const { machine, host } of callees) machine.answer(host.now);
      });
      for (const [link, counts] of series) {
        const [least, most] = [Math.min(...counts), Math.max(...counts)];
        // A tick more or less, as the seconds fall.
        const allowed = Math.round(most / 50);
        check.expect(most - least <= Math.max(1, allowed), `${what}: ${link}: from ${least} to ${most} in a second`);
      }
      const loss = Math.max(...ears.map((ear) => ear.lossBetween(before, world.now)));
      check.expect(loss < LOSS_MAX, `${what}: who was in a call has lost ${loss} of it`);
      const talking = callers.filter(({ machine }) => machine.callState === 'talking').length;
      const reasons = new Set(ends(crowd));
      check.expect(talking < CROWD, `${what}: all ${talking} calls came about`);
      check.expect(talking >= 1, `${what}: not even the call that was there goes on`);
      check.expect(
        [...reasons].every((reason) => reason === 'no-channel'),
        `${what}: they are told ${[...reasons]}`,
      );
      const overflows = network.dropped('queue_full') - full;
      check.expect(overflows === 0, `${what}: ${overflows} cells made room for others`);
      facts[`${what}Talking`] = talking;
      facts[`${what}Loss`] = loss;
      facts[`${what}Overflows`] = overflows;
      for (const { machine } of [...callers, ...callees]) machine.hangUp();
      const left = () =>
        ['eu', 'na'].reduce((sum, zone) => {
          const { held, draining } = network.mix(zone).machine.holdings();
          const { calls, legs } = network.rendezvous(zone).machine.holdings();
          return sum + held + draining + calls + legs;
        }, 0);
      check.expect(
        network.run(60, () => left() === 0),
        `${what}: 60 s later ${left()} things are still held`,
      );
    }
    return { violations: check.violations, facts };
  },
};
