/** The process of kubectl-herd. */
import { readFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { sleep } from '../operator/kube/backoff.ts';
import { messageOf } from '../operator/kube/errors.ts';
import { Failure } from './failures.ts';
import { runCommand } from './run.ts';

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

/** @throws Failure that names the option */
async function file<T>(name: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    throw new Failure('usage', `--file ${name}: ${messageOf(error)}`);
  }
}

process.exitCode = await runCommand(process.argv.slice(2), {
  env: process.env,
  terminal: {
    out: (line) => process.stdout.write(line),
    err: (line) => process.stderr.write(line),
    ask: process.stdin.isTTY ? ask : undefined,
    readFile: (name) => file(name, () => (name === '-' ? text(process.stdin) : readFile(name, 'utf8'))),
    // Nobody else's to read, and nothing is written over.
    writeFile: (name, content) => file(name, () => writeFile(name, content, { mode: 0o600, flag: 'wx' })),
  },
  now: Date.now,
  sleep,
});
