import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { list } from '../herd/deploy.ts';
import { elapsed, Progress } from '../host/progress.ts';
import { openRun, type Run } from '../host/run.ts';
import { prepareMachine } from '../local-cluster.ts';
import { GAP_MS } from './callers.ts';
import { startWithCalls } from './start.ts';
import { steps } from './steps.ts';

/**
 * Disturbs the local cluster for half an hour while calls stand between its zones, and says what the calls noticed:
 *
 *   npm run chaos -- [--calls 20] [--only N,N] [--report FILE.json]
 *
 * Exit code 0: no call was dropped or silent for more than 150 ms by a step that the operator or its user chose, and all
 * zones are Ready at the end.
 */
interface Options {
  readonly calls: number;
  /** Numbers of steps. */
  readonly only: readonly number[];
  readonly report: string | undefined;
}

interface Row {
  readonly step: string;
  readonly chosen: boolean;
  readonly seconds: number;
  /** Why the cluster did not come to rest. */
  readonly failure: string | undefined;
  /** Of both ends of all calls, in the step and the time to breathe after it. */
  readonly gaps: number;
  readonly longestMs: number;
  readonly dropped: number;
  /** When the time to breathe was over. */
  readonly callsUp: number;
}

/** After each step. */
const BREATH_MS = 30_000;

async function main({ calls, only, report }: Options): Promise<number> {
  const progress = new Progress(process.stderr);
  if (!(await prepareMachine(progress))) return 1;
  const run = await openRun();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void run.close());
  try {
    const { rows, ready } = await disturb(run, calls, only, progress);
    console.log(table(rows));
    if (report) await writeFile(report, `${JSON.stringify({ calls, ready, steps: rows }, null, 2)}\n`);
    const noticed = rows.filter((row) => row.chosen && (row.gaps + row.dropped > 0 || row.callsUp < calls));
    for (const { step } of noticed) console.error(`Calls noticed: ${step}`);
    for (const { step, failure } of rows) if (failure !== undefined) console.error(`Failed: ${step}: ${failure}`);
    console.log(ready ? 'All zones are Ready.' : 'Not all zones are Ready.');
    return noticed.length === 0 && ready && rows.every(({ failure }) => failure === undefined) ? 0 : 1;
  } catch (error) {
    console.error(run.closed ? 'Stopped before all was through.' : `Failed: ${(error as Error).message}`);
    return 1;
  } finally {
    await progress.step('Taking everything down', () => run.close());
  }
}

async function disturb(run: Run, calls: number, only: readonly number[], progress: Progress) {
  const { chaos, callers } = await startWithCalls(run, calls, calls, progress);
  const { kubectl, check } = chaos;
  const rows: Row[] = [];
  for (const [index, { name, chosen, go }] of steps.entries()) {
    if (only.length > 0 && !only.includes(index)) continue;
    const from = performance.now();
    callers.clear();
    let failure: string | undefined;
    await progress
      .step(name, async (step) => {
        await go(chaos, step);
        step.detail('a breath');
        await sleep(BREATH_MS);
      })
      .catch((error: Error) => {
        // What the steps before have shown is not lost by it.
        failure = error.message;
      });
    check();
    const seconds = Math.round((performance.now() - from) / 1000);
    rows.push({ step: name, chosen, seconds, failure, ...callers.noticed() });
    progress.say(line(rows.at(-1)!));
  }
  const zones = await list(kubectl, 'zones');
  const ready = zones.every(({ status }) => status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True'));
  return { rows, ready };
}

function line({ step, chosen, seconds, gaps, longestMs, dropped, callsUp }: Row): string {
  const noticed = gaps === 0 ? `no silence over ${GAP_MS} ms` : `${gaps} silences, the longest ${longestMs} ms`;
  return `${chosen ? 'chosen' : 'fault '}  ${step}: ${elapsed(1000 * seconds)}, ${noticed}, ${dropped} ends dropped, ${callsUp} calls up`;
}

const table = (rows: readonly Row[]): string => rows.map(line).join('\n');

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      calls: { type: 'string', default: '20' },
      only: { type: 'string', default: '' },
      report: { type: 'string' },
    },
  });
  const calls = Number(values.calls);
  const only = values.only === '' ? [] : values.only.split(',').map(Number);
  const problems = [
    ...(Number.isInteger(calls) && calls >= 1 && calls <= 50 ? [] : ['--calls must be a whole number from 1 to 50']),
    ...(only.every((n) => Number.isInteger(n) && n >= 0 && n < steps.length)
      ? []
      : [`--only must be numbers of steps, from 0 to ${steps.length - 1}`]),
  ];
  if (problems.length > 0) {
    console.error(problems.join('\n'));
    for (const [index, { name }] of steps.entries()) console.error(`  ${index}  ${name}`);
    process.exit(2);
  }
  return { calls, only, report: values.report };
}

process.exitCode = await main(readOptions());
