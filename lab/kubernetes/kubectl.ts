import { spawn } from 'node:child_process';
import type { Kubectl } from '../calls/client.ts';

/** Runs one kubectl against one cluster; a failure is a code, not a throw. */
export function kubectlRunner(program: string, clusterArgs: readonly string[]): Kubectl {
  return (args, { input, signal }) =>
    new Promise((resolve) => {
      const child = spawn(program, [...clusterArgs, ...args], {
        stdio: ['pipe', 'pipe', 'pipe'],
        ...(signal && { signal }),
      });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      // A program that ends before it has read its input says why by its code.
      child.stdin.on('error', () => {});
      child.on('error', (error) => resolve({ stdout, stderr: error.message, code: -1 }));
      child.on('close', (code) => resolve({ stdout, stderr, code: code ?? -1 }));
      child.stdin.end(input ?? '');
    });
}

/** Runs kubectl and returns what it printed; throws with what it said on failure. */
export async function run(kubectl: Kubectl, args: string[], input?: string): Promise<string> {
  const { stdout, stderr, code } = await kubectl(args, input === undefined ? {} : { input });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${(stderr || stdout).trim().slice(-2000)}`);
  return stdout;
}
