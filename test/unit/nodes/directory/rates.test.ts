import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Dependence, dependence, discretise } from '../../../../evaluation/traffic/information.ts';
import type { ConsensusText } from '../../../../nodes/config/consensus.ts';
import { signDescriptor, type ZoneDemand } from '../../../../nodes/config/descriptor.ts';
import type { DirectoryZone } from '../../../../nodes/config/node.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { Directory } from '../../../../nodes/directory/directory.ts';
import { Rates, type RatesOptions, rungs } from '../../../../nodes/directory/rates.ts';
import { published } from '../../../../nodes/link/demand.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { signerOf } from '../support/certified.ts';
import { publishing } from '../support/keys.ts';

const EPOCH_MS = 900_000;
const SKEW_MS = 300_000;
/** The first epoch that is decided in. */
const FIRST = 2_000_000;
const OPTIONS: RatesOptions = { zones: ['eu', 'na'], floor: 4, ceiling: 64, epochMs: EPOCH_MS, clockSkewMs: SKEW_MS };

/** The rate in force in each epoch after one that reported so much. */
function ratesAfter(figures: readonly (readonly number[])[], options: RatesOptions = OPTIONS): number[] {
  const rates = new Rates(options);
  return figures.map((cells, index) => {
    const start = (FIRST + index) * EPOCH_MS;
    rates.decide(
      start + EPOCH_MS / 2,
      cells.map((figure) => ({ zone: 'na', cells: figure })),
    );
    return inForce(rates, 'na', start + EPOCH_MS) ?? options.floor;
  });
}

function inForce(rates: Rates, zone: string, nowMs: number): number | undefined {
  return rates.entries(nowMs).findLast((entry) => entry.zone === zone && entry.from <= nowMs)?.cellsPerTick;
}

test('the ladder goes from the floor to the ceiling by a quarter, or one cell', () => {
  assert.deepEqual(rungs(4, 64), [4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 33, 41, 51, 63, 64]);
  assert.deepEqual(rungs(1, 5), [1, 2, 3, 4, 5]);
  assert.deepEqual(rungs(7, 7), [7]);
});

test('whatever is reported: on the ladder, up by one rung at most, down by one and not before the fourth quiet epoch', () => {
  const epochs = fc.array(fc.array(fc.nat(64), { maxLength: 4 }), { maxLength: 60 });
  fc.assert(
    fc.property(epochs, fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 64 }), (figures, one, other) => {
      const [floor, ceiling] = [Math.min(one, other), Math.max(one, other)];
      const ladder = rungs(floor, ceiling);
      const rates = [floor, ...ratesAfter(figures, { ...OPTIONS, floor, ceiling })];
      const steps = rates.slice(1).map((rate, index) => ladder.indexOf(rate) - ladder.indexOf(rates[index]!));
      for (const [epoch, step] of steps.entries()) {
        assert(ladder.includes(rates[epoch]!));
        assert(step >= -1 && step <= 1, `${rates[epoch]} → ${rates[epoch + 1]}`);
        const wanted = 1.5 * Math.max(...figures[epoch]!);
        if (step === 1) assert(wanted > rates[epoch]!, `raised from ${rates[epoch]} for ${wanted}`);
        if (step !== -1) continue;
        const asked = figures.slice(epoch - 3, epoch + 1).filter((cells) => cells.length > 0);
        assert(epoch >= 3 && asked.length > 0, 'lowered after fewer than four epochs');
        for (const cells of asked)
          assert(1.5 * Math.max(...cells) <= rates[epoch + 1]!, 'lowered for who asked for more');
      }
    }),
  );
});

test('follows the demand with its headroom: four rungs up in four epochs, one down in four', () => {
  const busy = new Array<number[]>(6).fill([0, 5]);
  // 1.5 × 5 = 7.5, the lowest rung that holds it is 8.
  assert.deepEqual(ratesAfter(busy), [5, 6, 7, 8, 8, 8]);
  const quiet = [[2], [2], [2], [2], [2], [2], [2], [2]];
  assert.deepEqual(ratesAfter([...busy, ...quiet]).slice(6), [8, 8, 8, 7, 7, 7, 7, 6]);
});

test('one epoch that asks for as much starts the four anew', () => {
  const figures = [[4], [0], [0], [0], [3], [0], [0], [0], [0]];
  assert.deepEqual(ratesAfter(figures), [5, 5, 5, 5, 5, 5, 5, 5, 4]);
});

test('an epoch without any report changes nothing and is not a quiet one', () => {
  assert.deepEqual(ratesAfter([[4], [0], [0], [], [], [0], [0]]), [5, 5, 5, 5, 5, 5, 4]);
});

