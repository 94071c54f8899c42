import { parseArgs } from 'node:util';
import { type BlockingResult, simulateBlocking } from '../../evaluation/blocking/simulate.ts';
import type { LoadCall, LoadPlan } from '../load.ts';
import { simulateLoad } from '../sim/load.ts';
import { SeededRandom } from '../sim/random.ts';
import { Deployment } from './deployment.ts';
import type { SwarmPlan, SwarmSummary } from './swarm.ts';

/**
 * Whether the simulator and the real daemons agree on blocking (network.md 6, case 25): 200 clients, n = 10, the same
 * load on both; the simulator's share of blocked calls must lie in the 95 % interval of the daemons' run. What the model
 * without packets says (evaluation/blocking) is printed beside: it knows nothing of the time that moves take.
 *
 *   npm run agreement -- --attachments 2 --mode augment --seconds 300 --calls-per-second 2 [--json]
 */
const CLIENTS = 200;
const CLIENTS_PER_CHANNEL = 10;
const SUPERPEERS = 4;
/** Channels beyond N k / n, so that every client finds a place on another superpeer. */
const SLACK = 1.1;
const HOLD_SECONDS = 5;
const PATIENCE_SECONDS = 3;
const SIMULATIONS = 3;
const MODEL_RUNS = 200;
const Z_95 = 1.96;

/** END for 25 ticks, half a turn of the signals, ten quiet rounds; the callee hears END after one way. */
const RELEASE_SECONDS = 0.5 + 0.05 + 0.2;
const RING_AGAIN_SECONDS = 0.2;
/** As in mix/allocation.ts. */
const MOVE_PAUSE_SECONDS = 2;

interface Options {
  readonly attachments: number;
  readonly mode: 'augment' | 'ranking' | 'random';
  readonly seconds: number;
  readonly callsPerSecond: number;
  readonly json: boolean;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      attachments: { type: 'string', default: '2' },
      mode: { type: 'string', default: 'augment' },
      seconds: { type: 'string', default: '300' },
      'calls-per-second': { type: 'string', default: '2' },
      json: { type: 'boolean', default: false },
    },
  });
  const attachments = Number(values.attachments);
  const seconds = Number(values.seconds);
  const callsPerSecond = Number(values['calls-per-second']);
  const { mode } = values;
  const problems = [
    ...(attachments === 2 || attachments === 3 ? [] : ['--attachments must be 2 or 3']),
    ...(seconds > 0 ? [] : ['--seconds must be a number above 0']),
    ...(callsPerSecond > 0 ? [] : ['--calls-per-second must be a number above 0']),
    ...(['augment', 'ranking', 'random'].includes(mode) ? [] : ['--mode must be augment, ranking or random']),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return { attachments, seconds, callsPerSecond, mode: mode as Options['mode'], json: values.json };
}

async function measure(options: Options): Promise<{ calls: LoadCall[]; summary: SwarmSummary }> {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Error('interrupted')));
  const deployment = new Deployment();
  try {
    await deployment.start([zoneOf(options)], controller.signal);
    const plan: SwarmPlan = {
      ...loadOf(options),
      zones: [{ ...deployment.zones[0]!, clients: CLIENTS }],
      firstPort: 30_000,
      seed: 'agreement',
    };
    const lines = (await deployment.lines('test/sockets/swarm.ts', plan, controller.signal)) as (
      | LoadCall
      | SwarmSummary
    )[];
    const calls = lines.filter((line): line is LoadCall => 'outcome' in line);
    const summary = lines.find((line): line is SwarmSummary => 'attachments' in line);
    if (!summary) throw new Error('the swarm ended without a summary');
    return { calls, summary };
  } finally {
    await deployment.stop();
  }
}

function zoneOf({ attachments: attachmentsPerClient, mode: assignment }: Options) {
  const params = { clientsPerChannel: CLIENTS_PER_CHANNEL, meshCellsPerTick: 64, attachmentsPerClient, assignment };
  return { name: 'eu', superpeers: SUPERPEERS, channelsPerSuperpeer: channelsFor(attachmentsPerClient), params };
}

function loadOf({ seconds, callsPerSecond }: Options): LoadPlan {
  return { seconds, callsPerSecond, holdSeconds: HOLD_SECONDS, patienceSeconds: PATIENCE_SECONDS };
}

