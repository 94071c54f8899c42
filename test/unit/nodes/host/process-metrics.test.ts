import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { processMetrics } from '../../../../nodes/host/process-metrics.ts';

const STALL_MS = 200;

test('a stall of the event loop is told once, whatever the library hangs its measuring on', async () => {
  const registry = new Registry();
  processMetrics(registry);
  const p99 = async () => {
    const found = (await registry.metrics()).match(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m);
    return Number(found![1]);
  };
  await sleep(50);
  for (const until = performance.now() + STALL_MS; performance.now() < until; );
  await sleep(50);
  assert((await p99()) >= STALL_MS / 1000);
  await sleep(50);
  assert((await p99()) < STALL_MS / 1000);
});
