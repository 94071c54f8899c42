import { SECOND_US } from '../../../nodes/core/units.ts';
import { Pair } from '../pair.ts';
import { Checker, quantile, type Scenario } from '../scenario.ts';

const SKEW_US = 300 * SECOND_US;
const DRIFT_PPM = 200;
const STEP_US = SECOND_US;
/** The seven links of the call at most 400 ppm apart: a tick in 50 s on each. */
const LINKS = 7;
const TICK_SECONDS = 0.02;

export const clocks: Scenario = {
  name: 'clocks',
  property:
    'With every clock up to 5 minutes off and 200 ppm too fast or slow, and a step of a second on every machine in the ' +
    'middle of the call, a call loses at most the frames by which the clocks of its links drift apart.',
  set: 'short',
  minutes: 1,
  run: (seed, minutes) => {
    const check = new Checker();
    const pair = new Pair(seed, check);
    const { network } = pair;
    const { world } = network;
    for (const host of world.hosts.values()) {
      world.stepClock(host, Math.round((2 * world.random.next() - 1) * SKEW_US));
      world.setDrift(host, (2 * world.random.next() - 1) * DRIFT_PPM);
    }
    pair.begin(true);
    const since = world.now;
    const halfway = (minutes * 60 * SECOND_US) / 2;
    for (const host of world.hosts.values()) {
      const step = world.random.next() < 0.5 ? STEP_US : -STEP_US;
      world.after(Math.round(halfway * (0.5 + world.random.next())), () => world.stepClock(host, step));
    }
    network.run(minutes * 60);
    const seconds = (world.now - since) / SECOND_US;
    const slips = LINKS * (1 + (2 * DRIFT_PPM * 1e-6 * seconds) / TICK_SECONDS);
    const missing = Math.max(pair.callerHears.missing, pair.calleeHears.missing);
    check.expect(pair.talking, 'they do not talk any more');
    check.expect(missing <= slips, `${missing} frames are missing, ${slips} are as many as the clocks can cost`);
    const roundTripMs = quantile(pair.callerHears.roundTripMs, 0.5);
    check.expect(roundTripMs > 100 && roundTripMs < 700, `the round trip is taken for ${roundTripMs} ms`);
    pair.end('clocks');
    return {
      violations: check.violations,
      facts: { missing, slips, roundTripMs, frames: pair.callerHears.frames.size },
    };
  },
};
