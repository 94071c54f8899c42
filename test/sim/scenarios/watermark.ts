import { AUC_BAR, halfWidthAtChance } from '../../../evaluation/traffic/auc.ts';
import { deviationUs, fitGrid, type Series } from '../../../evaluation/traffic/features.ts';
import { matchedFilter, watermarkVerdict } from '../../../evaluation/traffic/watermark.ts';
import type { Micros } from '../../../nodes/core/units.ts';
import { CONTROL_BYTES, DOWN_HEADER_BYTES, GEOMETRY, MESSAGE_KIND, TICK_US } from '../../../nodes/wire/constants.ts';
import type { Host } from '../host.ts';
import { Liar, type Lies } from '../liar.ts';
import { Recorder } from '../observation.ts';
import { NEAR, type Path } from '../path.ts';
import type { SeededRandom } from '../random.ts';
import { Checker, type Outcome, type Scenario } from '../scenario.ts';
import { attachAll, Listener, recording, setUp } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Case 4 of network.md 6: a superpeer that treats its clients differently, in what it sends down or in when it lets them through. */

// Delays in a pattern

/** One attachment each, so that the mix cannot move the call away from the superpeer that plays with it. */
const PAIRS = 20;
const CHIPS = 8;
const CHIP_TICKS = 25;
const TRIAL_TICKS = CHIPS * CHIP_TICKS;
/** Between trials, and as long as a trial is looked for behind its beginning: the whole way is shorter. */
const REST_TICKS = 50;
const LAGS_MAX = 20;
const HELD_US = CHIP_TICKS * TICK_US;
const JITTER_US = 100;

interface Trial {
  readonly pair: number;
  readonly start: Micros;
  readonly isMarked: boolean;
  /** What the superpeer does in each tick, or would do: 1 for holding back. */
  readonly held: Float64Array;
  /** 1 in ticks in which it lets nothing of the client through for that. */
  readonly absent: Float64Array;
}

function drawTrial(random: SeededRandom, pair: number, start: Micros): Trial {
  // Never all alike: that would be no pattern.
  const chips = Array.from({ length: CHIPS }, () => random.below(2));
  chips[0] = 0;
  chips[1 + random.below(CHIPS - 1)] = 1;
  const held = Float64Array.from({ length: TRIAL_TICKS }, (_value, tick) => chips[Math.floor(tick / CHIP_TICKS)]!);
  const absent = held.map((value, tick) => (value === 1 && (held[tick - CHIP_TICKS] ?? 0) === 0 ? 1 : 0));
  return { pair, start, isMarked: random.below(2) === 1, held, absent };
}

/** Per tick of a link: how late its first packet is, and how many there are. */
class TickSeries {
  readonly #late: Float64Array;
  readonly #count: Float64Array;
  readonly #start: Micros;

