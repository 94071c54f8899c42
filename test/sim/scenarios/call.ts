import { SECOND_US } from '../../../nodes/core/units.ts';
import { WAN } from '../path.ts';
import { Checker, quantile, type Scenario } from '../scenario.ts';
import { attachAll, Listener, recording, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

const HOP_MS = WAN.delayUs / 1000;
/** Client, superpeer, mix, two rendezvous, mix, superpeer, client: seven links. */
const LINKS = 7;

export const call: Scenario = {
  name: 'call',
  property:
    'A call between two zones arrives frame by frame in order; without loss on the links nothing is missing but what ' +
    'queues gave up to be on time; afterwards both sides are free and the callee can call back.',
  set: 'short',
  minutes: 0.5,
  run: (seed, minutes) => {
    const check = new Checker();
    const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }], () => WAN);
    const caller = network.addClient('eu');
    const callee = network.addClient('na');
    attachAll(network, check);
    const listener = new Listener(network.world);
    caller.machine.voice = listener.voice;
    callee.machine.voice = recording();
    const setUpMs = setUp(network, caller, callee, check) ?? Number.NaN;
    const start = network.world.now;
    network.run(minutes * 60);
    listener.checkNames(check);
    const expected = minutes * 60 * 50 * 0.9;
    check.expect(listener.frames.size > expected, `only ${listener.frames.size} frames in ${minutes} minutes`);
    const surplus = listener.missing - network.dropped('queue_standing');
    check.expect(surplus <= 0, `${listener.missing} frames are missing, ${surplus} more than queues gave up`);
    const oneWayMs = quantile(listener.oneWayMs, 0.5);
    const leastMs = LINKS * HOP_MS;
    check.expect(
      oneWayMs > leastMs && oneWayMs < leastMs + 12 * 20,
      `one way takes ${oneWayMs} ms, the links alone ${leastMs}`,
    );
    const roundTripMs = quantile(listener.roundTripMs, 0.5);
    check.expect(
      roundTripMs > 2 * leastMs && roundTripMs < 2 * (leastMs + 12 * 20),
      `the round trip takes ${roundTripMs} ms, the links alone ${2 * leastMs}`,
    );
    const silenceMs = listener.longestSilenceMs(start + SECOND_US, network.world.now);
    caller.machine.hangUp();
    const idle = () => caller.machine.callState === 'idle' && callee.machine.callState === 'idle';
    check.expect(network.run(3, idle), 'not both sides are idle 3 s after a hang-up');
    network.run(2);
    setUp(network, callee, caller, check);
    const { frames, missing } = listener;
    return {
      violations: check.violations,
      facts: { setUpMs, oneWayMs, roundTripMs, silenceMs, frames: frames.size, missing },
    };
  },
};
