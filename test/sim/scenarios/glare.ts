import type { ClientEvent } from '../../../nodes/client/client.ts';
import { MILLISECOND_US } from '../../../nodes/core/units.ts';
import { WAN } from '../path.ts';
import { Checker, quantile, type Scenario } from '../scenario.ts';
import { attachAll, Listener } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Case 5 of network.md 6: both want to call each other. */
const APART_MS_MAX = 500;
const UP_WITHIN_S = 5;
/** Long enough for frames to come from the other end, and for a second call to come up if there were one. */
const TALK_S = 1.5;
const ENDED_WITHIN_S = 3;

type CallUp = Extract<ClientEvent, { kind: 'call-up' }>;

function callsUp({ machine }: SimClient): CallUp[] {
  const events: CallUp[] = [];
  for (let event = machine.poll(); event; event = machine.poll()) if (event.kind === 'call-up') events.push(event);
  return events;
}

function run(seed: string, attempts: number) {
  const check = new Checker();
  const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }], () => WAN);
  const { world } = network;
  const both = [network.addClient('eu'), network.addClient('na')];
  attachAll(network, check);
  const setUps: number[] = [];
  let refused = 0;
  for (let attempt = 0; attempt < attempts && check.violations.length === 0; attempt += 1) {
    const apartMs = attempt === 0 ? 0 : world.random.below(APART_MS_MAX);
    const [first, second] = world.random.next() < 0.5 ? both : [...both].reverse();
    const ends = [first!, second!];
    const listeners = ends.map(() => new Listener(world));
    for (const [index, { machine }] of ends.entries()) machine.voice = listeners[index]!.voice;
    for (const end of ends) callsUp(end);
    const start = world.now;
    const place = (caller: SimClient, callee: SimClient) => caller.machine.place(caller.host.now, callee.contact);
    check.expect(!place(first!, second!), `attempt ${attempt}: the first call was refused`);
    // Who is being rung already cannot call, and takes the call.
    world.after(apartMs * MILLISECOND_US, () => {
      if (place(second!, first!)) refused += 1;
    });
    const talking = () => {
      for (const { machine, host } of ends) machine.answer(host.now);
      return ends.every(({ machine }) => machine.callState === 'talking');
    };
    const what = `attempt ${attempt}, ${apartMs} ms apart`;
    check.expect(
      network.run(UP_WITHIN_S, talking),
      `${what}: ${ends.map(({ machine }) => machine.callState).join(' and ')}`,
    );
    setUps.push((world.now - start) / MILLISECOND_US);
    network.run(TALK_S);
    const ups = ends.map(callsUp);
    const strings = new Set(ups.flat().map(({ authenticationString }) => authenticationString));
    check.expect(
      ups.every(({ length }) => length === 1) && strings.size === 1,
      `${what}: not one call but ${ups.map(({ length }) => length).join(' and ')}`,
    );
    check.expect(
      listeners.every(({ frames }) => frames.size > 10),
      `${what}: not both hear the other`,
    );
    for (const listener of listeners) listener.checkNames(check);
    world.random.pick(ends).machine.hangUp();
    const idle = () => ends.every(({ machine }) => machine.callState === 'idle');
    check.expect(network.run(ENDED_WITHIN_S, idle), `${what}: not both idle after the end`);
    // Until the next call a moment, a long one or none.
    network.run(world.random.next() * 2);
  }
  return {
    violations: check.violations,
    facts: { attempts: setUps.length, rungBeforeCalling: refused, upMsP95: quantile(setUps, 0.95) },
  };
}

const PROPERTY =
  'When two call each other, in the same instant or up to half a second apart, exactly one call comes up, in which both ' +
  'hear each other; it ends for both, and they can do so again.';

export const glare: Scenario = {
  name: 'glare',
  property: PROPERTY,
  set: 'short',
  minutes: 1,
  run: (seed, minutes) => run(seed, Math.round(minutes * 20)),
};

export const glareLong: Scenario = { ...glare, name: 'glare-long', set: 'long', minutes: 15 };
