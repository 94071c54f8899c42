import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startWithCalls } from '../chaos/start.ts';
import { installPackages, missingObservePackages } from '../host/packages.ts';
import { elapsed, Progress } from '../host/progress.ts';
import { openRun, type Run } from '../host/run.ts';
import { waitFor } from '../host/wait.ts';
import { prepareMachine } from '../local-cluster.ts';
import { type AlertStory, alertStories } from './alerts.ts';
import { type Answers, draw } from './draw.ts';
import { parts } from './faults.ts';
import { type Answer, answered, answers } from './panels.ts';
import { deployProbes, PROBE_CALLS } from './probes.ts';
import { type Prometheus, type Span, scrapeSeconds, startPrometheus } from './prometheus.ts';

/**
 * A real Prometheus watches the local cluster while calls stand, a superpeer dies and a region is parted from the others:
 *
 *   npm run observe -- [--minutes 12] [--pace 5] [--report FOLDER]
 *
 * Exit code 0: every query of every dashboard has an answer, and the alerts that the disturbances must raise have fired and
 * cleared. FOLDER gets the dashboards as pictures, what was found (report.json) and what they are drawn from (answers.json).
 *
 * Nodes are read once a minute and alerts wait for a quarter of an hour: `--pace 5` does both five times faster. The windows
 * of rules, and the objectives' alerts, which wait for nothing, are the real ones.
 */
interface Options {
  readonly minutes: number;
  readonly pace: number;
  readonly report: string;
}

const CALLS = 3;
/** For alerts to clear, after the run. */
const CLEAR_MS_MAX = 240_000;
const TARGETS_MS_MAX = 90_000;

/** What the disturbances must raise, and why; of an objective the alert with the shortest windows. */
const expected: readonly { readonly alert: string; readonly window?: string; readonly why: string }[] = [
  { alert: 'HerdTargetDown', why: 'the superpeer, and what is in the parted region' },
  { alert: 'HerdLinksDown', why: 'links to the superpeer and into the parted region' },
  { alert: 'HerdProbeCallsFailing', window: '1h', why: 'nobody in the parted region can be called' },
  {
    alert: 'HerdDirectoryStale',
    window: '1h',
    why: 'a zone’s directory is in the parted region, and nodes outside it',
  },
];

const isExpected = (story: AlertStory) =>
  expected.some(({ alert, window }) => alert === story.alert && window === story.window);

interface Report {
  readonly minutes: number;
  readonly pace: number;
  readonly scrapeSeconds: number;
  readonly targets: number;
  /** Of the run itself: what it could not do. */
  readonly failures: readonly string[];
  readonly events: Answers['events'];
  readonly alerts: readonly AlertStory[];
  readonly queries: readonly Answer[];
}

async function main({ minutes, pace, report: folder }: Options): Promise<number> {
  const progress = new Progress(process.stderr);
  if (!(await prepareMachine(progress))) return 1;
  const packages = await missingObservePackages();
  if (packages.length > 0) await installPackages(packages, progress);
  const run = await openRun();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void run.close());
  try {
    const { report, drawn } = await observe(run, minutes, pace, progress);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    await writeFile(path.join(folder, 'answers.json'), JSON.stringify(drawn));
    const isWell = tell(report);
    await progress.step('Drawing the dashboards', () => draw(folder, drawn));
    return isWell ? 0 : 1;
  } catch (error) {
    console.error(run.closed ? 'Stopped before all was through.' : `Failed: ${(error as Error).message}`);
    return 1;
  } finally {
    await progress.step('Taking everything down', () => run.close());
  }
}