/** The same load on the same roles with virtual time. */
function simulated(options: Options): LoadCall[] {
  return Array.from({ length: SIMULATIONS }, (_value, index) => {
    process.stderr.write(`simulation ${index + 1} of ${SIMULATIONS}\n`);
    return simulateLoad(`agreement-${index}`, zoneOf(options), CLIENTS, loadOf(options));
  }).flat();
}

function channelsFor(attachments: number): number {
  return Math.ceil((CLIENTS * attachments * SLACK) / CLIENTS_PER_CHANNEL / SUPERPEERS);
}

/** Wilson's 95 % interval of a share. */
function interval(hits: number, of: number): readonly [number, number] {
  const p = hits / of;
  const centre = p + Z_95 ** 2 / (2 * of);
  const half = Z_95 * Math.sqrt((p * (1 - p)) / of + Z_95 ** 2 / (4 * of * of));
  const scale = 1 + Z_95 ** 2 / of;
  return [(centre - half) / scale, (centre + half) / scale];
}

function modelled(options: Options, setUpSeconds: number): BlockingResult[] {
  return Array.from({ length: MODEL_RUNS }, (_value, index) => {
    const random = new SeededRandom(`agreement-${index}`);
    return simulateBlocking({
      clients: CLIENTS,
      clientsPerChannel: CLIENTS_PER_CHANNEL,
      attachments: options.attachments,
      superpeers: SUPERPEERS,
      channelsPerSuperpeer: channelsFor(options.attachments),
      mode: options.mode,
      // As long as the daemons' run, and like it from an empty zone.
      seconds: options.seconds,
      callsPerSecond: options.callsPerSecond,
      holdSeconds: HOLD_SECONDS,
      patienceSeconds: PATIENCE_SECONDS,
      ringSeconds: setUpSeconds / 2,
      ringAgainSeconds: RING_AGAIN_SECONDS,
      answerSeconds: setUpSeconds / 2,
      releaseSeconds: RELEASE_SECONDS,
      calleeReleaseSeconds: RELEASE_SECONDS - 0.5 + setUpSeconds / 2,
      movePauseSeconds: MOVE_PAUSE_SECONDS,
      random: () => random.next(),
    });
  });
}

async function main(): Promise<number> {
  const options = readOptions();
  const { calls, summary } = await measure(options);
  const setUps = calls.flatMap(({ setUpMs }) => (setUpMs === undefined ? [] : [setUpMs])).sort((a, b) => a - b);
  const setUpSeconds = setUps[setUps.length >> 1]! / 1000;
  const simulation = simulated(options);
  const model = modelled(options, setUpSeconds);
  const modelShare = (of: (run: BlockingResult) => number) =>
    model.reduce((sum, run) => sum + of(run) / run.placed, 0) / model.length;
  const sides = [
    { side: 'caller', outcome: 'no-channel', model: modelShare((run) => run.callerBlocked) },
    { side: 'callee', outcome: 'not-answered', model: modelShare((run) => run.calleeBlocked) },
  ].map(({ side, outcome, model }) => {
    const count = (among: readonly LoadCall[]) => among.filter((call) => call.outcome === outcome).length;
    const [least, most] = interval(count(calls), calls.length);
    const predicted = count(simulation) / simulation.length;
    const agrees = predicted >= least && predicted <= most;
    return {
      side,
      blocked: count(calls),
      measured: count(calls) / calls.length,
      least,
      most,
      predicted,
      agrees,
      model,
    };
  });
  const { attachments, mode } = options;
  const result = {
    attachments,
    mode,
    calls: calls.length,
    simulatedCalls: simulation.length,
    lost: calls.filter(({ outcome }) => outcome === 'lost').length,
    setUpMsP50: setUpSeconds * 1000,
    summary,
    sides,
  };
  if (options.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `k = ${attachments}, ${mode}: ${calls.length} calls, set-up ${result.setUpMsP50} ms, ${result.lost} lost; ${JSON.stringify(summary)}`,
    );
    for (const { side, measured, least, most, predicted, agrees, model } of sides) {
      const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
      const verdict = agrees ? 'agrees' : 'DIFFERS';
      console.log(
        `${side} blocked ${percent(measured)} [${percent(least)}, ${percent(most)}], simulated ${percent(predicted)}: ${verdict}; model ${percent(model)}`,
      );
    }
  }
  return sides.every(({ agrees }) => agrees) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
