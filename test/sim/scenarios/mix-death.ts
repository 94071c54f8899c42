import { type Endpoint, SECOND_US } from '../../../nodes/core/units.ts';
import { watchNonces } from '../nonces.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';

const RESUME_MS_MAX = 2000;
const ELSEWHERE = 100 * 65536;

/** What may befall an entry mix. */
const FATES: Readonly<Record<string, (pair: Pair, id: string) => void>> = {
  killed: ({ network }, id) => network.kill(id),
  stoppedForTwoSeconds: ({ network }, id) => network.world.pause(network.nodes.get(id)!.host, 2 * SECOND_US),
  restartedAtOnce: ({ network }, id) => network.restart(id),
  restartedInThreeSeconds: ({ network }, id) => network.restart(id, 3 * SECOND_US),
  rescheduledElsewhere: ({ network }, id) => {
    const { host, described } = network.nodes.get(id)!;
    network.world.rebind(host, (host.endpoint + ELSEWHERE) as Endpoint);
    network.restart(id, SECOND_US);
    network.world.after(SECOND_US, () => network.announce(id, { ...described, endpoint: host.endpoint, boot: 2 }));
  },
};

export const mixDeath: Scenario = {
  name: 'mix-death',
  property:
    'When the entry mix of either end is killed, stopped for two seconds, restarted or rescheduled, the call goes on ' +
    'within two seconds; when it has ended no channel is left taken; nobody ever uses a key with the same nonce twice.',
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const [index, [fate, befall]] of Object.entries(FATES).entries()) {
      const { uses, reused } = watchNonces(() => {
        const pair = new Pair(`${seed} ${fate}`, check);
        pair.begin(true);
        const since = pair.network.world.now;
        befall(pair, (index + seed.length) % 2 === 0 ? 'eu-mix-1' : 'na-mix-2');
        pair.network.run(minutes * 60);
        const resumedMs = pair.resumedAfterMs(since);
        check.expect(resumedMs <= RESUME_MS_MAX, `${fate}: the call goes on after ${resumedMs} ms`);
        check.expect(pair.talking, `${fate}: they do not talk any more`);
        facts[`${fate}Ms`] = resumedMs;
        pair.end(fate);
      });
      check.expect(uses > 0 && reused === 0, `${fate}: ${reused} of ${uses} nonces were used before`);
    }
    return { violations: check.violations, facts };
  },
};
