import type { DropReason } from '../../../nodes/core/drop.ts';
import { MILLISECOND_US } from '../../../nodes/core/units.ts';
import { NEAR, type PathQuality } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

/** Case 11 of network.md 6: what the links do to the order of datagrams, and what that may cost on all seven of them together. */
const DISORDERS: readonly {
  readonly what: string;
  readonly quality: Partial<PathQuality>;
  readonly lossMax: number;
}[] = [
  { what: 'jitter 20 ms', quality: { jitterUs: 20 * MILLISECOND_US }, lossMax: 0.03 },
  { what: 'jitter 60 ms', quality: { jitterUs: 60 * MILLISECOND_US }, lossMax: 0.08 },
  { what: 'one in ten up to 5 ticks late', quality: { reordered: 0.1 }, lossMax: 0.05 },
  { what: 'all up to 5 ticks late', quality: { reordered: 1 }, lossMax: 0.15 },
  { what: 'one in three twice', quality: { duplicated: 0.3 }, lossMax: 0 },
  { what: 'all of it', quality: { jitterUs: 60 * MILLISECOND_US, reordered: 0.3, duplicated: 0.3 }, lossMax: 0.15 },
];

/** What shows that an end has lost count of the other. */
const DESYNC: readonly DropReason[] = ['coding_collision', 'bad_manifest', 'bad_tag'];
/** The one thing that a packet that comes late may cost: its place in a queue (network.md 1.6). */
const GIVEN_UP: readonly DropReason[] = ['queue_full', 'queue_standing'];
const MENDED_S = 3;
const AFTERWARDS_S = 2;

export const disorder: Scenario = {
  name: 'disorder',
  property:
    'Datagrams that come late, out of order or twice on every link cost a call no more than the frames that full queues ' +
    'give up, and never the count of each other: no round is garbled, and once the links are well nothing is lost.',
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const { what, quality, lossMax } of DISORDERS) {
      let path: PathQuality = NEAR;
      const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }], () => path);
      const caller = network.addClient('eu');
      const callee = network.addClient('na');
      attachAll(network, check);
      const hears = [caller, callee].map(({ machine }) => {
        const listener = new Listener(network.world);
        machine.voice = listener.voice;
        return listener;
      });
      setUp(network, caller, callee, check);
      network.run(1);
      path = { ...NEAR, ...quality };
      network.run(minutes * 60);
      path = NEAR;
      network.run(MENDED_S);
      const mendedAt = network.world.now;
      network.run(AFTERWARDS_S);
      const missing = hears.reduce((sum, listener) => sum + listener.lost, 0);
      const heard = hears.reduce((sum, { frames }) => sum + frames.size, 0);
      const troubled = 2 * minutes * 60 * 50;
      const loss = missing / troubled;
      const desync = network.dropped(...DESYNC);
      check.expect(desync === 0, `${what}: ${desync} packets that the receiver made nothing of`);
      check.expect(
        missing <= network.dropped(...GIVEN_UP),
        `${what}: ${missing} of ${heard + missing} frames are missing, more than queues gave up`,
      );
      check.expect(loss <= lossMax, `${what}: ${loss} of the frames are lost`);
      for (const listener of hears) {
        listener.checkNames(check);
        const after = listener.lossBetween(mendedAt, network.world.now);
        // A frame more or less at the ends of the window.
        check.expect(after <= 1 / (AFTERWARDS_S * 50), `${what}: ${after} are lost when the links are well again`);
      }
      facts[`${what}: loss`] = loss;
    }
    return { violations: check.violations, facts };
  },
};
