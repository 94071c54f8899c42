import { MILLISECOND_US, SECOND_US } from '../../../nodes/core/units.ts';
import { Checker, quantile, type Scenario } from '../scenario.ts';
import { attachAll, setUp } from '../talk.ts';
import { World } from '../world.ts';
import { addClient, makeZones } from '../zones.ts';

const CLIENTS = 50;
/** The bar of network.md 1.7. */
const SET_UP_MS_P95 = 2000;

export const ringing: Scenario = {
  name: 'ringing',
  property:
    'With 50 clients on each channel, whose signals take turns, 95 % of the calls between zones are answered within two ' +
    'seconds of being placed, and no call leaves a channel taken.',
  minutes: 0.3,
  run: (seed, minutes) => {
    const check = new Checker();
    const world = new World(seed, () => ({ delayUs: 45 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 }));
    const params = { profile: 'A', clientsPerChannel: CLIENTS, meshCellsPerTick: 2 } as const;
    const zones = makeZones(world, ['eu', 'na'], params);
    const [callers, callees] = zones.map((zone) =>
      Array.from({ length: CLIENTS }, (_value, index) => addClient(world, zone, index + 1)),
    );
    attachAll(world, [...callers!, ...callees!], check);
    const setUps: number[] = [];
    const end = world.now + minutes * 60 * SECOND_US;
    while (world.now < end && check.violations.length === 0) {
      const pick = () => Math.floor(world.random.next() * CLIENTS);
      const caller = callers![pick()]!;
      const callee = callees![pick()]!;
      const setUpMs = setUp(world, caller, callee, check);
      if (setUpMs !== undefined) setUps.push(setUpMs);
      caller.machine.hangUp();
      // Until the last of the signals that say "no more" has had its turn.
      world.run(world.now + 1.5 * SECOND_US);
    }
    const p95 = quantile(setUps, 0.95);
    check.expect(p95 < SET_UP_MS_P95, `p95 of the set-up is ${p95} ms`);
    return {
      violations: check.violations,
      facts: { calls: setUps.length, setUpMsP50: quantile(setUps, 0.5), setUpMsP95: p95 },
    };
  },
};
