import { AUC_BAR } from '../../../evaluation/traffic/auc.ts';
import type { Span } from '../../../evaluation/traffic/features.ts';
import { seeded, shuffle } from '../../../evaluation/traffic/random.ts';
import { type Endpoint, MILLISECOND_US, type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { Allocation } from '../../../nodes/mix/allocation.ts';
import type { Host } from '../host.ts';
import { compareLinks, printRows, Recorder, type Row, type WatchedLink, windowsOf, withLeak } from '../observation.ts';
import { Checker, type Outcome, type Scenario } from '../scenario.ts';
import { attachAll } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/**
 * Case 16 of network.md 6. Time is dealt by lot into slots, and in a slot all pairs of clients do the same: so every link
 * is watched in every class. What an observer could find is in the number, order and lengths of datagrams and in the
 * ticks that they belong to; how late a real host sends is for test/sockets/distinguish.ts to find out, for here timers
 * are late by chance alone (World.sendJitterUs).
 *
 * A pair's two channels at either end are shared with two others, each of which knows one of them only: when such a
 * neighbour calls, the pair's call has to move to the other channel.
 */
const ACTIVITIES = ['idle', 'ringing', 'calling', 'moving', 'hanging up', 'failing', 'failing in a call'] as const;
type Activity = (typeof ACTIVITIES)[number];
/** Class 1 and class 0. In the last pair a superpeer stands still for 300 ms again and again, in both classes. */
const COMPARISONS: readonly (readonly [Activity, Activity])[] = [
  ['ringing', 'idle'],
  ['calling', 'idle'],
  ['moving', 'idle'],
  ['hanging up', 'idle'],
  ['failing in a call', 'failing'],
];
const KINDS = ['client → superpeer', 'superpeer → client', 'superpeer → mix', 'mix → superpeer', 'mesh'] as const;
type Kind = (typeof KINDS)[number];

/** What the callers and callees of the pairs may be doing at the end of a slot; anything, if not given. */
const STATES: Partial<Record<Activity, readonly string[]>> = {
  idle: ['idle'],
  ringing: ['calling', 'ringing'],
  calling: ['talking'],
  moving: ['talking'],
  failing: ['idle'],
  'failing in a call': ['talking'],
};

const PAIRS = 6;
const JITTER_US = 100;
/** Until what a slot begins with has come about. */
const SETTLE_S = 4;
/** Until nothing of a slot is left in the next: channels drain, signals take turns. */
const CLEAR_S = 4;
const ANSWER_EVERY_US = 50 * MILLISECOND_US;
const RING_AGAIN_S = 20;
const CYCLE_S = 3;
const FAIL_EVERY_S = 5;
const FAIL_US = 300 * MILLISECOND_US;
const LEAK_US = 200;
/**
 * Before the links' keys change, after an hour, the network is made anew: whatever slot the change fell into would have a
 * handshake on every link at once, which no lot deals fairly.
 */
const STAGE_S = 45 * 60;

interface Shape {
  /** Of a slot, without what it takes to settle and to clear. */
  readonly slotS: number;
  readonly windowsS: readonly number[];
  readonly activities: readonly Activity[];
  /** Whether to print the rows, of which the facts only tell the extremes. */
  readonly table: boolean;
}

/** Two who call each other, and for either end the two neighbours on the same channels. */
interface PairOfClients {
  readonly caller: SimClient;
  readonly callee: SimClient;
  readonly neighbours: readonly { readonly caller: SimClient; readonly callee: SimClient }[];
  /** Channels are numbered like their superpeers. */
  readonly channels: readonly [number, number];
}

class Stage {
  readonly network: Network;
  readonly pairs: readonly PairOfClients[];
  readonly slots: {
    readonly activity: Activity;
    readonly round: number;
    readonly from: Micros;
    readonly to: Micros;
  }[] = [];
  #answers = true;
  readonly #check: Checker;
  readonly links = new Map<string, { readonly kind: Kind; readonly from: Endpoint; readonly recorder: Recorder }>();

  constructor(seed: string, check: Checker) {
    this.#check = check;
    const params = { attachmentsPerClient: 2, clientsPerChannel: 3, meshCellsPerTick: 2 * PAIRS };
    const plan = { superpeers: 2 * PAIRS, params };
    this.network = new Network(seed, [
      { name: 'eu', ...plan },
      { name: 'na', ...plan },
    ]);
    const { network } = this;
    this.pairs = Array.from({ length: PAIRS }, (_value, index) => {
      const channels = [2 * index + 1, 2 * index + 2] as const;
      const couple = (known: readonly number[]) => ({
        caller: network.addClient('eu', known),
        callee: network.addClient('na', known),
      });
      return { ...couple(channels), neighbours: channels.map((channel) => couple([channel])), channels };
    });
    attachAll(network, check);
    network.run(CLEAR_S);
    const watched = this.pairs.flatMap(({ caller, callee }) => [caller, callee]);
    const whole = watched.every(({ machine }) => machine.attachments === 2);
    check.expect(whole, 'a client of a pair has not both of its channels');
    this.#watch(new Set(watched.map(({ host }) => host)));
  }

  #watch(watched: ReadonlySet<Host>): void {
    const { world } = this.network;
    world.sendJitterUs = JITTER_US;
    world.observe = ({ at, from, to, length }) => {
      const key = `${from} ${to}`;
      let link = this.links.get(key);
      if (!link) {
        const kind = kindOf(world.hosts.get(from), world.hosts.get(to), watched);
        if (!kind) return;
        link = { kind, from, recorder: new Recorder() };
        this.links.set(key, link);
      }
      link.recorder.add(at, length);
    };
    const answer = () => {
      for (const { host, machine } of this.network.clients)
        if (this.#answers && machine.callState === 'ringing') machine.answer(host.now);
      world.after(ANSWER_EVERY_US, answer);
    };
    answer();
  }

  /** Everybody does the same until the slot is over, each pair at instants of its own. */
  play(activity: Activity, round: number, seconds: number): void {
    const { network } = this;
    const { world } = network;
    const from = world.now + SETTLE_S * SECOND_US;
    const to = from + seconds * SECOND_US;
    this.#answers = activity !== 'ringing';
    for (const pair of this.pairs) this.#act(activity, pair, world.now + world.random.below(SECOND_US), to);
    network.run(SETTLE_S + seconds);
    this.slots.push({ activity, round, from, to });
    const states = this.pairs.flatMap(({ caller, callee }) => [caller.machine.callState, callee.machine.callState]);
    const wanted = STATES[activity];
    const other = states.find((state) => wanted && !wanted.includes(state));
    this.#check.expect(!other, `at the end of a slot of ${activity} a client is ${other}`);
    for (const { machine } of network.clients) machine.hangUp();
    network.run(CLEAR_S);
  }

  #act(activity: Activity, pair: PairOfClients, start: Micros, end: Micros): void {
    const { world } = this.network;
    const place = ({ caller, callee }: { caller: SimClient; callee: SimClient }) =>
      void caller.machine.place(caller.host.now, callee.contact);
    const every = (seconds: number, action: (round: number) => void) => {
      for (let at = start, round = 0; at < end; at += seconds * SECOND_US, round += 1)
        world.at(at, () => action(round));
    };
    /** Not in the next slot. */
    const hangUpAfter = (seconds: number, { caller }: { caller: SimClient }) => {
      if (world.now + seconds * SECOND_US < end) world.after(seconds * SECOND_US, () => caller.machine.hangUp());
    };
    if (activity === 'calling' || activity === 'moving' || activity === 'failing in a call')
      world.at(start, () => place(pair));
    switch (activity) {
      case 'idle':
      case 'calling':
        return;
      case 'ringing':
        return every(RING_AGAIN_S, () => {
          place(pair);
          hangUpAfter(RING_AGAIN_S - 1.5, pair);
        });
      case 'hanging up':
        return every(CYCLE_S, () => {
          place(pair);
          hangUpAfter(CYCLE_S / 2, pair);
        });
      case 'moving':
        return every(CYCLE_S, (round) => {
          const neighbour = pair.neighbours[round % 2]!;
          place(neighbour);
          hangUpAfter(CYCLE_S / 2, neighbour);
        });
      case 'failing':
      case 'failing in a call':
        // At an instant of its own each time: what ticks a pause begins and ends between must not repeat within a slot.
        return every(FAIL_EVERY_S, (round) => {
          for (const zone of ['eu', 'na']) {
            const { host } = this.network.superpeer(zone, pair.channels[round % 2]);
            world.after(world.random.below(SECOND_US), () => world.pause(host, FAIL_US));
          }
        });
    }
  }

  /** Links of a kind with the windows of two activities. */
  watched(kind: Kind, [one, zero]: readonly [Activity, Activity], windowUs: Micros): WatchedLink[] {
    const numbers = new Map([...this.network.world.hosts.keys()].map((endpoint, index) => [endpoint, index]));
    const hosts = numbers.size;
    return [...this.links.values()]
      .filter((link) => link.kind === kind)
      .map(({ from, recorder }) => {
        // Chance has no memory here, but the datagrams of a tick are late together, whatever link they take. And a
        // cluster has a window of either class, so that however they are dealt to training and testing, no host is
        // seen more often in one class than in the other.
        const spans = this.slots.flatMap(({ activity, round, ...slot }): Span[] => {
          if (activity !== one && activity !== zero) return [];
          const perSlot = Math.floor((slot.to - slot.from) / windowUs);
          const clusterOf = (at: Micros) =>
            (round * perSlot + Math.round((at - slot.from) / windowUs)) * hosts + numbers.get(from)!;
          return windowsOf(slot, windowUs, activity === one ? 1 : 0, clusterOf);
        });
        return { series: recorder.series(), spans };
      });
  }
}

