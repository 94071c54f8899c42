import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';

/** One frame: two paths of different length may overtake each other. */
const GAP_MS_MAX = 20;
/** Clients leave within 10 s, after 4 s with an attachment more; the last needs a moment to be elsewhere. */
const LEFT_AFTER_SECONDS = 20;

export const drain: Scenario = {
  name: 'drain',
  property:
    'A mix or superpeer that drains is left by all clients within some 20 seconds; calls over it go on elsewhere and miss ' +
    'no more than a frame.',
  set: 'short',
  minutes: 0.4,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const what of ['mix', 'superpeer']) {
      const pair = new Pair(`${seed} ${what}`, check, { choices: 4 });
      const { network } = pair;
      pair.begin(true);
      const { caller } = pair.channels();
      const id = what === 'mix' ? 'eu-mix-1' : `eu-superpeer-${caller}`;
      const clients = () =>
        what === 'mix' ? network.mix('eu', 1).machine.clients() : network.superpeer('eu', caller).machine.clients();
      check.expect(clients() > 0, `nobody is on ${id}`);
      const since = network.world.now;
      network.announce(id, { draining: true });
      // What was sent last by the old way still has its place until the mix has missed it for a while.
      network.run(LEFT_AFTER_SECONDS);
      const sending = pair.caller.machine.attachments;
      network.kill(id);
      network.run(Math.max(2, minutes * 60 - LEFT_AFTER_SECONDS));
      const gapMs = pair.longestGapMs(since);
      check.expect(gapMs <= GAP_MS_MAX, `${what}: a gap of ${gapMs} ms, though ${id} went when nobody needed it`);
      check.expect(pair.talking, `${what}: they do not talk any more`);
      check.expect(
        sending === 3 && pair.caller.machine.attachments === 3,
        `${what}: an attachment was still over ${id}`,
      );
      facts[`${what}GapMs`] = gapMs;
      pair.end(what);
    }
    return { violations: check.violations, facts };
  },
};
