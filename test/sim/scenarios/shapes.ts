import type { VoiceIo } from '../../../nodes/client/call.ts';
import { cookieOf, rendezvousOf } from '../../../nodes/config/contact.ts';
import { GEOMETRY, LINK_OVERHEAD_BYTES, type Profile, roundBytes, VOICE_BYTES } from '../../../nodes/wire/constants.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { DEFAULT_PARAMS, Network, type SimClient, type ZonePlan } from '../zones.ts';

/** Case 26 of network.md 6, and profile B: networks of every odd shape carry calls. */
const TALK_S = 3;

interface Shape {
  readonly what: string;
  readonly plans: readonly ZonePlan[];
  /** Which two of four clients, two of them in the last zone, call each other; the first and the last if not given. */
  readonly pair?: (network: Network, clients: readonly SimClient[]) => [SimClient, SimClient] | undefined;
}

const alone = { clientsPerChannel: 1 };
const direct = { superpeers: 0, params: { directClients: 4 } };

const SHAPES: readonly Shape[] = [
  { what: 'one zone, k = 1, n = 1', plans: [{ name: 'eu', superpeers: 4, params: alone }] },
  {
    what: 'two zones, k = 1, n = 1',
    plans: [
      { name: 'eu', superpeers: 2, params: alone },
      { name: 'na', superpeers: 2, params: alone },
    ],
  },
  {
    what: 'one zone, the same of two rendezvous',
    plans: [{ name: 'eu', superpeers: 4, rendezvous: 2, params: alone }],
    pair: (...all) => byRendezvous(...all, true),
  },
  {
    what: 'one zone, two rendezvous',
    plans: [{ name: 'eu', superpeers: 4, rendezvous: 2, params: alone }],
    pair: (...all) => byRendezvous(...all, false),
  },
  {
    what: 'one zone, k = 4',
    plans: [{ name: 'eu', superpeers: 4, rendezvous: 2, params: { attachmentsPerClient: 4 } }],
  },
  { what: 'one zone without superpeers', plans: [{ name: 'eu', ...direct }] },
  {
    what: 'two zones without superpeers',
    plans: [
      { name: 'eu', ...direct },
      { name: 'na', ...direct },
    ],
  },
  {
    what: 'superpeers in one of two zones',
    plans: [
      { name: 'eu', ...direct },
      { name: 'na', superpeers: 2, params: alone },
    ],
  },
  {
    what: 'profile B',
    plans: [
      { name: 'eu', params: { profile: 'B' } },
      { name: 'na', params: { profile: 'B' } },
    ],
  },
  {
    what: 'profile B without superpeers',
    plans: [{ name: 'eu', superpeers: 0, params: { directClients: 4, profile: 'B' } }],
  },
];

/** Two clients whose first rendezvous is the same, or is not. */
function byRendezvous(
  network: Network,
  clients: readonly SimClient[],
  same: boolean,
): [SimClient, SimClient] | undefined {
  const own = network.viewOf('eu').own;
  const tags = clients.map(({ identity }) => rendezvousOf(cookieOf(identity.endToEnd.publicKey), own)[0]!.tag);
  for (const [i, tag] of tags.entries()) {
    const j = tags.findIndex((other, index) => index > i && (other === tag) === same);
    if (j >= 0) return [clients[i]!, clients[j]!];
  }
  return undefined;
}

/** What a datagram may measure once everybody is attached. */
function lengthsOf(profile: Profile, clientsPerChannel: number): Set<number> {
  const { up, down, mesh } = GEOMETRY[profile];
  return new Set(
    [up, down, mesh, roundBytes(GEOMETRY[profile], clientsPerChannel)].map((length) => length + LINK_OVERHEAD_BYTES),
  );
}

function checkedVoice(voice: VoiceIo, bytes: number, check: Checker): VoiceIo {
  return {
    next: voice.next,
    heard: (now, counter, frame, timing) => {
      if (frame.length !== bytes) check.expect(false, `a frame of ${frame.length} bytes, not ${bytes}`);
      voice.heard(now, counter, frame, timing);
    },
  };
}

function tryOut({ what, plans, pair }: Shape, seed: string, check: Checker): boolean {
  const network = new Network(seed, plans, () => NEAR);
  const zones = [plans[0]!.name, plans[0]!.name, plans.at(-1)!.name, plans.at(-1)!.name];
  const clients = zones.map((zone) => network.addClient(zone));
  const ends = pair ? pair(network, clients) : ([clients[0]!, clients[3]!] as const);
  // By chance all four, or no two, may have the same rendezvous.
  if (!ends) return false;
  const own = new Checker();
  attachAll(network, own);
  network.run(1.5);
  const { profile, clientsPerChannel } = { ...DEFAULT_PARAMS, ...plans.at(-1)!.params };
  const lengths = new Map<number, number>();
  network.world.observe = ({ length }) => lengths.set(length, (lengths.get(length) ?? 0) + 1);
  for (const [caller, callee] of [ends, [ends[1], ends[0]]] as const) {
    const hears = [caller, callee].map(({ machine }) => {
      const listener = new Listener(network.world);
      machine.voice = checkedVoice(listener.voice, VOICE_BYTES[profile], own);
      return listener;
    });
    const dropped = network.dropped('queue_standing');
    setUp(network, caller, callee, own);
    network.run(TALK_S);
    for (const listener of hears) {
      listener.checkNames(own);
      const surplus = listener.lost - (network.dropped('queue_standing') - dropped);
      own.expect(
        listener.frames.size > TALK_S * 45 && surplus <= 0,
        `${listener.frames.size} frames, ${surplus} missing`,
      );
    }
    caller.machine.hangUp();
    own.expect(
      network.run(3, () => [caller, callee].every(({ machine }) => machine.callState === 'idle')),
      'not both are idle after the end',
    );
  }
  const allowed = lengthsOf(profile, clientsPerChannel);
  if (plans.every(({ params }) => (params?.clientsPerChannel ?? clientsPerChannel) === clientsPerChannel))
    own.expect(
      [...lengths.keys()].every((length) => allowed.has(length)),
      `datagrams of ${[...lengths.keys()].join()} bytes`,
    );
  for (const violation of own.violations) check.expect(false, `${what}: ${violation}`);
  return true;
}

export const shapes: Scenario = {
  name: 'shapes',
  property:
    'Calls go through, without a missing frame, both ways, in networks of every shape: one client per channel, one zone, one ' +
    'rendezvous for both ends, no superpeers at all, four attachments, profile B; and every datagram has one of the lengths ' +
    'of its profile.',
  set: 'short',
  minutes: 1,
  run: (seed) => {
    const check = new Checker();
    const tried = SHAPES.filter((shape) => tryOut(shape, seed, check)).length;
    check.expect(tried >= SHAPES.length - 1, `only ${tried} of ${SHAPES.length} shapes could be tried`);
    return { violations: check.violations, facts: { shapes: tried } };
  },
};