/** Of the mesh, the links that carry calls. */
function kindOf(from: Host | undefined, to: Host | undefined, watched: ReadonlySet<Host>): Kind | undefined {
  if (!from?.kind || !to?.kind) return undefined;
  const carries =
    from.name.slice(0, 2) === to.name.slice(0, 2) || (from.kind === 'rendezvous' && to.kind === 'rendezvous');
  switch (`${from.kind} ${to.kind}`) {
    case 'client superpeer':
      return watched.has(from) ? 'client → superpeer' : undefined;
    case 'superpeer client':
      return watched.has(to) ? 'superpeer → client' : undefined;
    case 'superpeer mix':
      return 'superpeer → mix';
    case 'mix superpeer':
      return 'mix → superpeer';
    case 'mix rendezvous':
    case 'rendezvous mix':
    case 'rendezvous rendezvous':
      return carries ? 'mesh' : undefined;
    default:
      return undefined;
  }
}

/** Counts moves, which nobody outside of the mix sees, while `work` runs. */
function countingMoves(work: () => void): number {
  let moves = 0;
  const { spoke } = Allocation.prototype;
  Allocation.prototype.spoke = function (now, party, line) {
    const before = party.hold.kind === 'holding' ? party.hold.line : undefined;
    spoke.call(this, now, party, line);
    if (before && party.hold.kind === 'holding' && party.hold.line !== before) moves += 1;
  };
  try {
    work();
  } finally {
    Allocation.prototype.spoke = spoke;
  }
  return moves;
}

