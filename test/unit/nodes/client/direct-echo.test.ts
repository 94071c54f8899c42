import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { probe, serve } from '../../../../nodes/client/direct-echo.ts';

const FILE = fileURLToPath(import.meta.resolve('../../../../nodes/client/direct-echo.ts'));

async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (part) => (stdout += part));
  child.stderr?.on('data', (part) => (stderr += part));
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

test('prints half the round trip to an echo server', async () => {
  const server = await serve(0);
  const { port } = server.address();
  const { code, stdout } = await ended(spawn(process.execPath, [FILE, 'probe', '127.0.0.1', `${port}`, '5']));
  server.close();
  assert.equal(code, 0);
  const { oneWayMs, sent, received } = JSON.parse(stdout);
  assert.deepEqual([sent, received], [5, 5]);
  assert.ok(oneWayMs > 0 && oneWayMs < 50, `${oneWayMs} ms`);
});

test('takes the median of the round trips, so that one late echo does no harm', async () => {
  const slow = createSocket('udp4');
  slow.on('message', (bytes, from) => {
    const delayMs = bytes.readUInt32BE() === 1 ? 400 : 60;
    setTimeout(() => slow.send(bytes, from.port, from.address), delayMs);
  });
  slow.bind(0, '127.0.0.1');
  await once(slow, 'listening');
  const { oneWayMs } = await probe('127.0.0.1', slow.address().port, 5);
  slow.close();
  assert.ok(oneWayMs >= 29 && oneWayMs < 60, `${oneWayMs} ms`);
});

test('counts an echo once and passes over what it did not send', async () => {
  const liar = createSocket('udp4');
  liar.on('message', (bytes, from) => {
    for (const reply of [Buffer.of(1), Buffer.from('ffffffff', 'hex'), bytes, bytes])
      liar.send(reply, from.port, from.address);
  });
  liar.bind(0, '127.0.0.1');
  await once(liar, 'listening');
  const { received } = await probe('127.0.0.1', liar.address().port, 3);
  liar.close();
  assert.equal(received, 3);
});

test('says when nothing came back, and when nothing listens', async () => {
  const silent = createSocket('udp4');
  silent.bind(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address();
  await assert.rejects(probe('127.0.0.1', port, 2), new RegExp(`none of 2 probes to 127.0.0.1:${port} came back`));
  silent.close();
  await once(silent, 'close');
  await assert.rejects(probe('127.0.0.1', port, 2), new RegExp(`nothing listens on UDP port ${port} of 127.0.0.1`));
});

test('the server ends well when it is told to', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SERVE_AND_SAY], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout?.once('data', () => child.kill('SIGTERM'));
  assert.deepEqual(await ended(child), { code: 0, stdout: 'ready\n', stderr: '' });
});

/** The server of the command line says nothing when it is ready; this asks it until it answers. */
const SERVE_AND_SAY = `
  import { createSocket } from 'node:dgram';
  import { spawn } from 'node:child_process';
  const port = 20000 + process.pid % 20000;
  const server = spawn(process.execPath, [${JSON.stringify(FILE)}, 'serve', String(port)], { stdio: 'inherit' });
  const asker = createSocket('udp4');
  asker.on('message', () => { clearInterval(timer); asker.close(); console.log('ready'); });
  const timer = setInterval(() => asker.send('are you there', port, '127.0.0.1'), 20);
  process.once('SIGTERM', () => server.kill('SIGTERM'));
  server.once('exit', (code) => { process.exitCode = code ?? 1; });
`;

test('names every argument that is wrong', async () => {
  const { code, stderr } = await ended(spawn(process.execPath, [FILE, 'probe', '127.0.0.1', 'x', '0']));
  assert.equal(code, 1);
  assert.match(stderr, /^PORT must be .* not x; COUNT must be .* not 0\n$/);
  assert.match((await ended(spawn(process.execPath, [FILE, 'ping']))).stderr, /^usage: /);
  assert.match(
    (await ended(spawn(process.execPath, [FILE, 'serve', '70000']))).stderr,
    /^PORT must be .* not 70000\n$/,
  );
});
