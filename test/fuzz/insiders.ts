import assert from 'node:assert/strict';
import { cookieOf, rendezvousOf } from '../../nodes/config/contact.ts';
import { type Endpoint, SECOND_US } from '../../nodes/core/units.ts';
import { GEOMETRY, LINK_OVERHEAD_BYTES, roundBytes, TICK_US } from '../../nodes/wire/constants.ts';
import { NEAR } from '../sim/path.ts';
import { Listener } from '../sim/talk.ts';
import { DEFAULT_PARAMS, Network, type SimClient, type SimNode } from '../sim/zones.ts';
import type { Target } from './target.ts';
import { Traitor } from './traitor.ts';

/** One insider in a network of three zones in which calls go on. */
const LIES_PER_TICK = 1500;
/** A client has one cell in a tick to lie in for those behind its superpeer: more ticks, and fewer lies in each. */
const CLIENT_LIES_PER_TICK = 300;
const WINDOW_SECONDS = 1;
const TICKS = (WINDOW_SECONDS * SECOND_US) / TICK_US;
/** Lengths of what is sent in every tick; joining, handshakes and audits have others. */
const CONSTANT = new Set(
  [GEOMETRY.A.up, GEOMETRY.A.mesh, roundBytes(GEOMETRY.A, DEFAULT_PARAMS.clientsPerChannel)].map(
    (length) => length + LINK_OVERHEAD_BYTES,
  ),
);
const PENDING_MAX = 256;
const SLOTS = 3 * DEFAULT_PARAMS.clientsPerChannel + 4;
const CALLS_MAX = 8192;
const CIRCUITS_MAX = 65_536;

/** eu has two mixes and rendezvous, and a client for each of its superpeers; sa has none and its clients go to the mix. */
class Scene {
  readonly network: Network;
  readonly eu: readonly SimClient[];
  readonly sa: readonly SimClient[];
  readonly caller: SimClient;
  readonly callee: SimClient;
  readonly listeners: readonly Listener[];

  constructor(seed: string) {
    const plans = [
      { name: 'eu', mixes: 2, rendezvous: 2, superpeers: 3 },
      { name: 'na' },
      { name: 'sa', superpeers: 0, params: { directClients: 4 } },
    ];
    // A clear net: what is missing is missing because of the insider.
    this.network = new Network(seed, plans, () => NEAR);
    this.eu = [1, 2, 3, 1, 1, 1].map((channel) => this.network.addClient('eu', [channel]));
    this.network.addClients('na', 2);
    this.sa = this.network.addClients('sa', 2);
    // Whose rendezvous is not the one that turns.
    const first = this.network.rendezvous('eu', 1).described.tag;
    const onFirst = (client: SimClient) => {
      const cookie = cookieOf(client.identity.endToEnd.publicKey);
      return rendezvousOf(cookie, this.network.viewOf('eu').own)[0]!.tag === first;
    };
    this.caller = [this.eu[0]!, ...this.eu.slice(3, 5)].find(onFirst) ?? this.eu[0]!;
    this.callee = this.sa[0]!;
    this.listeners = [this.caller, this.callee].map((client) => {
      const listener = new Listener(this.network.world);
      client.machine.voice = listener.voice;
      return listener;
    });
    assert(this.network.attach(undefined, 30), 'all are attached before anybody turns');
    this.talk(this.caller, this.callee);
    this.talk(this.network.clients.find(({ zone }) => zone === 'na')!, this.eu[1]!);
    this.talk(this.sa[1]!, this.eu[2]!);
    this.network.run(2);
  }

  talk(caller: SimClient, callee: SimClient): void {
    assert.equal(caller.machine.place(caller.host.now, callee.contact), undefined);
    const up = this.network.run(10, () => {
      callee.machine.answer(callee.host.now);
      return caller.machine.callState === 'talking';
    });
    assert(up, 'the call is up before anybody turns');
  }

