import type { Endpoint } from '../../../nodes/core/units.ts';
import { MESSAGE_KIND, ROUND_HEADER_BYTES } from '../../../nodes/wire/constants.ts';
import { betray, type Deed, GAP_MS_MAX } from '../betrayal.ts';
import type { Lies } from '../liar.ts';
import { Checker, type Scenario } from '../scenario.ts';

/** So many messages of the kind ago; odd, so that it is one that was sent. */
const AGO = 11;
const MANIFEST_BYTES = 8;

/** Every other message of a kind is, from `from` to `to`, what the one to the same receiver AGO before it was. */
function replays(kind: number, from: number, to?: number): Lies {
  const said = new Map<Endpoint, { readonly kept: Buffer[]; count: number }>();
  return {
    says: (message, receiver) => {
      if (message[0] !== kind) return true;
      const before = said.get(receiver) ?? { kept: [], count: 0 };
      said.set(receiver, before);
      const { kept } = before;
      kept.push(Buffer.from(message));
      before.count += 1;
      const old = kept.length > AGO ? kept.shift() : undefined;
      if (old && before.count % 2 === 0) old.copy(message, from, from, to);
      return true;
    },
  };
}

const DEEDS: readonly Deed[] = [
  { what: 'rounds', lies: () => replays(MESSAGE_KIND.round, 0), seconds: 10 },
  { what: 'rounds under new numbers', lies: () => replays(MESSAGE_KIND.round, ROUND_HEADER_BYTES), seconds: 10 },
  {
    what: 'manifests',
    lies: () => replays(MESSAGE_KIND.round, ROUND_HEADER_BYTES, ROUND_HEADER_BYTES + MANIFEST_BYTES),
    seconds: 10,
  },
  { what: 'frames down', lies: () => replays(MESSAGE_KIND.down, 0), seconds: 4 },
];

export const replaying: Scenario = {
  name: 'replaying',
  property:
    'Rounds, manifests and frames that a superpeer sends again are accepted by nobody: no frame is heard twice or out of ' +
    'place and the call goes on; who replays rounds or manifests is expelled within four seconds.',
  set: 'short',
  minutes: 0.2,
  run: (seed) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const deed of DEEDS) {
      for (const calling of [true, false]) {
        const what = `${deed.what}, ${calling ? 'calling' : 'idle'}`;
        const { pair, expelledAfterS, gapMs } = betray(seed, check, deed, calling, { bystanders: 4 });
        if (deed.what !== 'frames down') {
          check.expect(expelledAfterS <= 4, `${what}: the superpeer is expelled after ${expelledAfterS} s`);
          facts[`${what}: expelled after s`] = expelledAfterS;
          const refused = pair.network.dropped('bad_manifest', 'coding_collision');
          check.expect(refused > 0, `${what}: no round was refused`);
        }
        if (!calling) continue;
        check.expect(gapMs <= GAP_MS_MAX, `${what}: ${gapMs} ms of the call are missing in a row`);
        facts[`${what}: gap ms`] = gapMs;
      }
    }
    return { violations: check.violations, facts };
  },
};
