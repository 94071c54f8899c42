import { NEAR, type Path } from '../path.ts';
import { SeededRandom } from '../random.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, recording, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

/** Fact 4 of network.md: without a manifest 1 % of loss at 49 others of a channel would garble 39 % of its rounds. */
const CLIENTS = 50;
const LOSS = 0.01;

/** Per second, the share of a caller's frames that the callee does not hear, when the caller's channel is full of others. */
function lossBySecond(seed: string, seconds: number, lossOfOthers: number, check: Checker): number[] {
  // What the caller's own link loses is the same in every run of a seed.
  const ownLosses = new SeededRandom(`${seed} / own losses`);
  let path: Path = () => NEAR;
  const params = { clientsPerChannel: CLIENTS };
  const network = new Network(seed, [{ name: 'eu', params }, { name: 'na' }], (from, to) => path(from, to));
  const caller = network.addClient('eu');
  const others = new Set(network.addClients('eu', CLIENTS - 1).map(({ host }) => host));
  const callee = network.addClient('na');
  attachAll(network, check);
  const listener = new Listener(network.world);
  callee.machine.voice = listener.voice;
  caller.machine.voice = recording();
  setUp(network, caller, callee, check);
  network.run(1);
  path = (from, to) => {
    if (from === caller.host) return { ...NEAR, loss: ownLosses.next() < LOSS ? 1 : 0 };
    return others.has(from) || others.has(to) ? { ...NEAR, loss: lossOfOthers } : NEAR;
  };
  const start = network.world.now;
  network.run(seconds);
  listener.checkNames(check);
  return Array.from({ length: seconds }, (_, second) =>
    listener.lossBetween(start + second * 1e6, start + (second + 1) * 1e6),
  );
}

/** Mean, and half the width of its 95 % interval; the values are about independent and many. */
function interval(values: readonly number[]): { mean: number; half: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, half: 1.96 * Math.sqrt(variance / values.length) };
}

export const crowd: Scenario = {
  name: 'crowd',
  property:
    'In a channel of 50 clients the loss of the 49 others, 1 % or 20 % of what they send and get, adds nothing to that of a ' +
    'call: the 95 % interval of the difference lies within half a percentage point.',
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const seconds = Math.round(minutes * 60);
    const alone = lossBySecond(seed, seconds, 0, check);
    const facts: Record<string, number> = { 'own loss': interval(alone).mean };
    for (const lossOfOthers of [0.01, 0.2]) {
      const among = lossBySecond(seed, seconds, lossOfOthers, check);
      const { mean, half } = interval(among.map((loss, second) => loss - alone[second]!));
      const name = `others lose ${lossOfOthers * 100} %`;
      facts[`${name}: difference`] = mean;
      facts[`${name}: half of its interval`] = half;
      check.expect(Math.abs(mean) + half < 0.005, `${name}: mine differs by ${mean} ± ${half}`);
    }
    return { violations: check.violations, facts };
  },
};

export const crowdLong: Scenario = { ...crowd, name: 'crowd-long', set: 'long', minutes: 3 };