  /** What is sent between these in a second: number of datagrams by ends and length. */
  watch(spared: ReadonlySet<Endpoint>): Map<string, number> {
    const counts = new Map<string, number>();
    this.network.world.observe = ({ from, to, length }) => {
      if (!spared.has(from) || !spared.has(to) || !CONSTANT.has(length)) return;
      const name = `${from} ${to} ${length}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    };
    this.network.run(WINDOW_SECONDS);
    return counts;
  }

  checkBounds(): void {
    for (const { machine, id } of this.network.nodes.values()) {
      if (!('holdings' in machine)) continue;
      const {
        sessions = 0,
        pending = 0,
        calls = 0,
        legs = 0,
        circuits,
        ...rest
      } = machine.holdings() as Record<string, number>;
      assert(sessions <= SLOTS && pending <= PENDING_MAX && calls <= CALLS_MAX && legs <= CALLS_MAX, id);
      assert(circuits! <= CIRCUITS_MAX && (rest.held ?? 0) + (rest.draining ?? 0) <= 8, id);
    }
  }
}

type Member = SimNode | SimClient;

/** `turns` becomes an insider; what `touched` says of those that it can hurt by its trade is not held against anybody. */
function insider(
  name: string,
  against: string,
  pick: (scene: Scene) => {
    turns: Member;
    touched: readonly Member[];
    /** Whether the call that is looked at must not suffer. */
    callSpared?: boolean;
    liesPerTick?: number;
  },
): Target {
  return {
    name: `${name} against ${against}`,
    property:
      'Whatever is said over a link by somebody who has its keys, nothing is thrown, tables stay within their bounds, and ' +
      'all others go on sending each other the same number of datagrams of the same lengths; a call that does not lead over ' +
      'the insider loses no frame.',
    start: (seed) => {
      const scene = new Scene(seed);
      const { turns, touched, callSpared = true, liesPerTick = LIES_PER_TICK } = pick(scene);
      const { network, caller, callee } = scene;
      const hurt = new Set([turns, ...touched].map(({ host }) => host));
      const spared = new Set(
        [...network.world.hosts.values()].filter((host) => !hurt.has(host)).map(({ endpoint }) => endpoint),
      );
      const calm = scene.watch(spared);
      for (const [pair, count] of calm) assert.equal(count % TICKS, 0, `${pair}: a whole number in each tick`);
      const traitor = new Traitor(turns.machine, seed, liesPerTick);
      turns.host.machine = traitor;
      let lies = 0;
      return () => {
        // More is sent only where somebody has come to a channel that stands by.
        const seen = scene.watch(spared);
        for (const [pair, count] of calm) assert.equal(seen.get(pair), count, pair);
        scene.checkBounds();
        if (callSpared) {
          for (const { machine } of [caller, callee]) assert.equal(machine.callState, 'talking');
          const { now } = network.world;
          for (const listener of scene.listeners) assert(listener.framesPerSecond(now - SECOND_US, now) >= 49);
          for (const listener of scene.listeners) listener.moments.clear();
        }
        const before = lies;
        lies = traitor.lies;
        return lies - before;
      };
    },
  };
}

const onChannel = (scene: Scene, channel: number) => scene.eu.filter(({ channels }) => channels?.includes(channel));
const zone = (scene: Scene, name: string): Member[] => [
  ...[...scene.network.nodes.values()].filter((node) => node.zone === name),
  ...scene.network.clients.filter((client) => client.zone === name),
];

export const INSIDERS: readonly Target[] = [
  insider('a superpeer', 'its mixes and its clients', (scene) => ({
    turns: scene.network.superpeer('eu', 3),
    touched: onChannel(scene, 3),
  })),
  insider('a mix', 'its rendezvous, its superpeers and its clients', (scene) => ({
    turns: scene.network.mix('eu', 2),
    touched: [scene.network.superpeer('eu', 2), ...onChannel(scene, 2)],
  })),
  insider('a rendezvous', 'the mixes and clients of its zone', (scene) => ({
    turns: scene.network.rendezvous('eu', 2),
    touched: scene.eu,
    callSpared: false,
  })),
  insider('a rendezvous', 'other zones', (scene) => ({
    turns: scene.network.rendezvous('na'),
    touched: zone(scene, 'na'),
  })),
  insider('a mix', 'other zones', (scene) => ({ turns: scene.network.mix('na'), touched: zone(scene, 'na') })),
  insider('a client', 'its superpeer', (scene) => ({
    turns: scene.caller,
    touched: [],
    callSpared: false,
    liesPerTick: CLIENT_LIES_PER_TICK,
  })),
  insider('a client without a superpeer', 'its mix', (scene) => ({
    turns: scene.sa[1]!,
    touched: [],
    liesPerTick: CLIENT_LIES_PER_TICK,
  })),
];
