import assert from 'node:assert/strict';
import test from 'node:test';
import { Registry } from 'prom-client';
import type { Consensus, View } from '../../../../nodes/config/consensus.ts';
import { DROP_REASONS, DROPS_OF_CALLS } from '../../../../nodes/core/drop.ts';
import { nodeKeys } from '../../../../nodes/crypto/keys.ts';
import { directoryMetrics, keyNumbersGauge, nodeRegistry, viewMetrics } from '../../../../nodes/host/metrics.ts';
import { STATS, Stats } from '../../../../nodes/host/stats.ts';

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

async function scraped(stats: Stats | undefined, socketDrops = () => 0): Promise<Sample[]> {
  return samples(await nodeRegistry('mix', 'eu', stats && { stats, socketDrops }).metrics());
}

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
    const reasons = now.filter(({ name }) => name === 'herd_node_drops_total').map(({ labels }) => labels.reason);
    assert.deepEqual(
      reasons,
      DROP_REASONS.filter((reason) => !DROPS_OF_CALLS.has(reason)),
    );
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

test('nothing is told of drops that only calls can cause', async () => {
  const stats = new Stats();
  for (const [index, reason] of DROP_REASONS.entries()) if (DROPS_OF_CALLS.has(reason)) stats.drops[index] = 1;
  const drops = (await scraped(stats)).filter(({ name }) => name === 'herd_node_drops_total');
  assert(drops.length > 0 && drops.every(({ value }) => value === 0));
});

test('what a node should send is told per second, and what the kernel threw away as it counts', async () => {
  const stats = new Stats();
  stats.set('configured_datagrams_per_tick', 3);
  stats.set('configured_bytes_per_tick', 900);
  const now = await scraped(stats, () => 17);
  const value = (name: string) => now.find((sample) => sample.name === `herd_node_${name}`)?.value;
  assert.deepEqual(
    [value('configured_datagrams_per_second'), value('configured_bytes_per_second'), value('socket_drops_total')],
    [150, 45_000, 17],
  );
});

const CONSENSUS = {
  zone: 'eu',
  epoch: 7,
  validUntilMs: 5_000,
  params: { clientsPerChannel: 20, directClients: 3, meshCellsPerTick: 2 },
  channels: [
    { mix: { tag: 'a' }, superpeer: { tag: 's' } },
    { mix: { tag: 'b' }, superpeer: { tag: 's' } },
  ],
  meshRates: [
    { zone: 'na', cellsPerTick: 5, from: 0 },
    { zone: 'na', cellsPerTick: 9, from: Date.now() + 3_600_000 },
  ],
} as unknown as Consensus;
const VIEW: View = { own: CONSENSUS, peers: [{ ...CONSENSUS, zone: 'na' }] };

async function viewed(role: 'mix' | 'rendezvous' | 'superpeer', tag: string): Promise<Record<string, number>> {
  const registry = new Registry();
  viewMetrics(registry, role, tag, () => ({ json: {}, text: '', view: VIEW, verifiedMs: 4_000 }));
  const named = ({ name, labels, value }: Sample) =>
    [`${name.replace('herd_node_', '')}${labels.peer_zone ? ` ${labels.peer_zone}` : ''}`, value] as const;
  return Object.fromEntries(samples(await registry.metrics()).map(named));
}

test('a node tells which view it has, since when, and what that gives it to do', async () => {
  const common = { view_timestamp_seconds: 4, epoch: 7, consensus_expiry_timestamp_seconds: 5, peer_zones: 1 };
  const mesh = { 'mesh_cells_per_second eu': 100, 'mesh_cells_per_second na': 250 };
  assert.deepEqual(await viewed('mix', 'a'), { ...common, ...mesh, channels: 1, places_offered: 23 });
  assert.deepEqual(await viewed('superpeer', 's'), { ...common, channels: 2, places_offered: 40 });
  assert.deepEqual(await viewed('rendezvous', 'r'), { ...common, ...mesh });
});

test('a directory tells of each of its zones, whatever zone it is in itself', async () => {
  const registry = new Registry();
  registry.setDefaultLabels({ role: 'directory', zone: 'eu' });
  const zones = [
    { zone: 'eu', signingKey: 3, roster: 5, registered: 4, peers: 1 },
    { zone: 'sa', signingKey: 0, roster: 2, registered: 2, peers: 0 },
  ];
  directoryMetrics(registry, { expelled: () => 1, unanswered: () => 2 }, () => zones);
  const told = samples(await registry.metrics()).map(({ name, labels, value }) => [
    name.replace('herd_directory_', ''),
    labels.zone,
    value,
  ]);
  assert.deepEqual(told, [
    ['expelled_superpeers', 'eu', 1],
    ['unanswered_nodes', 'eu', 2],
    ['signing_key_number', 'eu', 3],
    ['signing_key_number', 'sa', 0],
    ['roster_nodes', 'eu', 5],
    ['roster_nodes', 'sa', 2],
    ['registered_nodes', 'eu', 4],
    ['registered_nodes', 'sa', 2],
    ['peer_zones', 'eu', 1],
    ['peer_zones', 'sa', 0],
  ]);
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
