import assert from 'node:assert/strict';
import test from 'node:test';
import type { Condition } from '../../../operator/api/conditions.ts';
import { beginCounting, createMetrics, measureFleet } from '../../../operator/metrics.ts';
import { slot, superpeer, zone } from './samples.ts';

const ready = (status: Condition['status'], reason: string): Condition => ({
  type: 'Ready',
  status,
  reason,
  message: '',
  observedGeneration: 1,
  lastTransitionTime: '2026-01-01T00:00:00Z',
});

const zoneThatIs = (name: string, condition: Condition) =>
  zone(name, {}, { observedGeneration: 1, conditions: [condition], regions: [] } as never);

const fleet = {
  zones: [zoneThatIs('eu', ready('True', 'Ready')), zoneThatIs('na', ready('False', 'PodNotReady')), zone('sa')],
  slots: [
    slot('eu-a', 'mix', {
      keys: [
        { name: 'link-1', made: '2026-01-01T00:00:10Z', expires: '2026-01-01T01:00:00Z' },
        { name: 'link-2', made: '2026-01-01T00:00:30Z', expires: '2026-01-01T03:00:00Z' },
      ],
    }),
    slot('eu-b', 'mix', {
      state: 'Draining',
      drainReason: 'Cordoned',
      keys: [{ name: 'link-1', made: '2026-01-01T00:00:20Z', expires: '2026-01-01T02:00:00Z' }],
    }),
    slot('eu-c', 'mix'),
    slot('na-d', 'rendezvous', { state: 'Pending' }),
  ],
  superpeers: [
    superpeer('a', 'eu'),
    { ...superpeer('b', 'eu'), status: { observedGeneration: 1, conditions: [ready('False', 'Expelled')] } },
  ],
};

async function series(metrics: ReturnType<typeof createMetrics>, name: string): Promise<Record<string, number>> {
  const { values } = await metrics.registry.getSingleMetric(`herd_operator_${name}`)!.get();
  return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(' '), value]));
}

test('what counts stands at 0 before the first time, and an error is seen to rise from there', async () => {
  const metrics = createMetrics();
  beginCounting(metrics, ['zone'], ['pods']);
  metrics.reconciles.inc({ controller: 'zone', result: 'error' });
  assert.deepEqual(await series(metrics, 'reconcile_total'), { 'zone success': 0, 'zone error': 1 });
  assert.deepEqual(await series(metrics, 'workqueue_adds_total'), { zone: 0 });
  assert.deepEqual(await series(metrics, 'workqueue_retries_total'), { zone: 0 });
  assert.deepEqual(await series(metrics, 'watch_errors_total'), { pods: 0 });
});

test('statuses are counted by zone, role, state and reason', async () => {
  const metrics = createMetrics();
  measureFleet(metrics, fleet);
  assert.deepEqual(await series(metrics, 'zone_ready'), { eu: 1, na: 0, sa: 0 });
  assert.deepEqual(await series(metrics, 'slots'), {
    'eu mix Active': 2,
    'eu mix Draining': 1,
    'na rendezvous Pending': 1,
  });
  assert.deepEqual(await series(metrics, 'slots_draining'), { 'eu Cordoned': 1 });
  assert.deepEqual(await series(metrics, 'superpeers'), { 'eu Unknown': 1, 'eu Expelled': 1 });
});

test('of the newest keys the oldest counts, and the one that is due first', async () => {
  const metrics = createMetrics();
  measureFleet(metrics, fleet);
  const secondsOf = (time: string) => Date.parse(time) / 1000;
  assert.deepEqual(await series(metrics, 'key_made_timestamp_seconds'), { link: secondsOf('2026-01-01T00:00:20Z') });
  assert.deepEqual(await series(metrics, 'key_expiry_timestamp_seconds'), { link: secondsOf('2026-01-01T02:00:00Z') });
});

test('what has gone is told no more', async () => {
  const metrics = createMetrics();
  measureFleet(metrics, fleet);
  measureFleet(metrics, { zones: [], slots: [], superpeers: [] });
  for (const name of ['zone_ready', 'slots', 'slots_draining', 'superpeers', 'key_made_timestamp_seconds'])
    assert.deepEqual(await series(metrics, name), {}, name);
});

test('a zone is ready when all of its name are', async () => {
  const metrics = createMetrics();
  measureFleet(metrics, {
    ...fleet,
    zones: [zoneThatIs('eu', ready('False', 'x')), zoneThatIs('eu', ready('True', 'Ready'))],
  });
  assert.deepEqual(await series(metrics, 'zone_ready'), { eu: 0 });
});
