import { SECOND_US } from '../../../nodes/core/units.ts';
import { COUNTER_BYTES, MESSAGE_KIND } from '../../../nodes/wire/constants.ts';
import { GAP_MS_MAX, Verdicts } from '../betrayal.ts';
import { Liar, type Lies } from '../liar.ts';
import { Pair } from '../pair.ts';
import type { SeededRandom } from '../random.ts';
import { Checker, type Scenario } from '../scenario.ts';

/** network.md 6, case 5. */
const IDENTIFIED_S = 10;

interface Jam {
  readonly what: string;
  readonly lies: (random: SeededRandom) => Lies;
  /** Clients that do it. */
  readonly clients: number;
  /** Whether it is certain who does it: else client and superpeer are parted. */
  readonly certain: boolean;
}

/** Not the same of all: two would cancel each other out. */
const noise = (random: SeededRandom) => (words: Uint32Array, at: number) => {
  words[at]! ^= 1 + random.below(2 ** 31);
};

const JAMS: readonly Jam[] = [
  { what: 'one that jams', lies: (random) => ({ codes: noise(random) }), clients: 1, certain: true },
  {
    what: 'two that jam under wrong Ts, to have it blamed on their superpeer',
    lies: (random) => ({
      codes: noise(random),
      says: (message) => {
        if (message[0] === MESSAGE_KIND.up) message[2 * COUNTER_BYTES]! ^= 1;
        return true;
      },
    }),
    clients: 2,
    certain: false,
  },
];

function jam(seed: string, { what, lies, clients, certain }: Jam, calling: boolean, check: Checker) {
  const pair = new Pair(seed, check, { bystanders: 8 });
  pair.begin(calling);
  const { network } = pair;
  const { world } = network;
  const channel = calling ? pair.channels().caller : 1;
  const jammers = network.addClients('eu', clients, [channel]);
  // k = 3, but they know of one channel.
  check.expect(network.attach(jammers, 30), `${what}: they find no place`);
  network.run(2);
  const verdicts = new Verdicts(network);
  const began = world.now;
  for (const { id, host, machine } of jammers) host.machine = new Liar(machine, lies(world.randomFor(`${id} lies`)));
  const found = () => (certain ? verdicts.counts.jams : verdicts.counts.doubtful);
  check.expect(
    verdicts.run(IDENTIFIED_S, () => found() >= clients),
    `${what}: not found in ${IDENTIFIED_S} s`,
  );
  const afterS = (world.now - began) / SECOND_US;
  verdicts.run(5);
  const { jams, doubtful } = verdicts.counts;
  const [blamed, spared] = certain ? [jams, doubtful] : [doubtful, jams];
  check.expect(blamed >= clients && spared === 0, `${what}: ${jams} are said to jam, ${doubtful} are doubted`);
  check.expect(verdicts.expelled.size === 0, `${what}: ${[...verdicts.expelled.keys()].join()} is expelled`);
  const honest = network.clients.filter((client) => !jammers.includes(client));
  const whole = honest.every(({ machine }) => machine.attachments === 3);
  check.expect(whole, `${what}: honest clients have lost attachments`);
  check.expect(!calling || pair.talking, `${what}: the call is over`);
  for (const listener of [pair.callerHears, pair.calleeHears]) listener.checkNames(check);
  const since = began - SECOND_US;
  const gapMs = Math.max(pair.callerHears.longestGapMs(since), pair.calleeHears.longestGapMs(since));
  check.expect(!calling || gapMs <= GAP_MS_MAX, `${what}: ${gapMs} ms of the call are missing in a row`);
  return { afterS, gapMs };
}

export const jamming: Scenario = {
  name: 'jamming',
  property:
    'Clients that send into a channel without being allowed to are found and sent away within ten seconds. Calls of others ' +
    'go on after a short gap; no honest client loses an attachment, and their superpeer stays.',
  set: 'short',
  minutes: 0.2,
  run: (seed) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const one of JAMS) {
      for (const calling of [true, false]) {
        const what = `${one.what}, ${calling ? 'calling' : 'idle'}`;
        const { afterS, gapMs } = jam(seed, one, calling, check);
        facts[`${what}: found after s`] = afterS;
        if (calling) facts[`${what}: gap ms`] = gapMs;
      }
    }
    return { violations: check.violations, facts };
  },
};
