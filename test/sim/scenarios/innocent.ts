import { SECOND_US } from '../../../nodes/core/units.ts';
import { busiest, Verdicts } from '../betrayal.ts';
import type { Host } from '../host.ts';
import { Pair } from '../pair.ts';
import type { PathQuality } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';

const BYSTANDERS = 4;
/** The superpeer of channel 1, and what befalls it. */
const SUPERPEER = 'eu-superpeer-1';
const MIX = 'eu-mix-1';

const BEFALLS: Readonly<Record<string, (pair: Pair) => void>> = {
  'stands still for 0.4 s': ({ network: { world, nodes } }) => world.pause(nodes.get(SUPERPEER)!.host, 0.4 * SECOND_US),
  'stands still for 2 s': ({ network: { world, nodes } }) => world.pause(nodes.get(SUPERPEER)!.host, 2 * SECOND_US),
  'is asleep for 8 s': ({ network: { world, nodes } }) => world.sleep(nodes.get(SUPERPEER)!.host, 8 * SECOND_US),
  restarts: ({ network }) => network.restart(SUPERPEER, SECOND_US / 2),
  'has a mix that restarts': ({ network }) => network.restart(MIX, SECOND_US / 2),
  'is cut off from its mix for 1.6 s': ({ network }) => cut(network, [MIX], 1.6),
  'is cut off from its mix for 6 s': ({ network }) => cut(network, [MIX], 6),
  'is cut off from its clients for 6 s': ({ network }) =>
    cut(
      network,
      network.clients.map(({ id }) => id),
      6,
    ),
};

function cut({ world, nodes, clients }: Pair['network'], ids: readonly string[], seconds: number): void {
  const others = [...nodes.values(), ...clients].filter(({ id }) => ids.includes(id)).map(({ host }) => host);
  const heal = world.partition([nodes.get(SUPERPEER)!.host], others);
  world.after(seconds * SECOND_US, heal);
}

const PROPERTY =
  'No superpeer is expelled and no client is said to jam, nor doubted, for what is nobody’s fault: a superpeer or mix ' +
  'that stands still, restarts or is cut off';

function run(seed: string, befalls: readonly string[], qualities: readonly Partial<PathQuality>[]) {
  const check = new Checker();
  let audits = 0;
  for (const within of qualities) {
    for (const what of befalls) {
      const pair = new Pair(seed, check, { bystanders: BYSTANDERS, choices: 4, within });
      const verdicts = new Verdicts(pair.network);
      pair.begin(true);
      BEFALLS[what]!(pair);
      verdicts.run(15);
      const { started, jams, doubtful } = verdicts.counts;
      audits += started;
      for (const [id, { reason }] of verdicts.expelled)
        check.expect(false, `it ${what}: ${id} is expelled for ${reason}`);
      check.expect(jams + doubtful === 0, `it ${what}: ${jams} clients are said to jam, ${doubtful} are doubted`);
    }
  }
  return { violations: check.violations, facts: { audits } };
}

export const innocent: Scenario = {
  name: 'innocent',
  property: `${PROPERTY}.`,
  set: 'short',
  minutes: 0.2,
  run: (seed) => run(seed, ['restarts', 'is cut off from its mix for 1.6 s'], [{}]),
};

export const innocentAll: Scenario = {
  name: 'innocent-all',
  property: `${PROPERTY}; also while every link in its zone loses three datagrams in a hundred and reorders two.`,
  set: 'long',
  minutes: 0.2,
  run: (seed) => run(seed, Object.keys(BEFALLS), [{}, { loss: 0.03, reordered: 0.02 }]),
};

/** The worst of network.md 6, case 10, each way. */
const BAD_LINES: Readonly<Record<string, Partial<PathQuality>>> = {
  'at random': { loss: 0.2 },
  'in bursts': { bursts: { loss: 0.2, lengthDatagrams: 5 } },
};
/** As long as it takes to find one out that drops three in ten. */
const LINES_S = 16 * 60;

/** The superpeer's line to its mix, or all of its lines, lose a fifth each way. */
function badLine(seed: string, quality: Partial<PathQuality>, isAll: boolean) {
  const pair = new Pair(seed, new Checker(), { bystanders: 10, choices: 4 });
  pair.begin(false);
  const superpeer = busiest(pair.network);
  const mixes = [1, 2].map((number) => pair.network.mix('eu', number).host);
  const isBad = (one: Host, other: Host) => one === superpeer.host && (isAll || mixes.includes(other));
  pair.trouble = (from, to) => (isBad(from, to) || isBad(to, from) ? quality : undefined);
  const verdicts = new Verdicts(pair.network);
  verdicts.run(LINES_S, () => verdicts.expelled.size > 0);
  return verdicts;
}

export const innocentLines: Scenario = {
  name: 'innocent-lines',
  property:
    'A superpeer whose line to its mix loses a fifth each way, at random or in bursts, is not expelled. One that loses as ' +
    'much to its clients too, so more than a third of what they send, is at most found unserviceable: nobody says that it ' +
    'drops or lies, nor that a client does.',
  set: 'long',
  minutes: 16,
  run: (seed) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const [how, quality] of Object.entries(BAD_LINES)) {
      for (const isAll of [false, true]) {
        const what = `${isAll ? 'all its lines' : 'its line to the mix'}, ${how}`;
        const { expelled, counts } = badLine(`${seed} ${what}`, quality, isAll);
        const allowed = isAll ? ['unserviceable'] : [];
        for (const [id, { reason }] of expelled)
          check.expect(allowed.includes(reason), `${what}: ${id} is expelled for ${reason}`);
        check.expect(counts.jams + counts.doubtful === 0, `${what}: ${JSON.stringify(counts)}`);
        facts[`${what}: unserviceable`] = expelled.size;
      }
    }
    return { violations: check.violations, facts };
  },
};