function run(seed: string, minutes: number, { slotS, windowsS, activities, table }: Shape): Outcome {
  const check = new Checker();
  const stages = [new Stage(`${seed} / 0`, check)];
  const random = seeded(stages[0]!.network.world.random.below(2 ** 31));
  const roundS = activities.length * (slotS + SETTLE_S + CLEAR_S);
  const rounds = Math.max(1, Math.round((minutes * 60) / roundS));
  const roundsPerStage = Math.max(1, Math.floor(STAGE_S / roundS));
  const watched = (...which: Parameters<Stage['watched']>) => stages.flatMap((stage) => stage.watched(...which));
  const moves = { other: 0, moving: 0 };
  for (let round = 0; round < rounds; round += 1) {
    if (round > 0 && round % roundsPerStage === 0) stages.push(new Stage(`${seed} / ${stages.length}`, check));
    const stage = stages.at(-1)!;
    const order = Array.from(activities, (_activity, index) => index);
    shuffle(order, random);
    for (const index of order) {
      const activity = activities[index]!;
      const counted = countingMoves(() => stage.play(activity, round, slotS));
      moves[activity === 'moving' ? 'moving' : 'other'] += counted;
    }
  }
  const wantedMoves = (rounds * PAIRS * slotS) / CYCLE_S;
  check.expect(moves.moving > wantedMoves, `only ${moves.moving} moves where ${wantedMoves} were provoked at each end`);
  const rows: Row[] = [];
  let rowsLeftOut = 0;
  for (const comparison of COMPARISONS) {
    if (!comparison.every((activity) => activities.includes(activity))) continue;
    for (const kind of KINDS)
      for (const windowS of windowsS) {
        const links = watched(kind, comparison, windowS * SECOND_US);
        try {
          rows.push(compareLinks(kind, comparison.join(', '), links, windowS * SECOND_US, random, 'a machine each'));
        } catch (error) {
          if (!(error instanceof RangeError)) throw error;
          rowsLeftOut += 1;
        }
      }
  }
  for (const row of rows) {
    const name = `${row.link}, ${row.comparison}, ${row.windowS} s`;
    check.expect(String(row.sizes[0]) === String(row.sizes[1]), `${name}: lengths ${row.sizes.join(' and ')}`);
    check.expect(row.verdict !== 'leaks', `${name}: an observer tells them apart`);
    check.expect(row.equivalent, `${name}: mean deviations differ by ${row.laterUs.join(' to ')} µs`);
  }
  check.expect(rows.length > 0, 'there are too few windows for anything');
  // Enough windows pass the bar 39 times in 40 and more; a row or two may stay open by luck.
  const open = rows.filter(({ verdict, bar }) => verdict === 'open' && bar === AUC_BAR).length;
  const planted = KINDS.map((kind) => {
    const links = withLeak(watched(kind, ['moving', 'idle'], SECOND_US), LEAK_US, random);
    return compareLinks(kind, 'moving + 0.2 ms, idle', links, SECOND_US, random, 'a machine each');
  });
  for (const { link, verdict, p } of planted)
    check.expect(verdict === 'leaks' && p < 0.05, `0.2 ms planted on ${link} were not found`);
  if (table) process.stderr.write(`${printRows([...rows, ...planted])}\n`);
  const packets = Math.min(...rows.flatMap((row) => row.packets));
  const farthest = Math.max(...rows.flatMap(({ attempts }) => attempts.map(({ auc }) => Math.abs(auc - 0.5))));
  const differing = rows.filter(({ p }) => p < 0.05).length;
  return {
    violations: check.violations,
    facts: {
      slots: stages.reduce((sum, stage) => sum + stage.slots.length, 0),
      moves: moves.moving,
      rows: rows.length,
      rowsLeftOut,
      packetsOfAClassLeast: packets,
      aucFarthest: 0.5 + farthest,
      rowsOpenThoughEnoughWindows: open,
      rowsWithPBelow5Percent: differing,
      aucPlantedLeast: Math.min(...planted.map(({ attempts }) => Math.max(...attempts.map(({ auc }) => auc)))),
    },
  };
}

const property =
  'On no link can an observer tell a client, or a link between nodes, that is in a call, rings, is moved to another channel or ' +
  'hangs up from an idle one, nor a call whose superpeer fails from no call whose superpeer fails: lengths are the same, ' +
  'and neither eleven tests nor two trained classifiers find anything in the times; but they find 0.2 ms that were planted.';

export const distinguish: Scenario = {
  name: 'distinguish',
  property,
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) =>
    run(seed, minutes, { slotS: 30, windowsS: [1], activities: ['idle', 'moving', 'ringing'], table: false }),
};

export const distinguishAll: Scenario = {
  name: 'distinguish-all',
  property: `${property} With a million packets of a class, in windows of 1, 10 and 60 s, for every activity.`,
  set: 'long',
  minutes: 120,
  run: (seed, minutes) => run(seed, minutes, { slotS: 60, windowsS: [1, 10, 60], activities: ACTIVITIES, table: true }),
};
