import { MILLISECOND_US } from '../../../nodes/core/units.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

/** Longer than the half second after which clients are told that their mix is silent, shorter than anything is worth leaving for. */
const SILENCES_MS = [300, 600, 700];
const BACK_WITHIN_MS = 200;

export const hiccup: Scenario = {
  name: 'hiccup',
  property:
    'When a superpeer and its mix do not hear each other for 0.3 to 0.7 s and there is no other way, the call is back 0.2 s ' +
    'after they do: nobody leaves for a new session with the same mix, whose channel the old one would keep.',
  set: 'short',
  minutes: 0.2,
  run: (seed) => {
    const check = new Checker();
    const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }], () => NEAR);
    const { world } = network;
    const caller = network.addClient('eu');
    const callee = network.addClient('na');
    attachAll(network, check);
    const hears = [caller, callee].map(({ machine }) => {
      const listener = new Listener(world);
      machine.voice = listener.voice;
      return listener;
    });
    setUp(network, caller, callee, check);
    const facts: Record<string, number> = {};
    for (const silenceMs of SILENCES_MS) {
      network.run(2);
      const heal = world.partition([network.superpeer('eu').host], [network.mix('eu').host]);
      network.run(silenceMs / 1000);
      heal();
      const healedAt = world.now;
      network.run(8);
      const backMs = Math.max(
        ...hears.map((listener) => listener.resumedAfterMs(healedAt) ?? Number.POSITIVE_INFINITY),
      );
      check.expect(backMs < BACK_WITHIN_MS, `after ${silenceMs} ms of silence the call is back ${backMs} ms later`);
      const from = healedAt + BACK_WITHIN_MS * MILLISECOND_US;
      const gapMs = Math.max(...hears.map((listener) => listener.longestSilenceMs(from, world.now)));
      check.expect(gapMs < BACK_WITHIN_MS, `long after ${silenceMs} ms of silence the call has a gap of ${gapMs} ms`);
      facts[`back after ${silenceMs} ms`] = backMs;
    }
    return { violations: check.violations, facts };
  },
};
