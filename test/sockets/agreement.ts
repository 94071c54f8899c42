import { parseArgs } from 'node:util';
import { type BlockingResult, simulateBlocking } from '../../evaluation/blocking/simulate.ts';
import { SeededRandom } from '../sim/random.ts';
import { Deployment } from './deployment.ts';
import type { SwarmCall, SwarmPlan, SwarmSummary } from './swarm.ts';

/**
 * Whether the simulator of blocking and the real daemons agree (network.md 6, case 25): 200 clients, n = 10, the same
 * load on both; the simulator's share of blocked calls must lie in the 95 % interval of the daemons' run.
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
const SIMULATIONS = 200;
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

async function measure(options: Options): Promise<{ calls: SwarmCall[]; summary: SwarmSummary }> {
  const { attachments: attachmentsPerClient, mode, seconds, callsPerSecond } = options;
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Error('interrupted')));
  const deployment = new Deployment();
  try {
    const params = {
      clientsPerChannel: CLIENTS_PER_CHANNEL,
      meshCellsPerTick: 64,
      attachmentsPerClient,
      assignment: mode,
    } as const;
    const channelsPerSuperpeer = channelsFor(attachmentsPerClient);
    await deployment.start([{ name: 'eu', superpeers: SUPERPEERS, channelsPerSuperpeer, params }], controller.signal);
    const plan: SwarmPlan = {
      zones: [{ ...deployment.zones[0]!, clients: CLIENTS }],
      firstPort: 30_000,
      seconds,
      callsPerSecond,
      holdSeconds: HOLD_SECONDS,
      patienceSeconds: PATIENCE_SECONDS,
      seed: 'agreement',
    };
    const lines = await linesOf(deployment.run('test/sockets/swarm.ts', plan), controller.signal);
    const calls = lines.filter((line): line is SwarmCall => 'outcome' in line);
    const summary = lines.find((line): line is SwarmSummary => 'attachments' in line);
    if (!summary) throw new Error('the swarm ended without a summary');
    return { calls, summary };
  } finally {
    await deployment.stop();
  }
}

function channelsFor(attachments: number): number {
  return Math.ceil((CLIENTS * attachments * SLACK) / CLIENTS_PER_CHANNEL / SUPERPEERS);
}

function linesOf(child: ReturnType<Deployment['run']>, signal: AbortSignal): Promise<(SwarmCall | SwarmSummary)[]> {
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  signal.addEventListener('abort', () => child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code !== 0) return reject(new Error(`the swarm ended with ${code}`));
      resolve(
        text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)),
      );
    });
  });
}

/** Wilson's 95 % interval of a share. */
function interval(hits: number, of: number): readonly [number, number] {
  const p = hits / of;
  const centre = p + Z_95 ** 2 / (2 * of);
  const half = Z_95 * Math.sqrt((p * (1 - p)) / of + Z_95 ** 2 / (4 * of * of));
  const scale = 1 + Z_95 ** 2 / of;
  return [(centre - half) / scale, (centre + half) / scale];
}

function simulated(options: Options, setUpSeconds: number): BlockingResult[] {
  return Array.from({ length: SIMULATIONS }, (_value, index) => {
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
  const runs = simulated(options, setUpSeconds);
  const count = (outcome: SwarmCall['outcome']) => calls.filter((call) => call.outcome === outcome).length;
  const sides = [
    { side: 'caller', blocked: count('no-channel'), model: (run: BlockingResult) => run.callerBlocked / run.placed },
    { side: 'callee', blocked: count('not-answered'), model: (run: BlockingResult) => run.calleeBlocked / run.placed },
  ].map(({ side, blocked, model }) => {
    const [least, most] = interval(blocked, calls.length);
    const predicted = runs.reduce((sum, run) => sum + model(run), 0) / runs.length;
    return {
      side,
      blocked,
      measured: blocked / calls.length,
      least,
      most,
      predicted,
      agrees: predicted >= least && predicted <= most,
    };
  });
  const { attachments, mode } = options;
  const result = {
    attachments,
    mode,
    calls: calls.length,
    lost: count('lost'),
    setUpMsP50: setUpSeconds * 1000,
    summary,
    sides,
  };
  if (options.json) console.log(JSON.stringify(result));
  else {
    console.log(
      `k = ${attachments}, ${mode}: ${calls.length} calls, set-up ${result.setUpMsP50} ms, ${result.lost} lost; ${JSON.stringify(summary)}`,
    );
    for (const { side, measured, least, most, predicted, agrees } of sides) {
      const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
      const verdict = agrees ? 'agrees' : 'DIFFERS';
      console.log(
        `${side} blocked ${percent(measured)} [${percent(least)}, ${percent(most)}], simulated ${percent(predicted)}: ${verdict}`,
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
