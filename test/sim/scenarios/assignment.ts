import { MILLISECOND_US, type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { Allocation, type Party } from '../../../nodes/mix/allocation.ts';
import { ASSIGNMENT_MODES, type AssignmentMode } from '../../../nodes/wire/constants.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** The assignment modes of network.md 1.8, on the machines: what a blocked call may ask of a live one. */
const MOVE_PAUSE_US = 2 * SECOND_US;
const ANSWERED_S = 1.5;

/**
 * Two channels in zone `eu`. One client can speak on both, each of the two others on one of them: whoever of these calls
 * while the first one's call is on his channel is blocked, unless that call moves.
 */
function crossroads(seed: string, assignment: AssignmentMode, check: Checker) {
  const params = { clientsPerChannel: 10, attachmentsPerClient: 2, assignment };
  const network = new Network(
    seed,
    [
      { name: 'eu', superpeers: 2, params },
      { name: 'na', superpeers: 3 },
    ],
    () => NEAR,
  );
  const mover = network.addClient('eu', [1, 2]);
  const onFirst = network.addClient('eu', [1]);
  const onSecond = network.addClient('eu', [2]);
  const callees = [1, 2, 3].map((channel) => network.addClient('na', [channel]));
  attachAll(network, check);
  network.run(1);
  return { network, mover, onFirst, onSecond, callees };
}

/** Every completed move of a call, by whose it was. */
function watchMoves(): { readonly moves: Map<Party, Micros[]>; readonly stop: () => void } {
  const moves = new Map<Party, Micros[]>();
  const { spoke } = Allocation.prototype;
  Allocation.prototype.spoke = function (now, party, line) {
    if (party.hold.kind === 'holding' && party.hold.moving?.to === line)
      moves.set(party, [...(moves.get(party) ?? []), now]);
    spoke.call(this, now, party, line);
  };
  const stop = () => {
    Allocation.prototype.spoke = spoke;
  };
  return { moves, stop };
}

function run(mode: AssignmentMode, seed: string, minutes: number, check: Checker) {
  const { network, mover, onFirst, onSecond, callees } = crossroads(seed, mode, check);
  const [partner, ...others] = callees as [SimClient, SimClient, SimClient];
  const hears = [new Listener(network.world), new Listener(network.world)] as const;
  mover.machine.voice = hears[0].voice;
  partner.machine.voice = hears[1].voice;
  // With the second channel taken the mover can only have the first.
  setUp(network, onSecond, others[1], check);
  setUp(network, mover, partner, check);
  onSecond.machine.hangUp();
  network.run(1.5);
  let through = 0;
  let blocked = 0;
  const end = network.world.now + minutes * 60 * SECOND_US;
  while (network.world.now < end) {
    // The mover is on the first channel, so who can only have that one calls; then, if it has moved, the other one.
    const caller = through % 2 === 0 ? onFirst : onSecond;
    const callee = through % 2 === 0 ? others[0] : others[1];
    check.expect(!caller.machine.place(caller.host.now, callee.contact), 'a call was refused');
    network.run(ANSWERED_S, () => {
      callee.machine.answer(callee.host.now);
      return caller.machine.callState === 'talking' || caller.machine.callState === 'idle';
    });
    if (caller.machine.callState === 'talking') through += 1;
    else blocked += 1;
    caller.machine.hangUp();
    network.run(3, () => [caller, callee].every(({ machine }) => machine.callState === 'idle'));
    network.run(0.4);
  }
  check.expect(
    mover.machine.callState === 'talking',
    `${mode}: the call that was in the way is ${mover.machine.callState}`,
  );
  for (const listener of hears) {
    listener.checkNames(check);
    const surplus = listener.lost - network.dropped('queue_standing');
    check.expect(surplus <= 0, `${mode}: ${surplus} frames are missing in the call that was in the way`);
    check.expect(listener.frames.size > minutes * 60 * 45, `${mode}: the call that was in the way is silent`);
  }
  return { through, blocked };
}

export const assignment: Scenario = {
  name: 'assignment',
  property:
    'With "augment" a call that finds its channel taken comes through, because the live call in its way moves to another ' +
    'channel, at most once in two seconds and without losing a frame; with "ranking", "random" and "paper" it is blocked and ' +
    'nothing moves.',
  set: 'short',
  minutes: 0.25,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const mode of ASSIGNMENT_MODES) {
      const { moves, stop } = watchMoves();
      try {
        const { through, blocked } = run(mode, seed, minutes, check);
        const instants = [...moves.values()];
        const count = instants.flat().length;
        if (mode === 'augment') {
          check.expect(through >= 3 && count >= through - 1, `augment: ${through} calls came through, ${count} moves`);
          for (const times of instants) {
            const pauses = times.slice(1).map((time, index) => time - times[index]!);
            const shortest = Math.min(...pauses) / MILLISECOND_US;
            check.expect(
              pauses.every((pause) => pause >= MOVE_PAUSE_US),
              `a call moved again after ${shortest} ms`,
            );
            facts['augment: shortest pause ms'] = shortest;
          }
        } else
          check.expect(through === 0 && blocked > 0 && count === 0, `${mode}: ${through} came through, ${count} moves`);
        facts[`${mode}: through`] = through;
        facts[`${mode}: blocked`] = blocked;
        facts[`${mode}: moves`] = count;
      } finally {
        stop();
      }
    }
    return { violations: check.violations, facts };
  },
};
