import { WAN } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, recording, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

const LOSS = 0.005;
const LINKS = 7;
const BYSTANDERS = 10;

export const loss: Scenario = {
  name: 'loss',
  property:
    'A call loses what its own seven links lose. The losses of the other clients of the channel do not add to it: the ' +
    'manifest says whose packets are in a round.',
  set: 'short',
  minutes: 1,
  run: (seed, minutes) => {
    const check = new Checker();
    const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }], () => ({ ...WAN, loss: LOSS }));
    const caller = network.addClient('eu');
    const callee = network.addClient('na');
    network.addClients('na', BYSTANDERS);
    attachAll(network, check);
    const listener = new Listener(network.world);
    caller.machine.voice = listener.voice;
    callee.machine.voice = recording();
    setUp(network, caller, callee, check);
    network.run(minutes * 60);
    listener.checkNames(check);
    const predicted = 1 - (1 - LOSS) ** LINKS;
    // Were the bystanders' losses to garble rounds, this would be 5 percentage points more.
    const within = Math.abs(listener.lossRatio - predicted) < 0.015;
    check.expect(within, `${listener.lossRatio} of the frames are lost, ${predicted} predicted`);
    const facts = { lossRatio: listener.lossRatio, predicted, frames: listener.frames.size };
    return { violations: check.violations, facts };
  },
};
