/** What the exit code says. */
export const exitCodes = {
  ok: 0,
  /** Something is wrong with what was looked at, or nobody agreed to what was to be done. */
  wrong: 1,
  /** The arguments. */
  usage: 2,
  /** No kubeconfig, no such context, no answer from the API server, or it does not know the user. */
  unreachable: 3,
  /** The API server has no such object, or refuses what is asked. */
  refused: 4,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends the command with this code, and these lines on the standard error. */
export class Failure extends Error {
  readonly code: ExitCode;
  readonly problems: readonly string[];

  constructor(code: keyof typeof exitCodes, ...problems: string[]) {
    super(problems.join('\n'));
    this.code = exitCodes[code];
    this.problems = problems;
  }
}