test('is lowered for nobody who is carried, as long as the reports say so', () => {
  for (let carried = 1; carried <= 42; carried += 1) {
    const rates = ratesAfter([...new Array<number[]>(20).fill([64]), ...new Array<number[]>(60).fill([carried])]);
    assert(rates.at(-1)! >= 1.5 * carried && rates.at(-1)! <= Math.max(4, 1.25 * 1.5 * carried + 1), `${carried}`);
  }
});

test('decides once in an epoch, in its second half, for the next, and of each zone for itself', () => {
  const rates = new Rates(OPTIONS);
  const start = FIRST * EPOCH_MS;
  const asked = [
    { zone: 'eu', cells: 0 },
    { zone: 'na', cells: 30 },
    { zone: 'elsewhere', cells: 30 },
  ];
  rates.decide(start + EPOCH_MS / 2 - 1, asked);
  assert.deepEqual(rates.entries(start), []);
  rates.decide(start + EPOCH_MS / 2, asked);
  rates.decide(start + EPOCH_MS / 2 + 1, asked);
  assert.deepEqual(rates.entries(start), [{ zone: 'na', cellsPerTick: 5, from: start + EPOCH_MS }]);
});

test('a rate stays in the consensus until all clocks have passed the one that followed', () => {
  const rates = new Rates(OPTIONS);
  const start = FIRST * EPOCH_MS;
  for (const epoch of [0, 1]) rates.decide(start + (epoch + 0.5) * EPOCH_MS, [{ zone: 'na', cells: 30 }]);
  const last = start + 2 * EPOCH_MS;
  const cells = (nowMs: number) => rates.entries(nowMs).map(({ cellsPerTick }) => cellsPerTick);
  assert.deepEqual(cells(last + SKEW_MS - 1), [5, 6]);
  assert.deepEqual(cells(last + SKEW_MS), [6]);
  assert.deepEqual(cells(last + 100 * EPOCH_MS), [6]);
});

const ROOT = new Identity(Buffer.alloc(32, 1));
const MIX = new Identity(Buffer.alloc(32, 2));
const SUPERPEER = new Identity(Buffer.alloc(32, 3));
const text = (key: Buffer) => key.toString('base64');

/** What the directory of a zone with a mix and a superpeer says of rates after an epoch that these reported so. */
function consensusRates(ceiling: object, of: 'mix' | 'sp', demand: ZoneDemand[]): ConsensusText['meshRates'] {
  const params = { profile: 'A', clientsPerChannel: 20, meshCellsPerTick: 2, attachmentsPerClient: 1 } as const;
  const zone: DirectoryZone = {
    zone: 'eu',
    provider: 'north',
    jurisdiction: 'EU',
    params: { ...params, assignment: 'augment', directClients: 0, ...ceiling },
    roster: [
      { id: 'mix', role: 'mix', identityKey: text(MIX.publicKey) },
      { id: 'sp', role: 'superpeer', identityKey: text(SUPERPEER.publicKey), channels: 1 },
    ],
    peers: [],
  };
  const port = { port: 1 };
  const config = { role: 'directory', id: 'd', listen: port, metrics: port, epochSeconds: 900, zones: [zone] } as const;
  const directory = new Directory({ ...config, zones: [zone] }, new Map([['eu', signerOf('eu', ROOT)]]));
  const nowMs = (FIRST + 0.5) * EPOCH_MS;
  const identity = of === 'mix' ? MIX : SUPERPEER;
  const endpoint = '10.0.0.1:7000';
  const descriptor = { zone: 'eu', id: of, endpoint, ...publishing(0), boot: 1, issuedAt: nowMs, demand };
  assert.equal(directory.register(nowMs, 'eu', signDescriptor(identity, descriptor)), 'accepted');
  return JSON.parse(directory.view(nowMs, 'eu')!.own.consensus).meshRates;
}

test('the consensus has what mixes and rendezvous ask for, where the provider lets rates rise, and no superpeer', () => {
  const asked = [{ zone: 'eu', cells: 30 }];
  const from = (FIRST + 1) * EPOCH_MS;
  assert.deepEqual(consensusRates({ meshCellsPerTickMax: 64 }, 'mix', asked), [{ zone: 'eu', cellsPerTick: 3, from }]);
  assert.deepEqual(consensusRates({}, 'mix', asked), [], 'no ceiling');
  assert.deepEqual(consensusRates({ meshCellsPerTickMax: 64 }, 'sp', asked), [], 'nobody believes a superpeer');
});

