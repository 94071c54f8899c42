import { SECOND_US } from '../../../nodes/core/units.ts';
import { MESSAGE_KIND } from '../../../nodes/wire/constants.ts';
import { betray, busiest, type Deed, GAP_MS_MAX, Verdicts } from '../betrayal.ts';
import { Liar } from '../liar.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';

interface Dropping extends Deed {
  /** Seconds within which it must be expelled; none if it may not be: then the call must be well after these. */
  readonly expelledS?: number;
  readonly wellAfterS: number;
}

/** Each packet of its clients, or each frame that goes down to them, with this chance. */
const dropsUp =
  (share: number): Deed['lies'] =>
  (random) => ({ hears: ([kind]) => kind !== MESSAGE_KIND.up || random.next() >= share });
const dropsDown =
  (share: number): Deed['lies'] =>
  (random) => ({ says: ([kind]) => kind !== MESSAGE_KIND.down || random.next() >= share });

const WELL_LOSS = 0.02;

const ALL: readonly Dropping[] = [
  { what: 'all rounds', lies: () => ({ says: ([kind]) => kind !== MESSAGE_KIND.round }), seconds: 3, wellAfterS: 1 },
  {
    what: 'all frames down',
    lies: () => ({ says: ([kind]) => kind !== MESSAGE_KIND.down }),
    seconds: 3,
    wellAfterS: 1,
  },
  {
    what: 'all of the caller, up',
    lies: (_random, { caller }) => ({
      hears: ([kind], from) => kind !== MESSAGE_KIND.up || from !== caller.host.endpoint,
    }),
    seconds: 3,
    wellAfterS: 1,
  },
  {
    what: 'all of the caller, down',
    lies: (_random, { caller }) => ({
      says: ([kind], to) => kind !== MESSAGE_KIND.down || to !== caller.host.endpoint,
    }),
    seconds: 3,
    wellAfterS: 1,
  },
];

const SOME: readonly Dropping[] = [
  ...[0.3, 0.75].flatMap((share): Dropping[] => [
    {
      what: `${share * 100} % of what clients send`,
      lies: dropsUp(share),
      seconds: 12,
      wellAfterS: 3,
      ...(share > 0.5 && { expelledS: 10 }),
    },
    {
      what: `${share * 100} % of what goes down to clients`,
      lies: dropsDown(share),
      seconds: 12,
      wellAfterS: 4,
      ...(share > 0.5 && { expelledS: 10 }),
    },
  ]),
  {
    what: '60 % of the caller, up',
    lies: (random, { caller }) => ({
      hears: ([kind], from) => kind !== MESSAGE_KIND.up || from !== caller.host.endpoint || random.next() >= 0.6,
    }),
    seconds: 8,
    wellAfterS: 3,
  },
];

function run(seed: string, deeds: readonly Dropping[], gapMsMax: number, bystanders: number) {
  const check = new Checker();
  const facts: Record<string, number> = {};
  for (const deed of deeds) {
    for (const calling of [true, false]) {
      const what = `${deed.what}, ${calling ? 'calling' : 'idle'}`;
      const { pair, began, expelledAfterS, gapMs } = betray(seed, check, deed, calling, { bystanders });
      if (deed.expelledS !== undefined) {
        check.expect(expelledAfterS <= deed.expelledS, `${what}: the superpeer is expelled after ${expelledAfterS} s`);
        facts[`${what}: expelled after s`] = expelledAfterS;
      } else
        check.expect(
          Number.isNaN(expelledAfterS),
          `${what}: the superpeer is expelled, though most may not be its fault`,
        );
      if (!calling) continue;
      const { now } = pair.network.world;
      const from = began + deed.wellAfterS * SECOND_US;
      const loss = Math.max(...[pair.callerHears, pair.calleeHears].map((listener) => listener.lossBetween(from, now)));
      check.expect(loss <= WELL_LOSS, `${what}: ${loss} of the frames are lost ${deed.wellAfterS} s later`);
      check.expect(gapMs <= gapMsMax, `${what}: ${gapMs} ms of the call are missing in a row`);
      facts[`${what}: loss later`] = loss;
      facts[`${what}: gap ms`] = gapMs;
    }
  }
  return { violations: check.violations, facts };
}

export const dropping: Scenario = {
  name: 'dropping',
  property:
    'When a superpeer drops everything, up or down, of all its clients or of one, the call moves to another within a short ' +
    'gap and is whole after a second. No superpeer is expelled for what an outage would look like.',
  set: 'short',
  minutes: 0.2,
  run: (seed) => run(seed, ALL, GAP_MS_MAX, 4),
};

export const droppingSome: Scenario = {
  name: 'dropping-some',
  property:
    'A call leaves a superpeer that drops a third of the packets within a few seconds. One that drops three quarters of ' +
    'what most of its clients send or get is expelled within ten seconds; one that does it to a single client is not.',
  set: 'long',
  minutes: 0.3,
  run: (seed) => run(seed, SOME, 2 * GAP_MS_MAX, 10),
};

/** A superpeer that loses three tenths owes a minute's worth after fifteen (mix/watch.ts); and a minute for what chance does. */
const UNSERVICEABLE_S = 16 * 60;
/** Two seconds until a client knows that nothing comes, ten until the mix does and the client hears no control, 30 until he is elsewhere. */
const LEFT_AFTER_S = 45;
const WATCHED_S = 30;

/** Clients of a zone with room to spare: who is on the superpeer, and who is not whole, after it has begun to drop everything. */
function isLeft(seed: string, kind: number, check: Checker): void {
  const pair = new Pair(seed, check, { choices: 4, bystanders: 4 });
  pair.begin(false);
  const { network } = pair;
  const superpeer = busiest(network);
  superpeer.host.machine = new Liar(superpeer.machine, { says: ([said]) => said !== kind });
  const verdicts = new Verdicts(network);
  verdicts.run(LEFT_AFTER_S);
  for (let second = 0; second < WATCHED_S; second += 1) {
    verdicts.run(1);
    const what = `of kind ${kind}, ${LEFT_AFTER_S + second} s later`;
    check.expect(superpeer.machine.clients() === 0, `${what}: ${superpeer.machine.clients()} clients are on it`);
    const whole = network.clients.every(({ machine }) => machine.attachments === 3);
    check.expect(whole, `${what}: not everybody has all attachments`);
  }
  check.expect(verdicts.expelled.size === 0, `of kind ${kind}: ${[...verdicts.expelled.keys()]} are expelled`);
}

export const droppingLong: Scenario = {
  name: 'dropping-long',
  property:
    'A superpeer that loses three tenths of what its clients send or get is out of the roster after a quarter of an hour: ' +
    'unserviceable, which says nothing of whose fault it is. One that drops everything is like a dead one: after 45 ' +
    'seconds nobody is on it and everybody is whole elsewhere, and there is nothing left to judge it by.',
  set: 'long',
  minutes: 16,
  run: (seed) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const kind of [MESSAGE_KIND.round, MESSAGE_KIND.down]) isLeft(`${seed} left ${kind}`, kind, check);
    for (const [what, lies] of Object.entries({ up: dropsUp(0.3), down: dropsDown(0.3) })) {
      const deed = { what: `30 % ${what}`, lies, seconds: UNSERVICEABLE_S };
      const { reason, expelledAfterS } = betray(seed, check, deed, false);
      check.expect(reason === 'unserviceable', `30 % ${what}: expelled after ${expelledAfterS} s: ${reason}`);
      facts[`30 % ${what}: expelled after s`] = expelledAfterS;
    }
    return { violations: check.violations, facts };
  },
};
