import { MILLISECOND_US, SECOND_US } from '../../../nodes/core/units.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll } from '../talk.ts';
import { World } from '../world.ts';
import { addClient, makeZones } from '../zones.ts';

/** All that an observer of every link sees of the same network with and without a call in it. */
function watch(seed: string, minutes: number, withCall: boolean, check: Checker) {
  const world = new World(seed, () => ({ delayUs: 45 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0.002 }));
  const zones = makeZones(world, ['eu', 'na']);
  const caller = addClient(world, zones[0]!, 1);
  const callee = addClient(world, zones[1]!, 1);
  const bystander = addClient(world, zones[1]!, 2);
  attachAll(world, [caller, callee, bystander], check);
  world.run(world.now + SECOND_US);
  const start = world.now;
  const seen: string[] = [];
  world.observe = ({ at, from, to, length }) => seen.push(`${at - start} ${from} ${to} ${length}`);
  if (withCall) check.expect(!caller.machine.place(world.now, callee.contact), 'the call was refused');
  let talkedTicks = 0;
  world.run(world.now + minutes * 60 * SECOND_US, () => {
    if (caller.machine.callState === 'talking') talkedTicks += 1;
    return false;
  });
  caller.machine.hangUp();
  world.run(world.now + 4 * SECOND_US);
  return { seen, talkedTicks };
}

export const observer: Scenario = {
  name: 'observer',
  property:
    'Whoever sees every datagram on every link, with its time, ends and length, sees exactly the same whether a call is ' +
    'set up, held and ended or nobody says anything.',
  minutes: 0.3,
  run: (seed, minutes) => {
    const check = new Checker();
    const idle = watch(seed, minutes, false, check);
    const active = watch(seed, minutes, true, check);
    check.expect(active.talkedTicks > 0 && idle.talkedTicks === 0, 'the one run must have a call and the other none');
    const length = Math.max(idle.seen.length, active.seen.length);
    let differences = 0;
    for (let i = 0; i < length; i += 1) if (idle.seen[i] !== active.seen[i]) differences += 1;
    check.expect(differences === 0, `${differences} of ${length} sightings differ`);
    return { violations: check.violations, facts: { sightings: length, differences } };
  },
};
