/** One client pod, driven from outside by `kubectl exec`. Its image has no shell: every command is a run of node. */
import { z } from 'zod';

/** Runs kubectl. `signal` asks to stop it: the answer no longer matters. */
export type Kubectl = (
  args: string[],
  options: { input?: string; signal?: AbortSignal },
) => Promise<{ stdout: string; stderr: string; code: number }>;

export interface ClientPod {
  readonly zone: string;
  readonly namespace: string;
  readonly pod: string;
  /** The container that runs the client. */
  readonly container: string;
  readonly ip: string;
  /** The container beside it that runs `direct-echo.ts serve`, and its UDP port. */
  readonly echo: { readonly container: string; readonly port: number };
}

const status = z.object({ attached: z.boolean(), contact: z.string().startsWith('herd:') });

const callReport = z.object({
  setupMs: z.number().nonnegative(),
  /** Measured once a second, as by the paper's active clients. */
  seconds: z.array(z.object({ oneWayMs: z.number().nullable(), lossRatio: z.number(), rttMs: z.number().nullable() })),
  oneWayMsMedian: z.number(),
  /** Lost and late frames per frame expected. */
  lossRatio: z.number().min(0).max(1),
  playoutDelayMs: z.number().nonnegative(),
  frames: z.object({ expected: z.number(), received: z.number(), late: z.number() }),
});
export type CallReport = z.infer<typeof callReport>;

const directDelay = z.object({ oneWayMs: z.number().nonnegative(), sent: z.number(), received: z.number() });
export type DirectDelay = z.infer<typeof directDelay>;

const PROBES = 20;
const ANSWER_MS_MAX = 20_000;
/** Set-up, hanging up and kubectl itself, on top of the talk. */
const CALL_OVERHEAD_MS_MAX = 30_000;

/** Saves base64 text from stdin. Told its length, it need not see the end of the stream, which kubectl may hold back. */
const SAVE = `let text = '';
process.stdin.setEncoding('latin1').on('data', (part) => {
  text += part;
  if (text.length < Number(process.argv[2])) return;
  require('node:fs').writeFileSync(process.argv[1], Buffer.from(text, 'base64'));
  process.exit();
});`;
const LOAD = `process.stdout.write(require('node:fs').readFileSync(process.argv[1], 'base64'))`;

/** Whether the client is attached to its zone, and the contact to call it by. */
export async function clientStatus(kubectl: Kubectl, client: ClientPod): Promise<z.infer<typeof status>> {
  return parse(status, await exec(kubectl, client, ['nodes/client/ctl.ts', 'status'], {}));
}

/** Gives the client the recording that it plays to whoever calls. */
export async function setVoicemail(kubectl: Kubectl, client: ClientPod, wav: Buffer): Promise<void> {
  const file = '/tmp/voicemail.wav';
  const input = wav.toString('base64');
  await exec(kubectl, client, ['-e', SAVE, file, `${input.length}`], { input });
  await exec(kubectl, client, ['nodes/client/ctl.ts', 'voicemail', file], {});
}

/** Calls the contact, listens for so many seconds, and returns what the client measured and what it heard (WAV). */
export async function placeCall(
  kubectl: Kubectl,
  client: ClientPod,
  contact: string,
  seconds: number,
): Promise<{ report: CallReport; heard: Buffer }> {
  const file = '/tmp/heard.wav';
  const args = ['nodes/client/ctl.ts', 'call', contact, '--seconds', `${seconds}`, '--record', file];
  const timeoutMs = 1000 * seconds + CALL_OVERHEAD_MS_MAX;
  const report = parse(callReport, await exec(kubectl, client, args, { timeoutMs }));
  return { report, heard: Buffer.from(await exec(kubectl, client, ['-e', LOAD, file], {}), 'base64') };
}

/** The delay between two clients' pods with no Herd between. */
export async function probeDirect(kubectl: Kubectl, from: ClientPod, to: ClientPod): Promise<DirectDelay> {
  const args = ['nodes/client/direct-echo.ts', 'probe', to.ip, `${to.echo.port}`, `${PROBES}`];
  return parse(directDelay, await exec(kubectl, { ...from, container: from.echo.container }, args, {}));
}

/**
 * Runs node in the pod and returns what it printed.
 * @throws {Error} with the sentence that it left on stderr, or that it took too long.
 */
async function exec(
  kubectl: Kubectl,
  { namespace, pod, container }: ClientPod,
  args: string[],
  { input, timeoutMs = ANSWER_MS_MAX }: { input?: string; timeoutMs?: number },
): Promise<string> {
  const stdin = input === undefined ? [] : ['--stdin'];
  const command = ['exec', ...stdin, '--namespace', namespace, pod, '--container', container, '--', 'node', ...args];
  const { stdout, stderr, code } = await within(timeoutMs, (signal) =>
    kubectl(command, { signal, ...(input === undefined ? {} : { input }) }),
  );
  if (code !== 0) throw new Error(sentence(stderr) ?? `node ${args[0]} in ${pod} ended with code ${code}`);
  return stdout;
}

/** The last line that is not kubectl's own; warnings, if any, come before it. */
function sentence(stderr: string): string | undefined {
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.findLast((line) => line !== '' && !line.startsWith('command terminated with exit code'));
}

function parse<T>(schema: z.ZodType<T>, printed: string): T {
  try {
    return schema.parse(JSON.parse(printed));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).replaceAll('\n', ' ') : `${error}`;
    throw new Error(`unreadable answer ${JSON.stringify(printed.slice(0, 200))}: ${why}`);
  }
}

async function within<T>(timeoutMs: number, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const giveUp = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`no answer within ${timeoutMs / 1000} s`));
    giveUp.abort();
  }, timeoutMs);
  try {
    return await Promise.race([task(giveUp.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
