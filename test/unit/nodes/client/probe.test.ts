import assert from 'node:assert/strict';
import test from 'node:test';
import { Registry } from 'prom-client';
import { observe, pauseMs, probe, probeMetrics } from '../../../../nodes/client/probe.ts';
import { printContact } from '../../../../nodes/config/contact.ts';
import { clientConfig, parseConfig } from '../../../../nodes/config/node.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';

const CONTACT = printContact('na', new Identity(Buffer.alloc(32, 1)).publicKey);

type Outcome = Parameters<typeof observe>[2];
const good: Outcome = {
  kind: 'recorded',
  setupMs: 700,
  voice: Buffer.alloc(0),
  report: {
    seconds: [],
    oneWayMsMedian: 90,
    playoutDelayMs: 60,
    lossRatio: 0.01,
    frames: { expected: 100, received: 99, late: 0 },
  },
};

function measured() {
  const registry = new Registry();
  const metrics = probeMetrics(registry);
  const read = async (name: string, result?: string) => {
    const { values } = await registry.getSingleMetric(`herd_probe_${name}`)!.get();
    return values.find(({ labels }) => labels.peer_zone === 'na' && (!result || labels.result === result))?.value;
  };
  return { metrics, read };
}

test('a call that was heard tells its delay from mouth to ear, its loss and what it sounded like', async () => {
  const { metrics, read } = measured();
  observe(metrics, 'na', good, 5_000);
  assert.deepEqual(
    [await read('calls_total', 'success'), await read('one_way_delay_seconds'), await read('loss_ratio')],
    [1, 0.17, 0.01],
  );
  assert.equal(await read('last_success_timestamp_seconds'), 5);
  // R = 94.2 - 0.024 · 170 - 30 ln 1.15 = 85.93, a score of 4.23.
  assert(Math.abs((await read('mos'))! - 4.227) < 0.001);
});

test('one that failed or came to no end tells nothing but that', async () => {
  const { metrics, read } = measured();
  observe(metrics, 'na', { kind: 'failed', reason: 'no channel was free' }, 5_000);
  observe(metrics, 'na', undefined, 5_000);
  assert.deepEqual([await read('calls_total', 'failure'), await read('calls_total', 'success')], [2, undefined]);
  assert.deepEqual([await read('mos'), await read('last_success_timestamp_seconds')], [undefined, undefined]);
});

test('without a frame, or with clocks that differ, there is no score', async () => {
  const { metrics, read } = measured();
  for (const oneWayMsMedian of [Number.NaN, -500])
    observe(metrics, 'na', { ...good, report: { ...good.report, oneWayMsMedian } }, 5_000);
  assert.deepEqual([await read('calls_total', 'success'), await read('mos')], [2, undefined]);
});

test('calls its contact once it is attached, until the signal, and both results are there from the start', async () => {
  const { metrics, read } = measured();
  const stop = new AbortController();
  const called: unknown[] = [];
  let asked = 0;
  const call = (contact: string, seconds: number) => {
    called.push([contact, seconds]);
    stop.abort();
    return Promise.resolve(good!);
  };
  // Not attached when it is first asked.
  const attached = () => asked++ > 0;
  await probe({ contact: CONTACT, everySeconds: 10, callSeconds: 3 }, attached, call, metrics, stop.signal);
  assert.equal(asked, 2);
  assert.deepEqual(called, [[CONTACT, 3]]);
  assert.deepEqual([await read('calls_total', 'success'), await read('calls_total', 'failure')], [1, 0]);
});

test('calls keep their pace, and after one that took longer there is a pause as well', () => {
  assert.deepEqual(
    [6_000, 19_000, 30_000, 40_000].map((tookMs) => pauseMs(20, tookMs)),
    [14_000, 1_000, 10_000, 20_000],
  );
});

test('a configuration with a contact that is none is refused, by the field', () => {
  const key = Buffer.alloc(32).toString('base64');
  const config = (contact: string) =>
    JSON.stringify({
      role: 'client',
      id: 'p',
      zone: 'eu',
      directory: { url: 'http://d', rootKey: key },
      ...Object.fromEntries(['listen', 'metrics', 'control'].map((name) => [name, { port: 7000 }])),
      probe: { contact, everySeconds: 30, callSeconds: 5 },
    });
  assert.throws(
    () => parseConfig(clientConfig, config('herd:na:x:y'), 'node.json'),
    /must be a contact[\s\S]*probe\.contact/,
  );
  assert.equal(parseConfig(clientConfig, config(CONTACT), 'node.json').probe?.contact, CONTACT);
});