async function observe(run: Run, minutes: number, pace: number, progress: Progress) {
  const { cluster, chaos } = await startWithCalls(run, CALLS, CALLS + PROBE_CALLS, progress);
  await progress.step('Probes are attached', () => deployProbes(chaos));
  const prometheus = await startPrometheus(run, cluster, chaos.kubectl, pace);
  const failures: string[] = [];
  const failed = (error: Error) => void failures.push(error.message);
  await progress.step('Prometheus reads all', () => allUp(run, prometheus)).catch(failed);
  const start = Math.floor(Date.now() / 1000);
  const step = scrapeSeconds(pace);
  const events: { at: number; text: string }[] = [];
  const happened = (text: string) => events.push({ at: Math.round(Date.now() / 1000), text });
  for (const { name, share, go, over } of parts) {
    const ms = share * minutes * 60_000;
    if (over) happened(name);
    // What was seen until then is not lost by it.
    await progress.step(`${name} (${elapsed(ms)})`, () => go(chaos, ms)).catch(failed);
    if (over) happened(over);
    run.check();
  }
  const span = (): Span => ({ start, end: Math.floor((Date.now() / 1000 - start) / step) * step + start, step });
  const stories = () => alertStories(prometheus, span(), pace);
  await progress.step('Alerts clear', async (shown) => {
    for (const end = performance.now() + CLEAR_MS_MAX; performance.now() < end; ) {
      const standing = (await stories()).filter(
        (story) => isExpected(story) && story.fired.some(({ cleared }) => cleared === undefined),
      );
      if (standing.length === 0) return;
      shown.detail(standing.map(({ alert }) => alert).join(', '));
      run.check();
      await new Promise((resolve) => setTimeout(resolve, step * 1000));
    }
  });
  const alerts = await stories();
  const last = span();
  const all = await answered(prometheus, last, step, 'all');
  const drawings = await answered(prometheus, last, step, 'pictures');
  const report: Report = {
    minutes: Math.round((last.end - start) / 6) / 10,
    pace,
    scrapeSeconds: step,
    targets: (await prometheus.targets()).length,
    failures,
    events: events.map(({ at, text }) => ({ at: at - start, text })),
    alerts: alerts.map(({ fired, ...story }) => ({
      ...story,
      fired: fired.map(({ of, at, cleared }) => ({ of, at: at - start, cleared: cleared && cleared - start })),
    })),
    queries: answers(all),
  };
  return { report, drawn: { span: last, events, drawings } };
}

/** @throws naming those that have not answered in time */
const allUp = (run: Run, prometheus: Prometheus) =>
  waitFor(run, 'all targets', TARGETS_MS_MAX, async () => {
    const targets = await prometheus.targets();
    const down = targets.filter(({ health }) => health !== 'up');
    if (targets.length > 0 && down.length === 0) return true;
    throw new Error(down.map(({ labels, lastError }) => `${labels.job} ${labels.instance} ${lastError}`).join('; '));
  });

/** @returns whether all is as it has to be */
function tell({ alerts, queries, minutes, pace, targets, failures }: Report): boolean {
  const title = ({ alert, window }: { alert: string; window?: string }) => (window ? `${alert} (${window})` : alert);
  const silent = queries.filter(({ series, because }) => series === 0 && because === undefined);
  const problems = [...failures, ...silent.map(({ panel, expr }) => `No data: ${panel}: ${expr}`)];
  for (const { alert, window, why } of expected) {
    const story = alerts.find((one) => one.alert === alert && one.window === window)!;
    if (story.fired.length === 0) problems.push(`Did not fire: ${title(story)}: ${why}`);
    else if (story.fired.some(({ cleared }) => cleared === undefined)) problems.push(`Did not clear: ${title(story)}`);
  }
  console.log(`${minutes} minutes, ${targets} targets read every ${scrapeSeconds(pace)} s.`);
  console.log(`${queries.length - silent.length} of ${queries.length} queries have data or need none:`);
  for (const { panel, because } of queries) if (because !== undefined) console.log(`  ${panel}: none, ${because}`);
  for (const story of alerts) {
    const { fired, forSeconds } = story;
    if (fired.length === 0) continue;
    const first = Math.min(...fired.map(({ at }) => at));
    const left = fired.filter(({ cleared }) => cleared === undefined).length;
    const end = left > 0 ? `${left} still fire` : `cleared at ${Math.max(...fired.map((f) => f.cleared!))} s`;
    console.log(
      `  ${title(story)} (pending ${forSeconds} s, ${story.for || 'at once'} in the rules): ${fired.length} fired, the first at ${first} s, ${end}`,
    );
  }
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '12' },
      pace: { type: 'string', default: '5' },
      report: { type: 'string', default: 'observed' },
    },
  });
  const [minutes, pace] = [Number(values.minutes), Number(values.pace)];
  const problems = [
    ...(minutes >= 2 && minutes <= 600 ? [] : ['--minutes must be a number from 2 to 600']),
    ...(pace >= 1 && pace <= 12 ? [] : ['--pace must be a number from 1 to 12']),
  ];
  if (problems.length > 0) {
    console.error(problems.join('\n'));
    process.exit(2);
  }
  return { minutes, pace, report: values.report };
}

process.exitCode = await main(readOptions());
