import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import { buildNative, NATIVE_FOLDER } from '../support/native.ts';

const file = buildNative(NATIVE_FOLDER);

/** A context is about 1300 bytes: so many of them are 260 MB. */
const CONTEXTS = 200_000;
const GROWTH_MAX_BYTES = 130_000_000;

test('contexts are freed in a thread that never turns its event loop, as the data plane never does', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { Aead } = require(workerData.file);
    const key = new Uint8Array(32);
    const make = (count) => { for (let i = 0; i < count; i += 1) new Aead(key); };
    make(20_000);
    const before = process.memoryUsage.rss();
    make(workerData.count);
    parentPort.postMessage(process.memoryUsage.rss() - before);
  `;
  const worker = new Worker(program, { eval: true, workerData: { file, count: CONTEXTS } });
  const [growth] = await once(worker, 'message');
  assert(growth < GROWTH_MAX_BYTES, `${growth} bytes for ${CONTEXTS} contexts`);
  await worker.terminate();
});

test('threads share nothing: each has its own contexts, and an end of one while it works harms no other', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { Aead } = require(workerData.file);
    const cipher = new Aead(new Uint8Array(32).fill(workerData.number));
    const bytes = new Uint8Array(232 + 16);
    for (let counter = 0; ; counter += 1) {
      cipher.seal(bytes, 0, 232, counter);
      if (!cipher.open(bytes, 0, 232, counter) || bytes[0] !== 0) throw new Error('not what was sealed');
      if (counter === 20_000) parentPort.postMessage('works');
    }
  `;
  const workers = Array.from(
    { length: 4 },
    (_, number) => new Worker(program, { eval: true, workerData: { file, number } }),
  );
  for (const working of workers.map((worker) => ({ worker, told: once(worker, 'message') }))) {
    assert.deepEqual(await working.told, ['works']);
    await working.worker.terminate();
  }
});
