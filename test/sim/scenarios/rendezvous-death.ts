import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';

const RESUME_MS_MAX = 2000;

interface Fate {
  readonly befall: (pair: Pair, caller: string, callee: string) => void;
  /** Whether there is a way left, so that the call must go on. */
  readonly survives: boolean;
}

/** What may befall the rendezvous of a call: the caller's and the callee's. */
const FATES: Readonly<Record<string, Fate>> = {
  callersKilled: { befall: ({ network }, caller) => network.kill(caller), survives: true },
  calleesKilled: { befall: ({ network }, _caller, callee) => network.kill(callee), survives: true },
  callersRestarted: { befall: ({ network }, caller) => network.restart(caller), survives: true },
  bothEndsKilled: {
    befall: ({ network }, caller, callee) => {
      network.kill(caller);
      network.kill(callee);
    },
    survives: true,
  },
  partedFromEachOther: {
    befall: ({ network }, caller, callee) =>
      network.world.partition([network.nodes.get(caller)!.host], [network.nodes.get(callee)!.host]),
    survives: true,
  },
  allOfAZoneRestarted: {
    befall: ({ network }) => ['na-rendezvous-1', 'na-rendezvous-2'].map((id) => network.restart(id)),
    survives: false,
  },
  allOfAZoneKilled: {
    befall: ({ network }) => ['na-rendezvous-1', 'na-rendezvous-2'].map((id) => network.kill(id)),
    survives: false,
  },
  zonesParted: {
    befall: ({ network }) => network.world.partition(network.hostsOf('eu'), network.hostsOf('na')),
    survives: false,
  },
};

export const rendezvousDeath: Scenario = {
  name: 'rendezvous-death',
  property:
    'While one rendezvous of each zone lives and reaches the other, a call goes on within two seconds. If there is no way ' +
    'left, or there was none for a while, it goes on later or is over at both ends; a minute later nothing of it is left.',
  set: 'short',
  minutes: 0.2,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const [fate, { befall, survives }] of Object.entries(FATES)) {
      const pair = new Pair(`${seed} ${fate}`, check);
      const { network, caller, callee } = pair;
      pair.begin(true);
      const since = network.world.now;
      befall(pair, pair.rendezvous('eu')!, pair.rendezvous('na')!);
      network.run(survives ? 4 : minutes * 60);
      const resumedMs = pair.resumedAfterMs(since);
      const over = caller.machine.callState === 'idle' && callee.machine.callState === 'idle';
      if (survives) check.expect(resumedMs <= RESUME_MS_MAX, `${fate}: the call goes on after ${resumedMs} ms`);
      else check.expect(over || (pair.talking && resumedMs < Infinity), `${fate}: neither a call nor none`);
      if (!over) facts[`${fate}Ms`] = resumedMs;
      pair.end(fate);
    }
    return { violations: check.violations, facts };
  },
};
