import { MILLISECOND_US, SECOND_US } from '../../../nodes/core/units.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, recording, setUp } from '../talk.ts';
import { World } from '../world.ts';
import { addClient, makeZones } from '../zones.ts';

const LOSS = 0.005;
const LINKS = 7;
const BYSTANDERS = 10;

export const loss: Scenario = {
  name: 'loss',
  property:
    'A call loses what its own seven links lose. The losses of the other clients of the channel do not add to it: the ' +
    'manifest says whose packets are in a round.',
  minutes: 1,
  run: (seed, minutes) => {
    const check = new Checker();
    const world = new World(seed, () => ({ delayUs: 45 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: LOSS }));
    const zones = makeZones(world, ['eu', 'na']);
    const caller = addClient(world, zones[0]!, 1);
    const callee = addClient(world, zones[1]!, 1);
    const bystanders = Array.from({ length: BYSTANDERS }, (_value, index) => addClient(world, zones[1]!, index + 2));
    attachAll(world, [caller, callee, ...bystanders], check);
    const listener = new Listener();
    caller.machine.voice = listener.voice;
    callee.machine.voice = recording();
    setUp(world, caller, callee, check);
    world.run(world.now + minutes * 60 * SECOND_US);
    listener.checkNames(check);
    const predicted = 1 - (1 - LOSS) ** LINKS;
    // Were the bystanders' losses to garble rounds, this would be 5 percentage points more.
    const within = Math.abs(listener.lossRatio - predicted) < 0.015;
    check.expect(within, `${listener.lossRatio} of the frames are lost, ${predicted} predicted`);
    const facts = { lossRatio: listener.lossRatio, predicted, frames: listener.frames.size };
    return { violations: check.violations, facts };
  },
};
