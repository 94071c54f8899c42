import { cookieOf, rendezvousOf } from '../../../nodes/config/contact.ts';
import { type Endpoint, SECOND_US } from '../../../nodes/core/units.ts';
import { GEOMETRY, MESH_COMMAND, MESH_HEADER_BYTES, MESSAGE_KIND } from '../../../nodes/wire/constants.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, setUp } from '../talk.ts';
import { type Opened, watchOpened } from '../tap.ts';
import type { Network, SimClient } from '../zones.ts';

/** What a client of a zone could be known by: its keys and its cookie. */
function traces({ identity }: SimClient): Buffer[] {
  const { publicKey } = identity.endToEnd;
  return [identity.publicKey, publicKey, cookieOf(publicKey)];
}

function primaryOf({ identity }: SimClient, network: Network): string {
  return rendezvousOf(cookieOf(identity.endToEnd.publicKey), network.viewOf('eu').own)[0]!.id;
}

/** A set-up and more. */
const BEGIN_US = 3 * SECOND_US;
const END_US = 2 * SECOND_US;
/** Cells of one kind in a call that begins and ends a few ticks earlier or later. */
const CELLS_APART_MAX = 10;

/** What a mesh cell says to who decrypts it, but for what is sealed for somebody else. */
function saidBy({ by, plain }: Opened): string {
  const [, command] = plain;
  const inside =
    command === MESH_COMMAND.relay ? ` says ${plain[MESH_HEADER_BYTES]} in call ${plain[MESH_HEADER_BYTES + 1]}` : '';
  return `${by}: ${command} on circuit ${plain.readUInt32BE(4)}${inside}`;
}

/** All that the mixes, rendezvous and superpeers of `na` get and decrypt of a call that one of the clients of `eu` places. */
function call(seed: string, caller: number, seconds: number, check: Checker) {
  const pair = new Pair(seed, check, { bystanders: 0, choices: 4 });
  const { network, callee } = pair;
  const others = [
    [2, 4, 6],
    [1, 3, 7],
    [4, 6, 8],
    [3, 5, 7],
    [2, 6, 8],
  ].map((channels) => network.addClient('eu', channels));
  attachAll(network, check);
  pair.begin(false);
  const clients = [pair.caller, ...others];
  const primary = primaryOf(clients[0]!, network);
  // Which of its zone's rendezvous a caller comes from is seen; the set is those of that rendezvous.
  const alike = clients.filter((client) => primaryOf(client, network) === primary);
  const from = alike[caller];
  if (!from) return undefined;
  const theirs = network.hostsOf('na');
  const names = new Set([callee.id, ...theirs.map(({ name }) => name)]);
  const endpoints = new Set(theirs.map(({ endpoint }) => endpoint));
  /** From outside the zone: number of datagrams by ends and length. */
  const arrived = new Map<string, number>();
  const nameOf = (endpoint: Endpoint) => network.world.hosts.get(endpoint)!.name;
  const inside = new Set([...endpoints, callee.host.endpoint]);
  network.world.observe = ({ from: source, to, length }) => {
    if (!endpoints.has(to) || inside.has(source)) return;
    const what = `${nameOf(source)} to ${nameOf(to)}, ${length} bytes`;
    arrived.set(what, (arrived.get(what) ?? 0) + 1);
  };
  const opened = watchOpened(network.world, names, () => {
    const start = network.world.now;
    setUp(network, from, callee, check);
    network.world.run(start + BEGIN_US + seconds * SECOND_US);
    from.machine.hangUp();
    network.world.run(start + BEGIN_US + seconds * SECOND_US + END_US);
  });
  network.world.observe = undefined;
  const named = opened.filter(({ plain }) =>
    clients.some((client) => traces(client).some((trace) => plain.includes(trace))),
  );
  // The callee is told, so the traces can be found where they are.
  check.expect(
    named.some(({ by }) => by === callee.id),
    'not even the callee learns who calls',
  );
  const cells = new Map<string, number>();
  for (const cell of opened) {
    const { by, plain } = cell;
    if (by === callee.id || plain.length !== GEOMETRY.A.mesh || plain[0] !== MESSAGE_KIND.mesh) continue;
    if (plain[1] !== MESH_COMMAND.pad) cells.set(saidBy(cell), (cells.get(saidBy(cell)) ?? 0) + 1);
  }
  return { named: named.filter(({ by }) => by !== callee.id).length, cells, arrived, opened: opened.length };
}

export const foreignZone: Scenario = {
  name: 'foreign-zone',
  property:
    'Nothing that the mixes, rendezvous and superpeers of a zone get comes from a client or superpeer of the zone that ' +
    'calls it, but from its rendezvous and mixes, and as much of it whoever calls; nothing that they decrypt names a client ' +
    'of it; and every cell that they see, with its circuit and the call that it is of, they see as often, but for a few ' +
    'ticks at the ends, whichever of the clients of the calling rendezvous it is.',
  set: 'short',
  minutes: 0.05,
  run: (seed, minutes) => {
    const check = new Checker();
    const runs = [0, 1, 2].flatMap((caller) => call(seed, caller, minutes * 60, check) ?? []);
    check.expect(runs.length >= 2, `only ${runs.length} clients of one rendezvous: take another seed`);
    const [first] = runs;
    for (const [index, { opened, named, cells, arrived }] of runs.entries()) {
      check.expect(opened > 1000, `only ${opened} cells were decrypted`);
      check.expect(named === 0, `caller ${index}: ${named} cells name a client of the other zone`);
      check.expect(
        [...cells.keys()].some((cell) => cell.includes(`: ${MESH_COMMAND.join} `)),
        'nobody has been called',
      );
      for (const what of arrived.keys())
        check.expect(/^eu-(mix|rendezvous)-/.test(what), `caller ${index}: datagrams from ${what}`);
      for (const what of new Set([...arrived.keys(), ...first!.arrived.keys()])) {
        const counts = [arrived.get(what) ?? 0, first!.arrived.get(what) ?? 0];
        check.expect(counts[0] === counts[1], `caller ${index}: ${what}: ${counts} datagrams`);
      }
      for (const cell of new Set([...cells.keys(), ...first!.cells.keys()])) {
        const counts = [cells.get(cell) ?? 0, first!.cells.get(cell) ?? 0];
        check.expect(Math.abs(counts[0]! - counts[1]!) <= CELLS_APART_MAX, `caller ${index}: ${cell}: ${counts}`);
      }
    }
    return { violations: check.violations, facts: { callers: runs.length, decrypted: first!.opened } };
  },
};
