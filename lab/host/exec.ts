import { execFile } from 'node:child_process';

/** Where programs are looked for: root's shell does not always have the system administrator's directories. */
export const programPath = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

export interface ExecOptions {
  cwd?: string;
  /** Added to this process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Written to the command's standard input, which is then closed. */
  input?: string;
  /** Called with each line that the command writes to standard output or error, for progress. */
  onLine?: (line: string) => void;
}

/**
 * Runs a command to its end and returns its standard output.
 * Throws an error that carries the command line and the end of what the command wrote.
 */
export function exec(command: string, args: readonly string[], options: ExecOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      { cwd: options.cwd, env: { ...process.env, PATH: programPath, ...options.env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const said = (stderr.trim() || stdout.trim() || error.message).slice(-2000);
        reject(new Error(`${command} ${args.join(' ')}: ${said}`));
      },
    );
    if (options.onLine) {
      const report = (chunk: string) => chunk.split('\n').filter(Boolean).forEach(options.onLine!);
      child.stdout?.on('data', report);
      child.stderr?.on('data', report);
    }
    child.stdin?.on('error', () => {}); // A command that ends before reading its input reports why by its status.
    child.stdin?.end(options.input ?? '');
  });
}
