import { cookieOf, rendezvousOf } from '../../../nodes/config/contact.ts';
import { GEOMETRY, MESH_COMMAND, MESSAGE_KIND } from '../../../nodes/wire/constants.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, setUp } from '../talk.ts';
import { watchOpened } from '../tap.ts';
import type { Network, SimClient } from '../zones.ts';

/** What a client of a zone could be known by: its keys and its cookie. */
function traces({ identity }: SimClient): Buffer[] {
  const { publicKey } = identity.endToEnd;
  return [identity.publicKey, publicKey, cookieOf(publicKey)];
}

function primaryOf({ identity }: SimClient, network: Network): string {
  return rendezvousOf(cookieOf(identity.endToEnd.publicKey), network.viewOf('eu').own)[0]!.id;
}

/** All that the mixes, rendezvous and superpeers of `na` decrypt of a call that one of four clients of `eu` places. */
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
  const names = new Set([callee.id, ...network.hostsOf('na').map(({ name }) => name)]);
  const opened = watchOpened(network.world, names, () => {
    setUp(network, from, callee, check);
    network.run(seconds);
    from.machine.hangUp();
    network.run(2);
  });
  const named = opened.filter(({ plain }) =>
    clients.some((client) => traces(client).some((trace) => plain.includes(trace))),
  );
  // The callee is told, so the traces can be found where they are.
  check.expect(
    named.some(({ by }) => by === callee.id),
    'not even the callee learns who calls',
  );
  const cells = opened.filter(
    ({ by, plain }) =>
      by !== callee.id &&
      plain.length === GEOMETRY.A.mesh &&
      plain[0] === MESSAGE_KIND.mesh &&
      plain[1] !== MESH_COMMAND.pad,
  );
  const kinds = new Map<string, number>();
  for (const { by, plain } of cells) kinds.set(`${by} ${plain[1]}`, (kinds.get(`${by} ${plain[1]}`) ?? 0) + 1);
  const first = cells.find(({ plain }) => plain[1] === MESH_COMMAND.join);
  const byNodes = named.filter(({ by }) => by !== callee.id);
  return {
    named: byNodes.length,
    kinds,
    circuit: first?.plain.readUInt32BE(4),
    opened: opened.length,
    alike: alike.length,
  };
}

export const foreignZone: Scenario = {
  name: 'foreign-zone',
  property:
    'Everything that the mixes, rendezvous and superpeers of a zone decrypt names no client of the zone that calls it, ' +
    'and is the same, but for the instants, whichever of the clients of the calling rendezvous it is.',
  set: 'short',
  minutes: 0.05,
  run: (seed, minutes) => {
    const check = new Checker();
    const runs = [0, 1, 2].flatMap((caller) => call(seed, caller, minutes * 60, check) ?? []);
    check.expect(runs.length >= 2, `only ${runs.length} clients of one rendezvous: take another seed`);
    const [first] = runs;
    for (const [index, run] of runs.entries()) {
      check.expect(run.opened > 1000, `only ${run.opened} cells were decrypted`);
      check.expect(run.named === 0, `caller ${index}: ${run.named} cells name a client of the other zone`);
      check.expect(run.circuit !== undefined && run.circuit === first!.circuit, `caller ${index}: leg ${run.circuit}`);
      const kinds = [...new Set([...run.kinds.keys(), ...first!.kinds.keys()])];
      for (const kind of kinds) {
        const counts = [run, first!].map((one) => one.kinds.get(kind) ?? 0);
        // Calls of the same length have the same cells but for those under way at the ends.
        check.expect(Math.abs(counts[0]! - counts[1]!) <= 40, `caller ${index}: ${kind}: ${counts}`);
      }
    }
    return { violations: check.violations, facts: { callers: runs.length, decrypted: first!.opened } };
  },
};
