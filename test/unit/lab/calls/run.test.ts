import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'node:test';
import { type ClientPod, type Kubectl, placeCall, setVoicemail } from '../../../../lab/calls/client.ts';
import type { CallRow } from '../../../../lab/calls/row.ts';
import { placeCalls } from '../../../../lab/calls/run.ts';
import { readWav, writeWav } from '../../../../nodes/client/wav.ts';
import { delayed, speechLike, throughMuLaw } from '../../evaluation/quality/signals.ts';

const ZONES = ['eu', 'na', 'sa', 'au'];

const RECORDINGS = new Map(ZONES.map((zone, i) => [zone, writeWav(speechLike(3, 20 + i))]));

function pod(zone: string): ClientPod {
  const ip = `10.0.${ZONES.indexOf(zone)}.2`;
  return {
    zone,
    namespace: 'herd',
    pod: `client-${zone}`,
    container: 'client',
    ip,
    echo: { container: 'echo', port: 7900 },
  };
}

const CALL_REPORT = {
  setupMs: 700,
  seconds: [{ oneWayMs: 110, lossRatio: 0, rttMs: 221 }],
  oneWayMsMedian: 110,
  lossRatio: 0.002,
  playoutDelayMs: 40,
  frames: { expected: 500, received: 499, late: 0 },
};

type Answer = { stdout: string; stderr: string; code: number };
const say = (value: unknown): Answer => ({ stdout: `${JSON.stringify(value)}\n`, stderr: '', code: 0 });
const fail = (stderr: string): Answer => ({ stdout: '', stderr, code: 1 });

/**
 * Four clients behind one kubectl. It plays each callee's own recording to the caller, through µ-law and 60 ms late.
 * `change` may answer in its stead.
 */
function lab(change: (zone: string, args: string[]) => Answer | undefined = () => undefined) {
  const voicemail = new Map<string, Buffer>();
  const heard = new Map<string, Buffer>();
  const busy = new Set<string>();
  const commands: string[] = [];
  const kubectl: Kubectl = async (args, { input }) => {
    commands.push(args.join(' '));
    const zone = args.find((arg) => arg.startsWith('client-'))!.slice('client-'.length);
    const node = args.slice(args.indexOf('--') + 2);
    const instead = change(zone, node);
    if (instead !== undefined) return instead;
    if (node[1] === 'status') return say({ attached: true, contact: `herd:${zone}:key:sum`, call: 'idle' });
    if (node[1] === 'voicemail') return say({});
    if (node[1] === 'probe') return say({ oneWayMs: 45, sent: 20, received: 20 });
    if (node[1] === 'call') {
      const callee = node[2].split(':')[1];
      assert.ok(!busy.has(zone) && !busy.has(callee), `${zone} or ${callee} is in two calls`);
      busy.add(zone).add(callee);
      await new Promise((resolve) => setTimeout(resolve, 5));
      busy.delete(zone);
      busy.delete(callee);
      heard.set(zone, writeWav(delayed(throughMuLaw(readWav(voicemail.get(callee)!)), 60)));
      return say(CALL_REPORT);
    }
    assert.equal(node[0], '-e');
    if (input === undefined) return { stdout: heard.get(zone)!.toString('base64'), stderr: '', code: 0 };
    voicemail.set(zone, Buffer.from(input, 'base64'));
    return { stdout: '', stderr: '', code: 0 };
  };
  return { kubectl, commands };
}

async function run(change?: (zone: string, args: string[]) => Answer | undefined) {
  const { kubectl, commands } = lab(change);
  const told: CallRow[] = [];
  const rows = await placeCalls({
    kubectl,
    clients: ZONES.map(pod),
    recordings: RECORDINGS,
    onRow: (row) => told.push(row),
  });
  return { rows, told, commands };
}

test('places twelve calls, two at a time, and measures each', async () => {
  const { rows, told } = await run();
  assert.deepEqual(
    rows.map(({ from, to }) => `${from} ${to}`),
    ZONES.flatMap((from) => ZONES.filter((to) => to !== from).map((to) => `${from} ${to}`)),
  );
  assert.equal(told.length, 12);
  for (const row of rows) {
    assert.ok(row.outcome === 'measured', JSON.stringify(row));
    assert.ok(row.segmentalSnrDb > 33, `${row.segmentalSnrDb} dB`);
    assert.equal(row.lagMs, 60);
    assert.equal(row.addedMs, 65);
    assert.equal(row.mouthToEarMs, 170);
    assert.equal(row.drac.mouthToEarMs, 105);
    assert.equal(row.drac.band, 'perfect');
    assert.equal(row.band, 'high');
    assert.equal(row.r.toFixed(2), (94.2 - 0.024 * 170 - 30 * Math.log(1.03)).toFixed(2));
  }
});

