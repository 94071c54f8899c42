import { SECOND_US } from '../../../nodes/core/units.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, setUp } from '../talk.ts';

const RESUME_MS_MAX = 2000;

function scenario(name: string, set: Scenario['set'], minutes: number): Scenario {
  return {
    name,
    property:
      'With no directory, clients join by the consensus that they have kept, calls go on and are set up, and when a mix ' +
      'restarts, of which nobody is told, its clients go to the one that stands by within two seconds.',
    set,
    minutes,
    run: (seed, lasts) => {
      const check = new Checker();
      const pair = new Pair(seed, check);
      const { network, caller, callee } = pair;
      pair.begin(true);
      for (const zone of ['eu', 'na']) network.directoriesDown.add(zone);
      const late = network.addClient('eu', [2, 4, 6]);
      attachAll(network, check, [late]);
      const from = network.world.now;
      network.run(lasts * 60);
      const lost = Math.max(
        ...[pair.callerHears, pair.calleeHears].map((ear) => ear.lossBetween(from, network.world.now)),
      );
      check.expect(lost < 0.005, `${lost} of the frames were lost meanwhile`);
      const since = network.world.now;
      network.restart('eu-mix-1', SECOND_US);
      network.run(5);
      const resumedMs = pair.resumedAfterMs(since);
      check.expect(resumedMs <= RESUME_MS_MAX, `the call goes on ${resumedMs} ms after the restart`);
      pair.end('restart');
      network.run(1);
      const setUpMs = setUp(network, late, callee, check) ?? Number.NaN;
      check.expect(caller.machine.attached, 'the caller is not attached');
      return { violations: check.violations, facts: { lost, resumedMs, setUpMs } };
    },
  };
}

export const directoryDown = scenario('directory-down', 'short', 0.3);
/** Run with --minutes 1440 for the whole day of network.md. */
export const directoryDownLong = scenario('directory-down-long', 'long', 60);