test('what the noise costs where there is nothing to carry is what rates.ts says', () => {
  const { fill } = new SeededRandom('nothing to carry');
  for (const [nodes, mean] of [
    [1, 19],
    [2, 30],
    [4, 41],
    [8, 52],
    [16, 59],
  ] as const) {
    const epochs = Array.from({ length: 20_000 }, () => Array.from({ length: nodes }, () => published(0, fill)));
    const settled = ratesAfter(epochs).slice(100);
    const measured = settled.reduce((sum, rate) => sum + rate, 0) / settled.length;
    assert(Math.abs(measured - mean) < 1, `${nodes} nodes: ${measured}`);
  }
});

// network.md 6, case 18: one user calls on a schedule for 24 h, and whoever sees the rates knows the schedule.

const EPOCHS = 96;
/** Epochs before, so that the rates have settled. */
const BEFORE = 96;
const NODES = 4;
/** Others whose calls are in one epoch, at noon; a quarter of that at midnight. */
const OTHERS = 2;
/** Two epochs from the report to the rate, and one to spare. */
const LAGS_MAX = 3;
const SEEDS = 100;

interface Day {
  readonly schedule: Uint8Array;
  /** By epoch, what each node measures. */
  readonly measured: readonly (readonly number[])[];
  readonly draw: () => Uint8Array;
}

/** A small zone's day: others call by the time of day, over a mix and a rendezvous each; the user over the first ones. */
function day(random: SeededRandom): Day {
  const draw = () => Uint8Array.from({ length: EPOCHS }, () => (random.next() < 0.4 ? 1 : 0));
  const schedule = draw();
  const measured = Array.from({ length: BEFORE + EPOCHS }, (_, index) => {
    const epoch = index - BEFORE;
    const activity = 0.625 - 0.375 * Math.cos((2 * Math.PI * epoch) / EPOCHS);
    const cells = new Array<number>(NODES).fill(0);
    for (let other = 0; other < OTHERS; other += 1) {
      if (random.next() > activity) continue;
      cells[random.below(2)]! += 1;
      cells[2 + random.below(2)]! += 1;
    }
    const calls = epoch >= 0 ? schedule[epoch]! : random.below(2);
    cells[0]! += calls;
    cells[2]! += calls;
    return cells;
  });
  return { schedule, measured, draw };
}

/** Of a hundred days: how much the series, made of what nodes measure, says of the schedule. */
function told(series: (measured: Day['measured'], random: SeededRandom) => readonly number[]): Dependence[] {
  return Array.from({ length: SEEDS }, (_, seed) => {
    const random = new SeededRandom(`day ${seed}`);
    const { schedule, measured, draw } = day(random);
    const seen = Float64Array.from(series(measured, random).slice(BEFORE));
    return dependence(schedule, discretise(seen, 4), LAGS_MAX, draw, 199);
  });
}

/** The days whose interval leaves 0 out, and the mean over the days with its 95 % interval, bits. */
function summary(days: readonly Dependence[]): { without0: number; low: number; high: number } {
  const bits = days.map((one) => one.bits);
  const mean = bits.reduce((sum, value) => sum + value, 0) / SEEDS;
  const spread = Math.sqrt(bits.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (SEEDS - 1) / SEEDS);
  const without0 = days.filter(({ includesZero }) => !includesZero).length;
  return { without0, low: mean - 1.98 * spread, high: mean + 1.98 * spread };
}

/** 95 % intervals of a hundred days that tell nothing leave 0 out more often than this once in 700 times. */
const WITHOUT_ZERO_MAX = 12;

const noisy = (measured: Day['measured'], random: SeededRandom) =>
  measured.map((cells) => cells.map((figure) => published(figure, random.fill)));

test('the rates of a day say nothing of one user’s schedule, in a zone with two others', () => {
  const { without0, low, high } = summary(told((measured, random) => ratesAfter(noisy(measured, random))));
  assert(without0 <= WITHOUT_ZERO_MAX, `${without0} of ${SEEDS} days tell something`);
  assert(low <= 0 && high >= 0, `between ${low} and ${high} bits`);
});

test('nor does the highest of the figures that the nodes publish', () => {
  const { without0 } = summary(told((measured, random) => noisy(measured, random).map((cells) => Math.max(...cells))));
  assert(without0 <= WITHOUT_ZERO_MAX, `${without0} of ${SEEDS} days tell something`);
});

test('without noise and rungs the same test finds the schedule', () => {
  const { without0, low } = summary(told((measured) => measured.map((cells) => Math.ceil(1.5 * Math.max(...cells)))));
  assert(without0 >= 0.9 * SEEDS, `only ${without0} of ${SEEDS} days tell something`);
  assert(low > 0.01, `at least ${low} bits`);
});
