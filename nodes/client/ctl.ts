import { parseArgs } from 'node:util';
import { type ClientConfig, clientConfig } from '../config/node.ts';
import { readConfig } from '../host/daemon.ts';

/**
 * Drives the client of the same pod or machine over its loopback control interface.
 *
 *   node nodes/client/ctl.ts status
 *   node nodes/client/ctl.ts voicemail FILE.wav
 *   node nodes/client/ctl.ts call CONTACT --seconds N --record OUT.wav
 */
const USAGE = 'usage: ctl.ts status | voicemail FILE.wav | call CONTACT --seconds N --record OUT.wav';

async function request(path: string, body?: unknown): Promise<unknown> {
  const { control } = readConfig<ClientConfig>(clientConfig);
  const response = await fetch(`http://127.0.0.1:${control.port}${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { error?: string };
  if (!response.ok) throw new Error(answer.error ?? `the client answered ${response.status}`);
  return answer;
}

function parse(): { path: string; body?: unknown } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: 'string' }, record: { type: 'string' } },
  });
  const [verb, argument, ...rest] = positionals;
  if (verb === 'status' && argument === undefined) return { path: '/status' };
  if (verb === 'voicemail' && argument !== undefined && rest.length === 0) {
    return { path: '/voicemail', body: { path: argument } };
  }
  if (verb === 'call' && argument !== undefined && rest.length === 0 && values.seconds && values.record) {
    return { path: '/call', body: { contact: argument, seconds: Number(values.seconds), record: values.record } };
  }
  throw new Error(USAGE);
}

try {
  const { path, body } = parse();
  process.stdout.write(`${JSON.stringify(await request(path, body))}\n`);
} catch (error) {
  const { message, cause } = error as Error & { cause?: Error };
  process.stderr.write(`${message}${cause ? `: ${cause.message}` : ''}\n`);
  process.exitCode = 1;
}
