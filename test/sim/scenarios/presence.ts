import type { Consensus } from '../../../nodes/config/consensus.ts';
import { cookieOf, printContact, rendezvousOf } from '../../../nodes/config/contact.ts';
import { SECOND_US } from '../../../nodes/core/units.ts';
import { Identity } from '../../../nodes/crypto/keys.ts';
import { GEOMETRY, MESH_COMMAND, MESSAGE_KIND } from '../../../nodes/wire/constants.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { setUp } from '../talk.ts';
import { watchOpened } from '../tap.ts';
import type { SimClient } from '../zones.ts';

/** How long a caller waits. */
const RING_SECONDS = 30;

/** Why a callee does not answer. Each is done before the stranger calls, or at every millisecond of the call. */
interface Reason {
  readonly before?: (pair: Pair, friend: SimClient, check: Checker) => void;
  readonly during?: (pair: Pair) => void;
  /** The contact is nobody's. */
  readonly stranger?: boolean;
}

const REASONS: Readonly<Record<string, Reason>> = {
  rings: {},
  declined: { during: ({ callee }) => callee.machine.callState === 'ringing' && callee.machine.hangUp() },
  blocked: {
    before: ({ caller, callee }) => callee.machine.block(new Set([caller.identity.endToEnd.publicKey.toString('hex')])),
  },
  busy: {
    before: ({ network, callee }, friend, check) => {
      setUp(network, friend, callee, check);
    },
  },
  gone: { before: ({ network, callee }) => network.kill(callee.id) },
  neverWas: { stranger: true },
};

/** A contact that nobody has, with the rendezvous of somebody. */
function nobodyLike({ identity, zone }: SimClient, consensus: Consensus): string {
  const choice = (one: Identity) =>
    rendezvousOf(cookieOf(one.endToEnd.publicKey), consensus)
      .slice(0, 2)
      .map(({ id }) => id)
      .join();
  for (let number = 0; ; number += 1) {
    const nobody = new Identity(Buffer.alloc(32, number));
    if (choice(nobody) === choice(identity)) return printContact(zone, nobody.publicKey);
  }
}

/** What comes of a call to somebody who does not answer, as the caller, his rendezvous and his zone's wires have it. */
function call(seed: string, reason: Reason, settleSeconds: number, seconds: number, check: Checker) {
  const pair = new Pair(seed, check);
  const { network, caller, callee } = pair;
  const friend = network.addClient('na', [1, 3, 5]);
  pair.begin(false);
  const start = network.world.now;
  reason.before?.(pair, friend, check);
  network.world.run(start + settleSeconds * SECOND_US);
  while (caller.machine.poll());
  const contact = reason.stranger ? nobodyLike(callee, network.viewOf('na').own) : callee.contact;
  const wires: string[] = [];
  const events: string[] = [];
  const own = new Set(['eu-rendezvous-1', 'eu-rendezvous-2', caller.id]);
  const ours = new Set(network.hostsOf('eu').map(({ endpoint }) => endpoint));
  const since = network.world.now;
  network.world.observe = ({ at, from, to, length }) => {
    if (ours.has(from) || ours.has(to)) wires.push(`${at - since} ${from} ${to} ${length}`);
  };
  const opened = watchOpened(network.world, own, () => {
    caller.machine.place(caller.host.now, contact);
    network.run(seconds, () => {
      reason.during?.(pair);
      for (let event = caller.machine.poll(); event; event = caller.machine.poll())
        events.push(`${network.world.now - since} ${JSON.stringify(event)}`);
      return false;
    });
  });
  // Of a layer that a cell is in only the mesh's tells cover from the rest; the call's own chances are left out.
  const learnt = opened
    .filter(({ plain }) => plain[0] !== MESSAGE_KIND.mesh || plain[1] !== MESH_COMMAND.pad)
    .map(
      ({ at, by, plain }) => `${at - since} ${by} ${plain.length} ${plain.length === GEOMETRY.A.mesh ? plain[1] : ''}`,
    );
  // What a node sends at one instant has no order.
  return { wires: wires.sort(), events, learnt };
}

function scenario(name: string, set: Scenario['set'], minutes: number, settleSeconds: number): Scenario {
  return {
    name,
    property:
      'Whoever calls somebody who rings, is busy, declines, has blocked him, has just gone or was never there sees the ' +
      'same, and so do his rendezvous and whoever sees the wires of his zone: nothing, and after half a minute the end.',
    set,
    minutes,
    run: (seed, lasts) => {
      const check = new Checker();
      const [first, ...others] = Object.entries(REASONS).map(([reason, what]) => ({
        reason,
        ...call(seed, what, settleSeconds, lasts * 60, check),
      }));
      const ends = lasts * 60 > RING_SECONDS ? 1 : 0;
      check.expect(first!.events.length === ends, `the caller is told ${first!.events}`);
      check.expect(first!.wires.length > 0 && first!.learnt.length > 0, 'nothing was seen at all');
      for (const other of others) {
        for (const what of ['wires', 'events', 'learnt'] as const) {
          const length = Math.max(other[what].length, first![what].length);
          let differs = 0;
          while (differs < length && other[what][differs] === first![what][differs]) differs += 1;
          check.expect(
            differs === length,
            `${other.reason}: ${what} has ${other[what][differs]} where ${first!.reason} has ${first![what][differs]}`,
          );
        }
      }
      return { violations: check.violations, facts: { wires: first!.wires.length, learnt: first!.learnt.length } };
    },
  };
}

export const presence = scenario('presence', 'short', 0.05, 2);
/** Until the caller gives up, and long after whoever is gone has been missed. */
export const presenceLong = scenario('presence-long', 'long', 0.6, 13);
