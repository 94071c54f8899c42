import assert from 'node:assert/strict';
import test from 'node:test';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { DROP_REASONS } from '../../../../nodes/core/drop.ts';
import { nodeKeys } from '../../../../nodes/crypto/keys.ts';
import { keyNumbersGauge, nodeRegistry, signingKeysGauge } from '../../../../nodes/host/metrics.ts';
import { STATS, Stats } from '../../../../nodes/host/stats.ts';

/** Metrics are a side channel: a name or a label that is not here has to be argued for. */
const NAMES = [
  'herd_node_audit_findings_total',
  'herd_node_audits_total',
  'herd_node_drops_total',
  'herd_node_late_slots_total',
  'herd_node_links_expected',
  'herd_node_links_up',
  'herd_node_places_taken',
  'herd_node_received_bytes_total',
  'herd_node_received_datagrams_total',
  'herd_node_sent_bytes_total',
  'herd_node_sent_datagrams_total',
  'herd_node_ticks_total',
];
const LABELS = ['reason', 'role', 'zone'];

interface Sample {
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** The samples of the Prometheus text format. */
function samples(text: string): Sample[] {
  return [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, inner = '', value]) => ({
    name,
    labels: Object.fromEntries([...inner.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, key, text]) => [key, text])),
    value: Number(value),
  }));
}

async function defaults(): Promise<Map<string, Set<string>>> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const labels = new Map<string, Set<string>>();
  for (const sample of samples(await registry.metrics())) {
    const known = labels.get(sample.name) ?? new Set();
    for (const label of Object.keys(sample.labels)) known.add(label);
    labels.set(sample.name, known);
  }
  return labels;
}

async function scraped(stats: Stats | undefined): Promise<Sample[]> {
  return samples(await nodeRegistry('mix', 'eu', stats).metrics());
}

test('has the metrics of the list and the library’s own, and no others', async () => {
  const own = [...new Set((await scraped(new Stats())).map(({ name }) => name))].filter((name) =>
    name.startsWith('herd'),
  );
  assert.deepEqual(own.sort(), NAMES);
  const ofLibrary = await defaults();
  const others = (await scraped(new Stats())).map(({ name }) => name).filter((name) => !NAMES.includes(name));
  assert.deepEqual(
    others.filter((name) => !ofLibrary.has(name) && !name.startsWith('nodejs_gc_')),
    [],
  );
});

test('has the labels role, zone and reason and no others, but for the library’s own', async () => {
  const ofLibrary = await defaults();
  for (const { name, labels } of await scraped(new Stats())) {
    const allowed = [
      ...LABELS,
      ...(ofLibrary.get(name) ?? []),
      ...(name.startsWith('nodejs_gc_') ? ['kind', 'le'] : []),
    ];
    for (const label of Object.keys(labels)) assert(allowed.includes(label), `${name}{${label}}`);
    assert.deepEqual([labels.role, labels.zone], ['mix', 'eu'], name);
    assert.equal('reason' in labels, ['herd_node_drops_total', 'herd_node_audit_findings_total'].includes(name), name);
  }
});

test('tells what the plane has counted, again and again', async () => {
  const stats = new Stats();
  stats.add('ticks', 7);
  stats.set('links_up', 3);
  stats.drops[DROP_REASONS.indexOf('replayed')] = 5;
  for (let scrape = 0; scrape < 2; scrape += 1) {
    const now = await scraped(stats);
    const value = (name: string, reason?: string) =>
      now.find((sample) => sample.name === name && (!reason || sample.labels.reason === reason))?.value;
    assert.deepEqual([value('herd_node_ticks_total'), value('herd_node_links_up')], [7, 3]);
    assert.equal(value('herd_node_drops_total', 'replayed'), 5);
    assert.equal(value('herd_node_drops_total', 'bad_tag'), 0);
    assert.equal(now.filter(({ name }) => name === 'herd_node_drops_total').length, DROP_REASONS.length);
  }
});

test('a node tells the numbers of its newest keys, and nothing of the keys', async () => {
  const key = (number: number) => ({ number, seed: Buffer.alloc(32, number) });
  let keys = nodeKeys({ link: [key(1), key(2)], circuit: [key(7)] });
  const registry = new Registry();
  keyNumbersGauge(registry, () => keys);
  const scrape = async () => samples(await registry.metrics());
  const numbers = (link: number, circuit: number) =>
    Object.entries({ link, circuit }).map(([kind, value]) => {
      return { name: 'herd_node_key_number', labels: { key: kind }, value };
    });
  assert.deepEqual(await scrape(), numbers(2, 7));
  keys = nodeKeys({ link: [key(3)], circuit: [key(8)] });
  assert.deepEqual(await scrape(), numbers(3, 8));
});

test('a directory tells under which key it signs for each of its zones', async () => {
  const registry = new Registry();
  registry.setDefaultLabels({ role: 'directory', zone: 'eu' });
  signingKeysGauge(
    registry,
    () =>
      new Map([
        ['eu', 3],
        ['sa', 0],
      ]),
  );
  const told = samples(await registry.metrics()).map(({ name, labels, value }) => [name, labels.zone, value]);
  assert.deepEqual(told, [
    ['herd_directory_signing_key_number', 'eu', 3],
    ['herd_directory_signing_key_number', 'sa', 0],
  ]);
});

test('a directory has the library’s metrics alone', async () => {
  assert.deepEqual(
    (await scraped(undefined)).filter(({ name }) => name.startsWith('herd')),
    [],
  );
});

test('numbers written by one thread are read by another, each in its place', () => {
  const written = new Stats();
  const read = new Stats(written.memory);
  for (const [index, stat] of STATS.entries()) written.set(stat, index + 1);
  written.drops.fill(99);
  for (const [index, stat] of STATS.entries()) assert.equal(read.get(stat), index + 1, stat);
  read.add('ticks', 10);
  assert.equal(written.get('ticks'), 11);
  assert(read.drops.every((count) => count === 99));
});
