import { SECOND_US } from '../../../nodes/core/units.ts';
import { WAN } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Case 16 of network.md 6, as far as a simulation goes: the same seed with and without calls is the same to see. */
const ATTACHMENTS = 3;
const CHANNELS = 5;

/** Who calls: the two of the talk, one who is declined, one who is never answered, one who must move and who make him. */
function people(network: Network) {
  const [caller, declined, unanswered] = network.addClients('eu', 3, [1, 2, 3]);
  const callees = [...network.addClients('na', 4, [1, 2, 3, 4]), network.addClient('na', [5])];
  // On the last two channels: whoever of the two that can have but one calls may find him in the way.
  const mover = network.addClient('eu', [4, 5]);
  const onFourth = network.addClient('eu', [4]);
  const onFifth = network.addClient('eu', [5]);
  return { caller: caller!, declined: declined!, unanswered: unanswered!, callees, mover, onFourth, onFifth };
}

/** All that an observer of every link sees of the same network with and without calls in it, and the states they went through. */
function watch(seed: string, minutes: number, withCalls: boolean, check: Checker) {
  const params = { attachmentsPerClient: ATTACHMENTS };
  const plans = ['eu', 'na'].map((name) => ({ name, rendezvous: 2, superpeers: CHANNELS, params }));
  const network = new Network(seed, plans, () => ({ ...WAN, loss: 0.002 }));
  const { world } = network;
  const { caller, declined, unanswered, callees, mover, onFourth, onFifth } = people(network);
  const [friend, decliner, sleeper, partner, other] = callees as [
    SimClient,
    SimClient,
    SimClient,
    SimClient,
    SimClient,
  ];
  attachAll(network, check);
  const isWhole = ({ machine, channels }: SimClient) => machine.attachments === Math.min(ATTACHMENTS, channels!.length);
  check.expect(
    network.run(20, () => network.clients.every(isWhole)),
    `attachments after 20 s: ${network.clients.map(({ machine }) => machine.attachments).join()}`,
  );
  const start = world.now;
  const seen: string[] = [];
  world.observe = ({ at, from, to, length }) => seen.push(`${at - start} ${from} ${to} ${length}`);
  const states = new Set<string>();
  const seconds = minutes * 60;
  const at = (share: number, action: () => void) =>
    world.at(start + Math.round(share * seconds * SECOND_US), () => withCalls && action());
  const place = (from: SimClient, to: SimClient) => {
    const refused = from.machine.place(from.host.now, to.contact);
    check.expect(!refused, `${from.id} was refused: ${refused?.refused}`);
  };
  at(0, () => {
    place(caller, friend);
    place(declined, decliner);
    place(unanswered, sleeper);
    place(mover, partner);
  });
  at(0.4, () => place(onFourth, other));
  at(0.55, () => onFourth.machine.hangUp());
  // Not before the mover has rested from moves of his own. Wherever he has been, he cannot have stayed there through both of these.
  at(0.7, () => place(onFifth, other));
  at(0.75, () => unanswered.machine.hangUp());
  at(0.8, () => caller.machine.hangUp());
  at(0.85, () => place(friend, caller));
  network.run(seconds, () => {
    if (decliner.machine.callState === 'ringing') decliner.machine.hangUp();
    for (const { machine, host } of [friend, partner, other, caller]) machine.answer(host.now);
    for (const [name, { machine }] of Object.entries({
      caller,
      friend,
      declined,
      unanswered,
      sleeper,
      mover,
      onFourth,
      onFifth,
    }))
      states.add(`${name} ${machine.callState}`);
    return false;
  });
  const movedAway = mover.machine.callState === 'talking' && onFifth.machine.callState === 'talking';
  for (const { machine } of network.clients) machine.hangUp();
  network.run(3);
  return { seen, states, movedAway };
}

const EXPECTED = [
  'caller talking',
  'friend talking',
  'caller ending',
  'declined calling',
  'unanswered calling',
  'unanswered ending',
  'sleeper ringing',
  'mover talking',
  'onFourth talking',
  'onFifth talking',
];

export const observer: Scenario = {
  name: 'observer',
  property:
    'Whoever sees every datagram on every link, with its time, ends and length, sees exactly the same whether calls are ' +
    'placed, ring, are declined, answered, held, moved to another channel and ended, or nobody says anything.',
  set: 'short',
  minutes: 0.2,
  run: (seed, minutes) => {
    const check = new Checker();
    const idle = watch(seed, minutes, false, check);
    const active = watch(seed, minutes, true, check);
    const missing = EXPECTED.filter((state) => !active.states.has(state));
    check.expect(missing.length === 0, `the run with calls lacks: ${missing.join()}`);
    check.expect(active.movedAway, 'no call has moved for another');
    const isIdle = [...idle.states].every((state) => state.endsWith(' idle'));
    check.expect(isIdle, `the run without calls has some: ${[...idle.states].join()}`);
    const length = Math.max(idle.seen.length, active.seen.length);
    let differences = 0;
    for (let i = 0; i < length; i += 1) if (idle.seen[i] !== active.seen[i]) differences += 1;
    check.expect(differences === 0, `${differences} of ${length} sightings differ`);
    return { violations: check.violations, facts: { sightings: length, differences } };
  },
};
