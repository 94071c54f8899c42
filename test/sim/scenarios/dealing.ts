import { SECOND_US } from '../../../nodes/core/units.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

/** A few frames. What a client loses when the news reaches it last of all, a call on it makes up for by moving. */
const GAP_MS_MAX = 100;
const CHANNELS = 12;
const CALLS = 2;
const IDLE = 8;
/** News take up to 3 s, clients leave within 10 s more, the last need some seconds for the new session and to be missed. */
const LEFT_AFTER_SECONDS = 26;

export const dealing: Scenario = {
  name: 'dealing',
  property:
    'A third mix takes a third of the channels, one that drains gives up its own alone, and calls go on meanwhile: none ' +
    'misses more than a few frames, and when the mix ends nobody is on it.',
  set: 'short',
  minutes: 0.6,
  run: (seed, minutes) => {
    const check = new Checker();
    const params = { attachmentsPerClient: 3, clientsPerChannel: 8, meshCellsPerTick: 8 };
    const network = new Network(seed, [{ name: 'eu', mixes: 3, rendezvous: 2, superpeers: CHANNELS, params }]);
    network.deal('eu', [1, 2]);
    network.learnWithinUs = 3 * SECOND_US;
    const clients = network.addClients('eu', 2 * CALLS);
    network.addClients('eu', IDLE);
    attachAll(network, check);
    network.run(5);
    const ears = clients.map(({ machine }) => {
      const ear = new Listener(network.world);
      machine.voice = ear.voice;
      return ear;
    });
    for (let call = 0; call < CALLS; call += 1) setUp(network, clients[2 * call]!, clients[2 * call + 1]!, check);
    network.run(2);

    const worst = (seconds: number, change: () => void) => {
      const since = network.world.now;
      change();
      network.run(seconds);
      return Math.max(...ears.map((ear) => ear.longestGapMs(since - SECOND_US)));
    };
    let joined = 0;
    const seconds = Math.max(5, minutes * 60 - LEFT_AFTER_SECONDS);
    const joinGapMs = worst(seconds, () => {
      joined = network.deal('eu', [1, 2, 3]);
    });
    check.expect(joined === CHANNELS / 3, `${joined} of ${CHANNELS} channels went to the third mix`);
    check.expect(joinGapMs <= GAP_MS_MAX, `a gap of ${joinGapMs} ms when a mix came`);

    const leaving = 'eu-mix-1';
    let left = 0;
    const drainGapMs = worst(LEFT_AFTER_SECONDS, () => {
      network.announce(leaving, { draining: true });
      left = network.deal('eu', [1, 2, 3]);
    });
    check.expect(left === CHANNELS / 3, `${left} of ${CHANNELS} channels changed their mix when one drained`);
    check.expect(drainGapMs <= GAP_MS_MAX, `a gap of ${drainGapMs} ms when a mix drained`);
    const stayed = network.mix('eu', 1).machine.clients();
    check.expect(stayed === 0, `${stayed} attachments at the mix that drains`);
    const endGapMs = worst(3, () => {
      network.kill(leaving);
      network.retire(leaving);
      const again = network.deal('eu', [2, 3]);
      check.expect(again === 0, `${again} channels changed their mix when the one that had drained ended`);
    });
    check.expect(endGapMs <= GAP_MS_MAX, `a gap of ${endGapMs} ms when the mix ended`);
    const talking = clients.filter(({ machine }) => machine.callState === 'talking').length;
    check.expect(talking === clients.length, `${talking} of ${clients.length} clients still talk`);
    return { violations: check.violations, facts: { joined, joinGapMs, left, drainGapMs, endGapMs } };
  },
};
