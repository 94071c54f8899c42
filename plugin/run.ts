/** The command: arguments → cluster → verb → exit code. */
import { KubeClient } from '../operator/kube/client.ts';
import { ApiError, messageOf } from '../operator/kube/errors.ts';
import { type Command, parseArguments, usage, type Verb } from './arguments.ts';
import { drain, undrain } from './drain.ts';
import { type ExitCode, exitCodes, Failure } from './failures.ts';
import { type Environment, type Place, placeOf, type Wanted } from './kubeconfig.ts';
import { pause, resume } from './pause.ts';
import { plan } from './plan/plan.ts';
import { report } from './report/report.ts';
import { rotate } from './rotate.ts';
import type { Session, Terminal } from './session.ts';
import { status } from './status.ts';
import { approve, quarantine, readmit, receipts } from './superpeer.ts';
import { topology } from './topology.ts';
import { verify } from './verify/verify.ts';

type RunVerb = (session: Session, command: Command) => Promise<ExitCode>;

const run: Record<Verb, RunVerb> = {
  drain,
  pause,
  plan,
  report,
  resume,
  rotate,
  status,
  'superpeer approve': approve,
  'superpeer quarantine': quarantine,
  'superpeer readmit': readmit,
  'superpeer receipts': receipts,
  topology,
  undrain,
  verify,
};

/** All that reaches out of the process. */
export interface Rim {
  readonly env: Environment;
  readonly terminal: Terminal;
  readonly now: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  /** In place of what pods and Services answer; by default the API server's proxy is asked. */
  readonly viaProxy?: Session['viaProxy'];
  readonly placeOf?: (wanted: Wanted, env: Environment) => Promise<Place>;
}

export const userAgent = 'kubectl-herd';

export async function runCommand(argv: readonly string[], rim: Rim): Promise<ExitCode> {
  const { terminal } = rim;
  const parsed = parseArguments(argv);
  if ('help' in parsed) {
    terminal.out(usage(parsed.help));
    return exitCodes.ok;
  }
  if ('problems' in parsed) {
    return complain(terminal, exitCodes.usage, [...parsed.problems, 'see kubectl herd --help']);
  }
  try {
    return await onCluster(parsed.command, rim);
  } catch (error) {
    if (error instanceof Failure) return complain(terminal, error.code, error.problems);
    if (error instanceof ApiError && error.code !== 401)
      return complain(terminal, exitCodes.refused, [`the API server refuses: ${error.message}`]);
    return complain(terminal, exitCodes.unreachable, [`the API server: ${reasonOf(error)}`]);
  }
}

async function onCluster(command: Command, rim: Rim): Promise<ExitCode> {
  const place = await (rim.placeOf ?? placeOf)(command, rim.env);
  const client = new KubeClient(place.cluster, { userAgent });
  try {
    return await run[command.verb](
      {
        client,
        viaProxy: rim.viaProxy ?? ((path) => client.read(path)),
        terminal: rim.terminal,
        namespace: command.allNamespaces ? undefined : (command.namespace ?? place.namespace),
        now: rim.now,
        sleep: rim.sleep,
      },
      command,
    );
  } finally {
    await client.close();
  }
}

function complain(terminal: Terminal, code: ExitCode, problems: readonly string[]): ExitCode {
  for (const problem of problems) terminal.err(`kubectl herd: ${problem}\n`);
  return code;
}

/** Of several addresses that were tried each has its own. */
function reasonOf(error: unknown): string {
  const { cause, errors } = error as { cause?: unknown; errors?: unknown[] };
  const inner = errors?.length ? errors.map(messageOf).join(', ') : '';
  return [messageOf(error), inner, cause ? messageOf(cause) : ''].filter((text) => text !== '').join(': ');
}
