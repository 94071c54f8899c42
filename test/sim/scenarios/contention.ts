import type { CallEnd } from '../../../nodes/client/signalling.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Case 5 of network.md 6: two want the same channel in the same round. */
const DECIDED_S = 3;

function endOf({ machine }: SimClient): CallEnd | undefined {
  let end: CallEnd | undefined;
  for (let event = machine.poll(); event; event = machine.poll()) if (event.kind === 'call-ended') end = event.reason;
  return end;
}

/** Two clients call in the same tick, again and again: how often each came through. */
function race(seed: string, check: Checker, channels: number, attempts: number): number[] {
  const eu = { name: 'eu', superpeers: channels, params: { clientsPerChannel: 2, attachmentsPerClient: channels } };
  const network = new Network(seed, [eu, { name: 'na', superpeers: 2, params: { clientsPerChannel: 1 } }], () => NEAR);
  const callers = network.addClients('eu', 2);
  const callees = network.addClients('na', 2);
  attachAll(network, check);
  network.run(channels);
  const wins = [0, 0];
  for (let attempt = 0; attempt < attempts && check.violations.length === 0; attempt += 1) {
    for (const caller of callers) endOf(caller);
    for (const [index, { machine, host }] of callers.entries())
      check.expect(!machine.place(host.now, callees[index]!.contact), 'a call was refused');
    const states = () => callers.map(({ machine }) => machine.callState);
    network.run(DECIDED_S, () => {
      for (const { machine, host } of callees) machine.answer(host.now);
      return states().every((state) => state === 'talking' || state === 'idle');
    });
    const talking = states().map((state) => state === 'talking');
    const { held } = network.mix('eu').machine.holdings();
    const count = talking.filter(Boolean).length;
    check.expect(
      count === channels && held === channels,
      `attempt ${attempt}: ${count} of ${channels} calls, ${held} channels held`,
    );
    for (const [index, caller] of callers.entries()) {
      if (talking[index]) wins[index]! += 1;
      else {
        const end = endOf(caller);
        check.expect(end === 'no-channel', `attempt ${attempt}: the other one hears ${end}`);
      }
      caller.machine.hangUp();
    }
    const free = () => {
      const holdings = network.mix('eu').machine.holdings();
      return (
        holdings.held + holdings.draining === 0 &&
        [...callers, ...callees].every(({ machine }) => machine.callState === 'idle')
      );
    };
    check.expect(network.run(3, free), `attempt ${attempt}: the channel is not free 3 s after the end`);
    network.run(0.5);
  }
  return wins;
}

export const contention: Scenario = {
  name: 'contention',
  property:
    'Of two clients that ask in the same round for the one channel that is free, one gets it and the other is refused at ' +
    'once; with two channels each gets one. Nobody holds two.',
  set: 'short',
  minutes: 1,
  run: (seed, minutes) => {
    const check = new Checker();
    const attempts = Math.round(minutes * 10);
    const [first, second] = race(seed, check, 1, attempts);
    race(seed, check, 2, attempts);
    return { violations: check.violations, facts: { attempts, first: first!, second: second! } };
  },
};
