import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  type Consensus,
  type ConsensusNode,
  type MeshRate,
  nodeTag,
  type ScheduledKey,
} from '../../../../nodes/config/consensus.ts';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Endpoint, type Micros, parseEndpoint } from '../../../../nodes/core/units.ts';
import type { Link, Links } from '../../../../nodes/link/links.ts';
import { Mesh, meshNodes } from '../../../../nodes/link/mesh.ts';
import { GEOMETRY, MESH_COMMAND, QUEUE_TICKS_MAX, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { inForce } from '../support/keys.ts';

const FLOOR = 2;
const CELL_BYTES = GEOMETRY.A.mesh;
const START_MS = 1_800_000_000_000;

function node(id: string, fill: number, endpoint: string): ConsensusNode {
  const keys = inForce(Buffer.alloc(32, fill));
  const boot = 1;
  const draining = false;
  const [at, tag] = [parseEndpoint(endpoint)!, nodeTag(id.slice(0, 2), Buffer.alloc(32, fill))];
  return { id, role: 'rendezvous', endpoint: at, linkKeys: keys, circuitKeys: keys, boot, draining, tag };
}

function consensus(zone: string, nodes: ConsensusNode[], change: Partial<Consensus> = {}): Consensus {
  const params = {
    profile: 'A',
    clientsPerChannel: 20,
    meshCellsPerTick: FLOOR,
    attachmentsPerClient: 1,
    assignment: 'augment',
    directClients: 0,
  } as const;
  return { zone, epoch: 1, validUntilMs: 1, params, nodes, channels: [], meshRates: [], ...change };
}

const EU = [node('eu-mix', 1, '10.0.0.1:7000'), node('eu-rendezvous', 2, '10.0.0.2:7000')];
const NA = [node('na-mix', 3, '10.0.1.1:7000'), node('na-rendezvous', 4, '10.0.1.2:7000')];
const NODES = [...EU, ...NA];

test('nobody is a peer of himself', () => {
  assert.equal(meshNodes({ own: consensus('eu', [EU[0]!]), peers: [] }, EU[0]!.tag).size, 0);
});

/** A mesh whose links seal nothing and are always up, to two nodes of the own zone `eu` and two of `na`. */
class Bench {
  readonly drops = new DropCounters();
  readonly mesh: Mesh<string>;
  /** By tag: under which keys a link that we opened is renewed. */
  readonly remotes = new Map<string, () => readonly ScheduledKey[]>();
  now: Micros = START_MS * 1000;
  readonly #outbox = new PacketRing(1024, 1280);

  constructor(rates: readonly MeshRate[] = []) {
    const links = {
      connect: (_now: Micros, peer: string, remote: () => readonly ScheduledKey[], endpoint: Endpoint) => {
        this.remotes.set(peer, remote);
        return { peer, endpoint, initiator: true };
      },
      close: () => {},
      isUp: () => true,
      reserve: (_link: unknown, outbox: PacketRing) => outbox.reserve(),
      send: ({ endpoint }: { endpoint: Endpoint }, outbox: PacketRing, length: number) => outbox.push(endpoint, length),
    } as unknown as Links<string>;
    this.mesh = new Mesh(links, this.drops, new SeededRandom('mesh').fill, '00'.repeat(8), CELL_BYTES);
    this.hear(rates);
    for (const { tag, endpoint } of NODES) this.mesh.attach(tag, { peer: tag, endpoint } as Link<string>);
  }

  hear(meshRates: readonly MeshRate[], epoch = 1, na = NA): void {
    const view = { own: consensus('eu', EU, { meshRates, epoch }), peers: [consensus('na', na)] };
    this.mesh.update(this.now, view, ({ tag }) => tag);
  }

  queue(to: ConsensusNode, circuits: readonly number[]): void {
    for (const circuit of circuits) this.mesh.queue(to.tag, MESH_COMMAND.cell, circuit, Buffer.alloc(8, circuit));
  }

  /** The next tick: by node, the circuits of the cells sent to it, 0 for cover. */
  tick(): Map<ConsensusNode, number[]> {
    this.#outbox.clear();
    this.mesh.tick(this.now, this.#outbox);
    this.now += TICK_US;
    const sent = new Map<ConsensusNode, number[]>(NODES.map((to) => [to, []]));
    for (let i = 0; i < this.#outbox.count; i += 1) {
      assert.equal(this.#outbox.lengths[i], CELL_BYTES, 'cells have one size');
      const offset = i * this.#outbox.slotBytes;
      const to = NODES.find(({ endpoint }) => endpoint === this.#outbox.endpoints[i])!;
      sent.get(to)!.push(this.#outbox.bytes.readUInt32BE(offset + 4));
    }
    return sent;
  }

  /** Cells to each of the four nodes in the next tick. */
  counts(): number[] {
    return [...this.tick().values()].map(({ length }) => length);
  }
}

test('a link that stays up is renewed under the keys that the newest consensus lists', () => {
  const bench = new Bench();
  const [{ tag, linkKeys }] = NA;
  const remote = bench.remotes.get(tag)!;
  const later = [...linkKeys, { key: Buffer.alloc(32, 99), from: START_MS }];
  bench.hear(
    [],
    2,
    NA.map((one) => (one.tag === tag ? { ...one, linkKeys: later } : one)),
  );
  assert.equal(bench.remotes.get(tag), remote, 'it is the same link');
  assert.deepEqual(remote(), later);
});

const ms = (ticks: number) => START_MS + (ticks * TICK_US) / 1000;
const upTo = (count: number, first = 1) => Array.from({ length: count }, (_, i) => first + i);

test('sends exactly the rate on every link in every tick, whatever waits, and what waited in its order', () => {
  const rate = fc.record({
    zone: fc.constantFrom('eu', 'na'),
    cellsPerTick: fc.integer({ min: 1, max: 12 }),
    tick: fc.integer({ min: 0, max: 40 }),
  });
  const load = fc.array(fc.tuple(fc.nat(3), fc.nat(30)), { minLength: 40, maxLength: 40 });
  fc.assert(
    fc.property(
      fc.uniqueArray(rate, { maxLength: 6, selector: ({ zone, tick }) => `${zone} ${tick}` }),
      load,
      (rates, loads) => {
        const entries = rates.map(({ zone, cellsPerTick, tick }) => ({ zone, cellsPerTick, from: ms(tick) }));
        const bench = new Bench(entries);
        let circuit = 1;
        let sentReal = 0;
        const last = new Map<ConsensusNode, number>();
        for (const [tick, [to, count]] of loads.entries()) {
          bench.queue(NODES[to]!, upTo(count, circuit));
          circuit += count;
          for (const [peer, cells] of bench.tick()) {
            const zone = EU.includes(peer) ? 'eu' : 'na';
            const begun = rates.filter((candidate) => candidate.zone === zone && candidate.tick <= tick);
            const expected = begun.sort((a, b) => a.tick - b.tick).at(-1)?.cellsPerTick ?? FLOOR;
            assert.equal(cells.length, expected, `to ${peer.id} in tick ${tick}`);
            const real = cells.filter((id) => id > 0);
            assert.deepEqual(cells.slice(0, real.length), real, 'cover comes last');
            for (const id of real) {
              assert((last.get(peer) ?? 0) < id, 'in the order of queueing');
              last.set(peer, id);
            }
            sentReal += real.length;
          }
        }
        for (let tick = 0; tick <= QUEUE_TICKS_MAX; tick += 1)
          for (const cells of bench.tick().values()) sentReal += cells.filter((id) => id > 0).length;
        const given = bench.drops.get('queue_full') + bench.drops.get('queue_standing');
        assert.equal(sentReal + given, circuit - 1, 'what was not sent was dropped, by name');
      },
    ),
  );
});

test('a rate begins with its instant, on all links to the zone at once, whenever it was heard of', () => {
  const change = { zone: 'na', cellsPerTick: 5, from: ms(10) };
  for (const heardIn of [0, 4, 9]) {
    const bench = new Bench();
    for (let tick = 0; tick < 20; tick += 1) {
      if (tick === heardIn) bench.hear([change]);
      assert.deepEqual(bench.counts(), tick < 10 ? [2, 2, 2, 2] : [2, 2, 5, 5], `heard in ${heardIn}, tick ${tick}`);
    }
  }
});

test('whoever starts later has the rate that is in force, not the one that follows', () => {
  const rates = [
    { zone: 'na', cellsPerTick: 9, from: ms(50) },
    { zone: 'na', cellsPerTick: 7, from: ms(-50) },
    { zone: 'na', cellsPerTick: 8, from: ms(-20) },
  ];
  assert.deepEqual(new Bench(rates).counts(), [2, 2, 8, 8]);
});

test('a lower rate keeps the newest of what waits, and names what it gives up', () => {
  const bench = new Bench([
    { zone: 'na', cellsPerTick: 6, from: ms(-1) },
    { zone: 'na', cellsPerTick: 4, from: ms(1) },
  ]);
  const [to] = NA;
  bench.queue(to!, upTo(30));
  assert.deepEqual(bench.tick().get(to!), upTo(6));
  assert.equal(bench.drops.get('queue_full'), 0);
  // 24 wait, 4 × 5 fit.
  assert.deepEqual(bench.tick().get(to!), upTo(4, 11));
  assert.equal(bench.drops.get('queue_full'), 4);
});

test('a higher rate makes room and sends no more than itself of what waited', () => {
  const bench = new Bench([{ zone: 'na', cellsPerTick: 3, from: ms(1) }]);
  const [to] = NA;
  bench.queue(to!, upTo(12));
  assert.deepEqual(bench.tick().get(to!), [3, 4], 'two of twelve did not fit the queue of ten');
  assert.deepEqual(bench.tick().get(to!), [5, 6, 7]);
  bench.queue(to!, upTo(10, 13));
  assert.deepEqual(bench.tick().get(to!), [8, 9, 10], 'fifteen fit now');
  assert.equal(bench.drops.get('queue_full'), 2);
});

test('the room for calls follows the rate', () => {
  const bench = new Bench([{ zone: 'na', cellsPerTick: 3, from: ms(1) }]);
  const room = () => [...NODES.map(({ tag }) => bench.mesh.cellsPerTick(tag)), bench.mesh.cellsPerTick('nobody')];
  bench.tick();
  assert.deepEqual(room(), [2, 2, 2, 2, 0]);
  bench.tick();
  assert.deepEqual(room(), [2, 2, 3, 3, 0]);
});

/** What 400 epochs of five ticks report of a load: in every tick so many circuits, and `each` cells of every circuit. */
function reported(circuits: number, each: number, to: readonly ConsensusNode[]): Map<string, number[]> {
  const bench = new Bench([{ zone: 'na', cellsPerTick: 64, from: 0 }]);
  const figures = new Map<string, number[]>([
    ['eu', []],
    ['na', []],
  ]);
  for (let epoch = 2; epoch < 402; epoch += 1) {
    for (let tick = 0; tick < 5; tick += 1) {
      for (const peer of to) for (let i = 0; i < each; i += 1) bench.queue(peer, upTo(circuits));
      bench.tick();
    }
    bench.hear([{ zone: 'na', cellsPerTick: 64, from: 0 }], epoch);
    for (const { zone, cells } of bench.mesh.takeDemand()!) figures.get(zone)!.push(cells);
    assert.equal(bench.mesh.takeDemand(), undefined, 'once');
  }
  return figures;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length / 2]!;

test('reports circuits, not cells, of the busiest link to a zone, in every epoch anew', () => {
  // Without noise these would all be 30. Its median is 0; that of 400 draws has a standard deviation of half a cell.
  for (const [circuits, each, to] of [
    [30, 1, [NA[0]!]],
    [30, 2, [NA[0]!]],
    [30, 1, NA],
  ] as const) {
    const figures = reported(circuits, each, to);
    assert(Math.abs(median(figures.get('na')!) - 30) <= 3, `${each} cells each: ${median(figures.get('na')!)}`);
    assert(median(figures.get('eu')!) <= 3, 'nothing went to the own zone');
    assert(new Set(figures.get('na')!).size > 20, 'with noise');
  }
});

test('reports nothing before an epoch has ended', () => {
  const bench = new Bench();
  bench.tick();
  bench.hear([], 1);
  assert.equal(bench.mesh.takeDemand(), undefined);
  bench.hear([], 2);
  assert.deepEqual(
    bench.mesh
      .takeDemand()!
      .map(({ zone }) => zone)
      .sort(),
    ['eu', 'na'],
  );
});