  constructor(start: Micros, end: Micros, packets: Series) {
    const ticks = Math.ceil((end - start) / TICK_US) + 1;
    const grid = fitGrid(packets, TICK_US);
    this.#start = start;
    this.#late = new Float64Array(ticks);
    this.#count = new Float64Array(ticks);
    for (const at of packets.instantsUs) {
      const late = deviationUs(grid, at);
      const tick = Math.floor((at - late - start) / TICK_US + 0.5);
      if (tick < 0 || tick >= ticks) continue;
      if (this.#count[tick] === 0) this.#late[tick] = late;
      this.#count[tick]! += 1;
    }
  }

  /** The best that a matched filter finds of either consequence of the pattern in either series. */
  score({ start, held, absent }: Trial): number {
    const from = Math.floor((start - this.#start) / TICK_US);
    const scores = [this.#late, this.#count].flatMap((series) => {
      const seen = series.subarray(from, from + TRIAL_TICKS + LAGS_MAX);
      return [held, absent].map((pattern) => matchedFilter(seen, pattern, LAGS_MAX));
    });
    return Math.max(...scores);
  }
}

/** A link that is looked at for the mark of one pair, or of any. */
interface Look {
  readonly name: string;
  readonly pair: number | undefined;
  readonly recorder: Recorder;
}

const CONTROL = 'the client behind its superpeer';

function mark(seed: string, minutes: number): Outcome {
  const check = new Checker();
  const delays = new Map<Host, (now: Micros) => Micros>();
  const letThrough = new Map<Host, Recorder>();
  const path: Path = (from, to) => {
    const delayOf = to.kind === 'superpeer' ? delays.get(from) : undefined;
    if (!delayOf) return NEAR;
    const delayUs = delayOf(network.world.now) + NEAR.delayUs;
    letThrough.get(from)!.add(network.world.now + delayUs, 0);
    return { ...NEAR, delayUs };
  };
  const shape = { channelsPerSuperpeer: PAIRS, params: { clientsPerChannel: 2, meshCellsPerTick: PAIRS } };
  const network = new Network(
    seed,
    [
      { name: 'eu', ...shape },
      { name: 'na', ...shape },
    ],
    path,
  );
  const { world } = network;
  const pairs = Array.from({ length: PAIRS }, (_value, index) => ({
    caller: network.addClient('eu', [index + 1]),
    callee: network.addClient('na', [index + 1]),
  }));
  attachAll(network, check);
  for (const { caller, callee } of pairs) {
    caller.machine.voice = recording();
    callee.machine.voice = recording();
    setUp(network, caller, callee, check);
  }
  network.run(1);
  const looks = watch(network, pairs);
  const start = world.now;
  let trials: Trial[] = [];
  const all: Trial[] = [];
  for (const [pair, { caller }] of pairs.entries()) {
    const recorder = new Recorder();
    letThrough.set(caller.host, recorder);
    looks.push({ name: CONTROL, pair, recorder });
    delays.set(caller.host, (now) => {
      const trial = trials[pair];
      if (!trial?.isMarked) return 0;
      return (trial.held[Math.floor((now - trial.start) / TICK_US)] ?? 0) * HELD_US;
    });
  }
  const random = world.randomFor('trials');
  const rounds = Math.round((minutes * 60e6) / ((TRIAL_TICKS + REST_TICKS) * TICK_US));
  for (let round = 0; round < rounds; round += 1) {
    trials = pairs.map((_pair, index) => drawTrial(random, index, world.now));
    all.push(...trials);
    network.run(((TRIAL_TICKS + REST_TICKS) * TICK_US) / 1e6);
  }
  const talking = pairs.filter(
    ({ caller, callee }) => caller.machine.callState === 'talking' && callee.machine.callState === 'talking',
  ).length;
  check.expect(talking === PAIRS, `${PAIRS - talking} of ${PAIRS} calls did not outlive the delays`);
  const facts: Record<string, number> = { trials: all.length, marked: all.filter(({ isMarked }) => isMarked).length };
  for (const name of new Set(looks.map((look) => look.name))) {
    const scores: [unmarked: number[], marked: number[]] = [[], []];
    for (const look of looks.filter((one) => one.name === name)) {
      const series = new TickSeries(start, world.now, look.recorder.series());
      for (const trial of all)
        if (look.pair === undefined || look.pair === trial.pair)
          scores[trial.isMarked ? 1 : 0].push(series.score(trial));
    }
    const [unmarked, marked] = scores.map((values) => Float64Array.from(values)) as [Float64Array, Float64Array];
    const bar = Math.max(AUC_BAR, 0.5 + 1.1 * halfWidthAtChance(unmarked.length, marked.length));
    const { auc, interval, passes, leaks } = watermarkVerdict(marked, unmarked, bar);
    facts[`${name}: AUC`] = auc;
    facts[`${name}: AUC, low`] = interval[0];
    facts[`${name}: AUC, high`] = interval[1];
    if (name === CONTROL) check.expect(leaks, `the filter does not even find the mark where it is made: AUC ${auc}`);
    else check.expect(!leaks, `${name}: the mark is seen, AUC ${auc}, ${interval.join(' to ')}`);
    if (name !== CONTROL && bar === AUC_BAR)
      check.expect(passes, `${name}: AUC ${interval.join(' to ')} is not shown to be within ${AUC_BAR}`);
  }
  return { violations: check.violations, facts };
}

/** The way of the calls from the first superpeer on. */
function watch(network: Network, pairs: readonly { readonly callee: SimClient }[]): Look[] {
  const { world } = network;
  const hops = [
    ['superpeer → mix', network.superpeer('eu'), network.mix('eu')],
    ['mesh, mix → rendezvous', network.mix('eu'), network.rendezvous('eu')],
    ['mesh, rendezvous → rendezvous', network.rendezvous('eu'), network.rendezvous('na')],
    ['mesh, rendezvous → mix', network.rendezvous('na'), network.mix('na')],
    ["mix → callee's superpeer", network.mix('na'), network.superpeer('na')],
  ] as const;
  const byEnds = new Map<string, Look>();
  const look = (name: string, from: { host: Host }, to: { host: Host }, pair: number | undefined) =>
    byEnds.set(`${from.host.endpoint} ${to.host.endpoint}`, { name, pair, recorder: new Recorder() });
  for (const [name, from, to] of hops) look(name, from, to, undefined);
  for (const [pair, { callee }] of pairs.entries()) look('superpeer → callee', network.superpeer('na'), callee, pair);
  world.sendJitterUs = JITTER_US;
  world.observe = ({ at, from, to, length }) => byEnds.get(`${from} ${to}`)?.recorder.add(at, length);
  return [...byEnds.values()];
}

const markProperty =
  'A superpeer that holds one client back for 0 or 500 ms in a pattern finds nothing of it on any link behind its mix: not on ' +
  "the mesh, not on the way to the callee, nor does an observer of the superpeer's own link to the mix. Where the superpeer lets the packets through it is plain.";

export const watermark: Scenario = { name: 'watermark', property: markProperty, set: 'short', minutes: 0.6, run: mark };

export const watermarkLong: Scenario = {
  name: 'watermark-long',
  property: `${markProperty} With trials enough for a bar of ${AUC_BAR}.`,
  set: 'long',
  minutes: 45,
  run: mark,
};

// Another DOWN for each client

const LIES_S = 2.5;
const WATCHED_S = 1;
/** Frames this old are sent again. */
const OLD_TICKS = 100;
const CLIENTS = 6;

type Equivocation = (random: SeededRandom, clients: readonly SimClient[]) => Lies;

/** To every second client what `change` makes of a DOWN; the others are told the truth. */
function toSome(change: (down: Buffer, random: SeededRandom) => void): Equivocation {
  return (random, clients) => {
    const deceived = new Set<number>(
      clients.filter((_client, index) => index % 2 === 0).map(({ host }) => host.endpoint),
    );
    return {
      says: (message, to) => {
        if (message[0] === MESSAGE_KIND.down && deceived.has(to)) change(message, random);
        return true;
      },
    };
  };
}

const controlOf = (down: Buffer) => down.subarray(DOWN_HEADER_BYTES, DOWN_HEADER_BYTES + CONTROL_BYTES);
const mediaOf = (down: Buffer) => down.subarray(-GEOMETRY.A.mix);

const EQUIVOCATIONS: Readonly<Record<string, () => Equivocation>> = {
  'another media cell': () => toSome((down, random) => random.fill(mediaOf(down))),
  'another control cell': () => toSome((down, random) => random.fill(controlOf(down))),
  'another number': () => toSome((down) => down.writeUInt32BE(down.readUInt32BE(4) + 1000, 4)),
  'an old frame': () => {
    const old: Buffer[] = [];
    return toSome((down) => {
      old.push(Buffer.from(down));
      old[Math.max(0, old.length - OLD_TICKS)]!.copy(down);
    });
  },
  'that the mix is silent': () => toSome((down) => down.writeUInt8(1, 1)),
};

/** What the clients send, and whatever they think has happened, while one superpeer tells the truth or lies. */
function deceive(seed: string, lie: Equivocation | undefined, calling: boolean, check: Checker) {
  const shape = { superpeers: 2, params: { clientsPerChannel: CLIENTS, attachmentsPerClient: 2 } };
  const network = new Network(seed, [
    { name: 'eu', ...shape },
    { name: 'na', ...shape },
  ]);
  const { world } = network;
  const clients = network.addClients('eu', CLIENTS);
  const callee = network.addClient('na');
  attachAll(network, check);
  network.run(3);
  const caller = clients[0]!;
  const listener = new Listener(world);
  caller.machine.voice = listener.voice;
  callee.machine.voice = recording();
  if (calling) setUp(network, caller, callee, check);
  network.run(1);
  for (const { machine } of clients) while (machine.poll()) {}
  const egress = new Set<number>(clients.map(({ host }) => host.endpoint));
  const seen: string[] = [];
  world.observe = ({ at, from, to, length }) => {
    if (egress.has(from)) seen.push(`${at} ${from} ${to} ${length}`);
  };
  const superpeer = network.superpeer('eu', 1);
  if (lie) superpeer.host.machine = new Liar(superpeer.machine, lie(world.randomFor('lies'), clients));
  network.run(LIES_S);
  superpeer.host.machine = superpeer.machine;
  network.run(WATCHED_S);
  const states = clients.map(({ machine }) => machine.callState).join();
  const events = clients.flatMap(({ machine }) => {
    const event = machine.poll();
    return event ? [event.kind] : [];
  });
  listener.checkNames(check);
  return { seen, states, events };
}

export const equivocation: Scenario = {
  name: 'equivocation',
  property:
    'A superpeer that sends its clients different frames, of its own making, old ones or with another number, or tells some that the ' +
    'mix is silent, gets nothing out of them: every client sends to the microsecond what it would have sent, and nothing rings, begins or ends.',
  set: 'short',
  minutes: 0.1,
  run: (seed) => {
    const check = new Checker();
    let datagrams = 0;
    for (const calling of [false, true]) {
      const truth = deceive(seed, undefined, calling, check);
      for (const [name, lie] of Object.entries(EQUIVOCATIONS)) {
        const what = `${name}, ${calling ? 'calling' : 'idle'}`;
        const told = deceive(seed, lie(), calling, check);
        const different = truth.seen.filter((sighting, index) => sighting !== told.seen[index]).length;
        check.expect(
          different === 0 && told.seen.length === truth.seen.length,
          `${what}: ${different} of ${truth.seen.length} datagrams of clients differ`,
        );
        check.expect(told.states === truth.states, `${what}: clients are ${told.states}, not ${truth.states}`);
        check.expect(told.events.length === 0, `${what}: clients say ${told.events.join()}`);
        datagrams += told.seen.length;
      }
    }
    return { violations: check.violations, facts: { lies: Object.keys(EQUIVOCATIONS).length, datagrams } };
  },
};
