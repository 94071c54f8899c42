import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { installPackages, missingTestPackages } from '../lab/host/packages.ts';
import { checkPrerequisites, describeProblems } from '../lab/host/prerequisites.ts';
import { Progress } from '../lab/host/progress.ts';
import { buildKubernetes } from '../lab/kubernetes/build.ts';

/**
 * `npm test`: types and lint, then everything that needs no cluster, then what needs a real Kubernetes, where the
 * machine can run one. Says at the end how many tests passed and failed, over all of them.
 *
 *   npm test              all
 *   npm test -- --fast    without a cluster
 */
const root = path.join(import.meta.dirname, '..');
const FAST = ['unit', 'sim', 'fuzz', 'vectors'];
/** Daemons as processes, one file after the other: they need the machine for themselves. */
const WITH_SOCKETS = ['sockets'];
/** A file that hangs, in a test or with a handle that keeps it from ending, is a failure, not the end of the run. */
const FILE_MS_MAX = 15 * 60_000;
/** All those without sockets and cluster, side by side. */
const FAST_MS_MAX = 30 * 60_000;
/** From a test that is out of time to the end of its file: what it began is still to be stopped. */
const STOP_MS_MAX = 60_000;
const WITH_KUBERNETES = ['kube', 'e2e'];

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

function testFiles(folders: readonly string[]): string[] {
  return folders.flatMap((folder) => {
    const directory = path.join(root, 'test', folder);
    try {
      return readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.test.ts'))
        .map((file) => path.join('test', folder, file))
        .sort();
    } catch {
      return [];
    }
  });
}

/** Runs a command with its output shown; its exit code. */
function command(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)));
}

/** Each file alone, one after the other. */
async function eachAlone(files: readonly string[], env: Record<string, string>): Promise<Tally> {
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    console.log(`${file}, after ${Math.round(performance.now() / 1000)} s`);
    add(total, await suite([file], env, FILE_MS_MAX));
  }
  return total;
}

/** Runs test files and counts; files that die without a count, or go on for too long, are a failure. */
function suite(files: readonly string[], env: Record<string, string>, msMax: number): Promise<Tally> {
  const args = ['--test', '--test-reporter=spec', `--test-timeout=${FILE_MS_MAX}`, ...files];
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    detached: true,
  });
  // Alone it would not end what it started: its group is what this run began, and nothing else.
  const signal = (name: NodeJS.Signals) => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // The group has ended, and somebody outside it still holds its output.
      child.stdout.destroy();
    }
  };
  const stop = () => signal('SIGTERM');
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    stop();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  let late = false;
  const timers = [
    setTimeout(() => {
      late = true;
      stop();
    }, msMax + STOP_MS_MAX),
    setTimeout(() => signal('SIGKILL'), msMax + 2 * STOP_MS_MAX),
  ];
  let tail = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text);
    tail = (tail + text).slice(-200_000);
  });
  return new Promise((resolve) => {
    child.on('close', (code) => {
      timers.forEach(clearTimeout);
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      if (interrupted) process.exit(130);
      if (late) console.log(`✖ still running after ${msMax / 60_000} min: ${files.join(' ')}`);
      const count = (name: string) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(tail)?.[1] ?? 0);
      const failed = count('fail') + count('cancelled');
      resolve({ passed: count('pass'), failed: code !== 0 && failed === 0 ? 1 : failed, skipped: count('skipped') });
    });
  });
}

function add(total: Tally, more: Tally): void {
  total.passed += more.passed;
  total.failed += more.failed;
  total.skipped += more.skipped;
}

async function main(): Promise<number> {
  const total: Tally = { passed: 0, failed: 0, skipped: 0 };
  const bin = (name: string) => path.join(root, 'node_modules', '.bin', name);
  const fastOnly = process.argv.includes('--fast');
  const prerequisites = fastOnly ? undefined : await checkPrerequisites();
  const canRunCluster = prerequisites !== undefined && prerequisites.problems.length === 0;
  const progress = new Progress(process.stderr);
  if (canRunCluster && prerequisites.packages.length > 0) await installPackages(prerequisites.packages, progress);
  // Who may not install leaves tests out that need it; in CI they fail (test/unit/monitoring/promtool.ts).
  const packages = process.getuid?.() === 0 ? await missingTestPackages() : [];
  if (packages.length > 0) await installPackages(packages, progress).catch((error) => console.log(String(error)));
  // Without it everything would still run, on the slower twin, and the native part would go untested.
  const native = ['sh', path.join(root, 'nodes', 'native', 'build.sh')];
  for (const check of [native, [bin('tsc')], [bin('biome'), 'ci', '--error-on-warnings']]) {
    const [program, ...args] = check;
    add(
      total,
      (await command(program!, args)) === 0
        ? { passed: 1, failed: 0, skipped: 0 }
        : { passed: 0, failed: 1, skipped: 0 },
    );
  }
  add(total, await suite(testFiles(FAST), {}, FAST_MS_MAX));
  if (!fastOnly) add(total, await eachAlone(testFiles(WITH_SOCKETS), {}));
  if (canRunCluster) {
    const binaries = await buildKubernetes(progress);
    const folders = ['kube-apiserver', 'etcd'].map((program) => path.dirname(binaries.path(program)));
    const env = { HERD_KUBERNETES_BIN: folders.join(':') };
    add(total, await eachAlone(testFiles(WITH_KUBERNETES), env));
  } else if (!fastOnly) {
    const files = testFiles(WITH_KUBERNETES);
    console.log(`Left out, since this machine cannot run a cluster: ${files.join(', ')}`);
    console.log(describeProblems(prerequisites!.problems));
    total.skipped += files.length;
    // In CI the end-to-end test must have run: a machine that cannot is a failure, not an excuse.
    if (process.env.CI) total.failed += 1;
  }
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
