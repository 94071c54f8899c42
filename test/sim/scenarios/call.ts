import { MILLISECOND_US, SECOND_US } from '../../../nodes/core/units.ts';
import { Checker, quantile, type Scenario } from '../scenario.ts';
import { attachAll, givenUp, Listener, recording, setUp } from '../talk.ts';
import { World } from '../world.ts';
import { addClient, makeZones } from '../zones.ts';

const HOP_MS = 45;
/** Client, superpeer, mix, two rendezvous, mix, superpeer, client: seven links. */
const LINKS = 7;

export const call: Scenario = {
  name: 'call',
  property:
    'A call between two zones arrives frame by frame in order; without loss on the links nothing is missing but what ' +
    'queues gave up to be on time; afterwards both sides are free and the callee can call back.',
  minutes: 0.5,
  run: (seed, minutes) => {
    const check = new Checker();
    const world = new World(seed, () => ({ delayUs: HOP_MS * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 }));
    const zones = makeZones(world, ['eu', 'na']);
    const caller = addClient(world, zones[0]!, 1);
    const callee = addClient(world, zones[1]!, 1);
    attachAll(world, [caller, callee], check);
    const listener = new Listener();
    caller.machine.voice = listener.voice;
    callee.machine.voice = recording();
    const setUpMs = setUp(world, caller, callee, check) ?? Number.NaN;
    world.run(world.now + minutes * 60 * SECOND_US);
    listener.checkNames(check);
    const expected = minutes * 60 * 50 * 0.9;
    check.expect(listener.frames.size > expected, `only ${listener.frames.size} frames in ${minutes} minutes`);
    const surplus = listener.missing - givenUp(zones);
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
    caller.machine.hangUp();
    const idle = () => caller.machine.callState === 'idle' && callee.machine.callState === 'idle';
    check.expect(world.run(world.now + 3 * SECOND_US, idle), 'not both sides are idle 3 s after a hang-up');
    world.run(world.now + 2 * SECOND_US);
    setUp(world, callee, caller, check);
    const facts = { setUpMs, oneWayMs, roundTripMs, frames: listener.frames.size, missing: listener.missing };
    return { violations: check.violations, facts };
  },
};
