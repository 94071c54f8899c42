import { type Endpoint, SECOND_US } from '../../../nodes/core/units.ts';
import { Rendezvous } from '../../../nodes/rendezvous/rendezvous.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import type { SimNode } from '../zones.ts';

/** Who carried the call in the run with one: the same are hit in the run without. */
interface Carriers {
  readonly callersSuperpeer: string;
  readonly calleesSuperpeer: string;
  readonly callersRendezvous: string;
  readonly calleesRendezvous: string;
}
type Event = (pair: Pair, carriers: Carriers) => void;

/** As often as a node that ends looks whether it may. */
const PLACES_EVERY_SECONDS = 0.25;
const ANOTHER_ADDRESS = 100 * 65536;
const SLEEP_US = 30 * SECOND_US;

const EVENTS: Readonly<Record<string, Event>> = {
  'superpeer-death': ({ network }, { callersSuperpeer, calleesSuperpeer }) => {
    network.kill(callersSuperpeer);
    network.kill(calleesSuperpeer);
  },
  'mix-death': ({ network }) => network.kill('eu-mix-1'),
  'mix-restart': ({ network }) => network.restart('eu-mix-1', SECOND_US),
  'mix-pause': ({ network }) => network.world.pause(network.mix('eu', 1).host, 2 * SECOND_US),
  'rendezvous-death': ({ network }, { callersRendezvous }) => network.kill(callersRendezvous),
  'rendezvous-restart': ({ network }, { callersRendezvous }) => network.restart(callersRendezvous),
  'mix-drain': ({ network }) => network.announce('eu-mix-1', { draining: true }),
  'superpeer-drain': ({ network }, { callersSuperpeer }) => network.announce(callersSuperpeer, { draining: true }),
  'rendezvous-drain': ({ network }, { callersRendezvous, calleesRendezvous }) => {
    network.announce(callersRendezvous, { draining: true });
    network.world.after(5 * SECOND_US, () => network.announce(calleesRendezvous, { draining: true }));
    network.world.after(22 * SECOND_US, () => network.announce(callersRendezvous, { draining: false }));
  },
  // Mixes go and come back: channels are left, by clients and calls, and go to others.
  dealing: ({ network }) => {
    network.deal('eu', [1, 2]);
    network.world.after(5 * SECOND_US, () => network.deal('eu', [1, 2, 3]));
    network.world.after(10 * SECOND_US, () => network.deal('eu', [2, 3]));
  },
  partition: ({ network }) => {
    network.world.after(3 * SECOND_US, network.world.partition(network.hostsOf('eu'), network.hostsOf('na')));
  },
  rebinding: ({ network, caller: { host } }) =>
    network.world.rebind(host, (host.endpoint + ANOTHER_ADDRESS) as Endpoint),
  sleep: ({ network, caller }) => network.world.sleep(caller.host, SLEEP_US),
};

/** What a node's metric tells, and its descriptor while it drains. */
function placesOf(machine: SimNode['machine']): number {
  return machine instanceof Rendezvous ? machine.circuits() : machine.clients();
}

/** Every datagram by instant and link; of those that a node sends at once, the order is not kept. */
function watch(seed: string, name: string, seconds: number, check: Checker, known: Carriers | undefined) {
  const pair = new Pair(seed, check, {
    ...(name === 'dealing' ? { choices: 9, mixes: 3 } : { choices: 4 }),
    within: { loss: 0.002 },
  });
  const { network, caller } = pair;
  const seen: string[] = [];
  network.world.observe = ({ at, from, to, length }) => seen.push(`${at} ${from} ${to} ${length}`);
  pair.begin(known === undefined);
  const places = () => [...network.nodes.values()].map(({ id, machine }) => `${id} ${placesOf(machine)}`).join();
  const channels = pair.channels();
  const carriers = known ?? {
    callersSuperpeer: `eu-superpeer-${channels.caller}`,
    calleesSuperpeer: `na-superpeer-${channels.callee}`,
    callersRendezvous: pair.rendezvous('eu')!,
    calleesRendezvous: pair.rendezvous('na')!,
  };
  const talked = pair.talking;
  EVENTS[name]!(pair, carriers);
  for (let second = 0; second < seconds; second += PLACES_EVERY_SECONDS) {
    network.run(PLACES_EVERY_SECONDS);
    seen.push(`${network.world.now} ${places()}`);
  }
  caller.machine.hangUp();
  network.run(3);
  return { seen: seen.sort(), carriers, talked };
}

function scenario(name: string, set: Scenario['set']): Scenario {
  return {
    name: `unseen-${name}`,
    property:
      `Through ${name.replace('-', ' ')}, whoever sees every datagram on every link, with its time, ends and length, and ` +
      'how many places are taken at every node, sees exactly the same whether the two are in a call, which has to find another way, or nobody says anything.',
    set,
    // A dead superpeer's clients come back within 30 s, one sleeps for 30, and half-circuits overlap for 12.
    minutes:
      name === 'sleep' || name === 'superpeer-death' ? 0.7 : ['rendezvous-drain', 'dealing'].includes(name) ? 0.5 : 0.2,
    run: (seed, minutes) => {
      const check = new Checker();
      const busy = watch(seed, name, minutes * 60, check, undefined);
      const idle = watch(seed, name, minutes * 60, check, busy.carriers);
      check.expect(busy.talked && !idle.talked, 'the one run must have a call and the other none');
      const sightings = Math.max(busy.seen.length, idle.seen.length);
      const differences = busy.seen.filter((sighting, index) => sighting !== idle.seen[index]).length;
      check.expect(
        differences === 0 && busy.seen.length === idle.seen.length,
        `${differences} of ${sightings} sightings differ`,
      );
      return { violations: check.violations, facts: { sightings, differences } };
    },
  };
}

const SHORT = new Set(['superpeer-death', 'mix-death', 'superpeer-drain', 'rendezvous-drain']);
export const unseen = Object.keys(EVENTS).map((name) => scenario(name, SHORT.has(name) ? 'short' : 'long'));