test('drives the pods by the commands that their image knows', async () => {
  const { commands } = await run();
  const client = 'exec --namespace herd client-eu --container client -- node nodes/client/ctl.ts';
  assert.ok(commands.includes(`${client} status`));
  assert.ok(commands.includes(`${client} voicemail /tmp/voicemail.wav`));
  assert.ok(
    commands.some((c) => /^.* client-eu .*ctl.ts call herd:na:key:sum --seconds 5 --record \/tmp\/heard.wav$/.test(c)),
  );
  const echo = 'exec --namespace herd client-eu --container echo -- node nodes/client/direct-echo.ts';
  assert.ok(commands.includes(`${echo} probe 10.0.1.2 7900 20`));
});

test('a failed call is a row with the sentence of the client, is not tried again, and stops no other call', async () => {
  let tries = 0;
  const { rows } = await run((zone, args) => {
    if (zone !== 'na' || args[1] !== 'call' || !args[2].startsWith('herd:sa')) return undefined;
    tries++;
    return fail('(node:7) Warning: x\nthe callee did not answer\ncommand terminated with exit code 1\n');
  });
  const failed = rows.filter((row) => row.outcome === 'failed');
  assert.deepEqual(failed, [{ from: 'na', to: 'sa', outcome: 'failed', reason: 'the callee did not answer' }]);
  assert.equal(tries, 1);
});

test('a client that is not ready fails its own six calls', async () => {
  const { rows } = await run((zone, args) =>
    zone === 'au' && args[1] === 'status' ? say({ attached: false, contact: 'herd:au:k:s', call: 'idle' }) : undefined,
  );
  const failed = rows.flatMap((row) => (row.outcome === 'failed' ? [row] : []));
  assert.equal(failed.length, 6);
  assert.equal(failed[0].reason, 'the client of au cannot be called: it is not attached to its zone');
  assert.equal(failed[5].reason, 'the client of au cannot call: it is not attached to its zone');
});

for (const [what, stdout, reason] of [
  ['no JSON', 'oops', /unreadable answer "oops"/],
  ['JSON of another shape', '{"setupMs": "fast"}', /setupMs/],
] as const) {
  test(`an answer that is ${what} is a failed call that shows it`, async () => {
    const { rows } = await run((_, args) => (args[1] === 'call' ? { stdout, stderr: '', code: 0 } : undefined));
    for (const row of rows) {
      assert.ok(row.outcome === 'failed');
      assert.match(row.reason, reason);
      assert.ok(!row.reason.includes('\n'));
    }
  });
}

test('a kubectl that never answers is given up', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let stopped = false;
  const kubectl: Kubectl = (_, { signal }) =>
    new Promise(() => signal?.addEventListener('abort', () => (stopped = true)));
  const call = placeCall(kubectl, pod('eu'), 'herd:na:k:s', 12);
  t.mock.timers.tick(41_999);
  assert.equal(stopped, false);
  t.mock.timers.tick(1);
  await assert.rejects(call, /no answer within 42 s/);
  assert.equal(stopped, true);
});

test('recordings pass through node’s standard streams unharmed, even if the stream is never closed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'herd-copy-'));
  const wav = writeWav(Int16Array.from({ length: 80000 }, (_, i) => (i * 7919) % 65536));
  const here = (path: string) => path.replace('/tmp', folder);
  const kubectl: Kubectl = async (args, { input }) => {
    const node = args.slice(args.indexOf('--') + 2);
    if (node[0] !== '-e') return say(node[1] === 'call' ? CALL_REPORT : {});
    const child = spawn(process.execPath, [...node.slice(0, 2), here(node[2]), ...node.slice(3)]);
    if (input !== undefined) child.stdin.write(input);
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return { stdout, stderr, code: child.exitCode ?? 0 };
  };
  try {
    await setVoicemail(kubectl, pod('eu'), wav);
    assert.ok((await readFile(join(folder, 'voicemail.wav'))).equals(wav));
    await rename(join(folder, 'voicemail.wav'), join(folder, 'heard.wav'));
    const { heard } = await placeCall(kubectl, pod('eu'), 'herd:na:k:s', 1);
    assert.ok(heard.equals(wav));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a recording that cannot be read is a failed call', async () => {
  const { rows } = await run((_, args) =>
    args[0] === '-e' && args[2] === '/tmp/heard.wav' ? { stdout: 'AAAA', stderr: '', code: 0 } : undefined,
  );
  for (const row of rows) assert.ok(row.outcome === 'failed' && /not a WAV file/.test(row.reason));
});
