import assert from 'node:assert/strict';
import test from 'node:test';
import type { VoiceIo } from '../../nodes/client/call.ts';
import { Client } from '../../nodes/client/client.ts';
import { type Consensus, type ConsensusNode, nodeTag, type View } from '../../nodes/config/consensus.ts';
import { cookieOf, printContact } from '../../nodes/config/contact.ts';
import { DropCounters } from '../../nodes/core/drop.ts';
import type { Entropy, Machine } from '../../nodes/core/machine.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { type Endpoint, parseEndpoint } from '../../nodes/core/units.ts';
import { type DhKeyPair, Identity } from '../../nodes/crypto/keys.ts';
import { Cookies } from '../../nodes/link/cookies.ts';
import { type Link, Links } from '../../nodes/link/links.ts';
import { initiates } from '../../nodes/link/mesh.ts';
import { Mix } from '../../nodes/mix/mix.ts';
import { Rendezvous } from '../../nodes/rendezvous/rendezvous.ts';
import { Superpeer } from '../../nodes/superpeer/superpeer.ts';
import { DATAGRAM_BYTES_MAX, TICK_US } from '../../nodes/wire/constants.ts';
import { derivedKeys, inForce } from '../unit/nodes/support/keys.ts';
import { hex, readVectors } from '../unit/nodes/support/vectors.ts';

/**
 * The story of wire.json, role by role: each machine, between others that are nothing but the ends of its links, is told
 * what the story tells it and must say, byte for byte, what the story says.
 */
interface Described {
  readonly seed: string;
  readonly ephemeral: string;
  readonly tag: string;
}
interface LinkRow {
  readonly pattern: 'IK' | 'NK';
  readonly initiator: string;
  readonly responder: string;
  readonly ephemerals: readonly [string, string];
  readonly indices: readonly [number, number];
  readonly init: string;
  readonly response: string;
  readonly transport: readonly { from: 'initiator' | 'responder'; message: string; datagram: string }[];
}
interface Wire {
  readonly channel: number;
  readonly startUs: number;
  readonly roundsBefore: number;
  readonly fill: number;
  readonly voice: string;
  readonly mixDraws: string;
  readonly superpeerDraws: string;
  readonly nodes: {
    readonly eu: Record<'mix' | 'rendezvous' | 'superpeer', Described>;
    readonly na: { rendezvous: Described };
  };
  readonly clients: readonly (Described & { draws: string; cookie: string })[];
  readonly callee: Described & { cookie: string };
  readonly authenticationString: string;
  readonly messages: Readonly<Record<string, string>>;
  readonly links: Readonly<Record<string, LinkRow>>;
  readonly cookies: readonly { secret: string; which: 0 | 1; endpoint: string; index: number; datagram: string }[];
}

const WIRE = readVectors<Wire>('wire');
const { eu, na } = WIRE.nodes;
const CLIENTS = [...WIRE.clients.keys()];
const message = (name: string) => hex(WIRE.messages[name] ?? assert.fail(`there is no message ${name}`));
const endpointOf = (last: number) => parseEndpoint(`10.0.0.${last}:7000`)!;

/** What a machine draws: every 32 bytes are its ephemeral secret, link indices count upwards. */
function drawing(ephemeral: string, draws = '', firstIndex = 1): Entropy {
  let index = firstIndex;
  return (into) => {
    into.fill(WIRE.fill);
    if (into.length === 32) into.set(hex(ephemeral));
    else if (into.length === 3) Buffer.from(into.buffer, into.byteOffset).writeUIntBE(index++, 0, 3);
    else if (into.length === 4 || into.length === 16) into.set(hex(draws).subarray(0, into.length));
  };
}

function node(role: ConsensusNode['role'], { seed, tag }: Described, last: number, zoneName = 'eu'): ConsensusNode {
  assert.equal(nodeTag(zoneName, new Identity(hex(seed)).publicKey), tag);
  const { link, circuit } = derivedKeys(hex(seed));
  const [linkKeys, circuitKeys] = [inForce(link[0].pair.publicKey), inForce(circuit[0].pair.publicKey)];
  const endpoint = endpointOf(last);
  return { id: `${role}-${last}`, role, endpoint, linkKeys, circuitKeys, boot: 1, draining: false, tag };
}

const linkOf = (seed: string): DhKeyPair => derivedKeys(hex(seed)).link[0].pair;

const NODES = {
  mix: node('mix', eu.mix, 1),
  rendezvous: node('rendezvous', eu.rendezvous, 2),
  superpeer: node('superpeer', eu.superpeer, 3),
  far: node('rendezvous', na.rendezvous, 4, 'na'),
};
const { mix, rendezvous, superpeer, far } = NODES;
const PARAMS = {
  profile: 'A',
  clientsPerChannel: CLIENTS.length,
  meshCellsPerTick: 4,
  attachmentsPerClient: 1,
  assignment: 'augment',
  directClients: 0,
} as const;
const zone = (name: string, nodes: ConsensusNode[], channels: Consensus['channels']): Consensus => {
  return {
    zone: name,
    epoch: 1,
    validUntilMs: Number.MAX_SAFE_INTEGER,
    params: PARAMS,
    nodes,
    channels,
    meshRates: [],
  };
};
const VIEW: View = {
  own: zone('eu', [mix, rendezvous, superpeer], [{ id: WIRE.channel, superpeer, mix, standby: undefined }]),
  peers: [zone('na', [far], [])],
};

const newRing = () => new PacketRing(64, DATAGRAM_BYTES_MAX);
const isMessage = (text: string) => Object.values(WIRE.messages).includes(text);

/** The far end of one link of the machine. */
class Peer {
  readonly links: Links<string>;
  readonly endpoint: Endpoint;
  readonly inbox = newRing();
  readonly outbox = newRing();
  /** Messages, in hex; cover and what the story does not tell of left out. */
  heard: string[] = [];
  link: Link<string> | undefined;
  isMesh = false;

  constructor(endpoint: Endpoint, described: Described | undefined, ephemeral: string, firstIndex?: number) {
    this.endpoint = endpoint;
    const entropy = drawing(ephemeral, '', firstIndex);
    const key = described && linkOf(described.seed);
    const self = key && { tag: described.tag, shown: () => key, accepted: [key] };
    this.links = new Links<string>({ self, entropy, drops: new DropCounters(), admit: () => 'machine', linksMax: 4 });
  }

  tick(now: number): void {
    for (let i = 0; i < this.inbox.count; i += 1) {
      const link = this.links.receive(now, this.inbox, i, this.outbox);
      if (!link) continue;
      this.link = link;
      const { plainOffset, plainLength } = this.links;
      const text = this.inbox.bytes.toString('hex', plainOffset, plainOffset + plainLength);
      if (text !== WIRE.messages.pad && isMessage(text)) this.heard.push(text);
    }
    this.inbox.clear();
    this.links.tick(now, this.outbox, () => {});
  }

  say(name: string): void {
    const bytes = message(name);
    const offset = this.links.reserve(this.link!, this.outbox);
    assert(offset >= 0, 'the link is up');
    bytes.copy(this.outbox.bytes, offset);
    this.links.send(this.link!, this.outbox, bytes.length);
  }
}

/** A machine and those that it has links with. */
class Scene {
  now = WIRE.startUs;
  /** Every datagram of the machine, in hex. */
  readonly sent: string[] = [];
  readonly #machine: Machine;
  readonly #own: Endpoint;
  readonly #peers: readonly Peer[];
  readonly #inbox = newRing();
  readonly #outbox = newRing();

  constructor(machine: Machine, own: Endpoint, peers: readonly Peer[]) {
    this.#machine = machine;
    this.#own = own;
    this.#peers = peers;
  }

  /** What the peers have said arrives, the machine ticks, and its peers hear it. */
  step(): void {
    this.now += TICK_US;
    this.#inbox.clear();
    this.#outbox.clear();
    for (const { outbox, endpoint } of this.#peers) {
      for (let i = 0; i < outbox.count; i += 1) copy(outbox, i, this.#inbox, endpoint);
      outbox.clear();
    }
    this.#machine.tick(this.now, this.#inbox, this.#outbox);
    const outbox = this.#outbox;
    for (let i = 0; i < outbox.count; i += 1) {
      const peer = this.#peers.find(({ endpoint }) => endpoint === outbox.endpoints[i]);
      if (peer) copy(outbox, i, peer.inbox, this.#own);
      this.sent.push(outbox.bytes.toString('hex', i * outbox.slotBytes, i * outbox.slotBytes + outbox.lengths[i]!));
    }
    for (const peer of this.#peers) {
      peer.heard = [];
      peer.tick(this.now);
    }
  }

  /** Steps until the links are up. */
  join(): void {
    for (let step = 0; step < 4; step += 1) this.step();
    for (const peer of this.#peers) {
      assert(peer.link && peer.links.isUp(peer.link), 'every link is up');
      // A mesh link counts for the machine when something has come over it.
      if (peer.isMesh) peer.say('pad');
    }
    this.step();
  }
}

function copy(from: PacketRing, index: number, to: PacketRing, endpoint: Endpoint): void {
  const start = index * from.slotBytes;
  from.bytes.copy(to.bytes, to.reserve(), start, start + from.lengths[index]!);
  to.push(endpoint, from.lengths[index]!);
}

/** A peer that is another node, and opens the link where that is its part. */
function nodePeer(described: ConsensusNode, whose: Described, machine: ConsensusNode, opens: boolean): Peer {
  const peer = new Peer(described.endpoint, whose, whose.ephemeral);
  if (opens) peer.link = peer.links.connect(WIRE.startUs, 'machine', () => machine.linkKeys, machine.endpoint);
  return peer;
}

function meshPeer(other: ConsensusNode, described: Described, machine: ConsensusNode): Peer {
  const peer = nodePeer(other, described, machine, initiates(other.tag, machine.tag));
  peer.isMesh = true;
  return peer;
}

const assertHeard = (peer: Peer, ...names: string[]) =>
  assert.deepEqual(
    peer.heard,
    names.map((name) => message(name).toString('hex')),
    names.join(', '),
  );

const options = (described: Described, draws?: string) => ({
  identity: new Identity(hex(described.seed)),
  keys: derivedKeys(hex(described.seed)),
  entropy: drawing(described.ephemeral, draws),
  drops: new DropCounters(),
  view: VIEW,
  now: WIRE.startUs,
});

for (const [name, row] of Object.entries(WIRE.links)) {
  test(`the link of ${name}: both ends say what is written, and understand it`, () => {
    const [initiator, responder] = [row.initiator, row.responder].map((seed) =>
      Object.values(eu).find((described) => described.seed === seed),
    );
    const [here, there] = [endpointOf(1), endpointOf(2)];
    const one = new Peer(here, initiator, row.ephemerals[0], row.indices[0]);
    const two = new Peer(there, responder, row.ephemerals[1], row.indices[1]);
    const remote = inForce(linkOf(row.responder).publicKey);
    one.link = one.links.connect(WIRE.startUs, 'machine', () => remote, there);
    const pass = (from: Peer, to: Peer, expected: string) => {
      from.tick(WIRE.startUs);
      assert.equal(from.outbox.count, 1);
      assert.equal(from.outbox.bytes.toString('hex', 0, from.outbox.lengths[0]), expected);
      copy(from.outbox, 0, to.inbox, from.endpoint);
      from.outbox.clear();
      to.heard = [];
      to.tick(WIRE.startUs);
    };
    pass(one, two, row.init);
    pass(two, one, row.response);
    for (const { from, message: text, datagram } of row.transport) {
      const [sender, receiver] = from === 'initiator' ? [one, two] : [two, one];
      sender.say(text);
      pass(sender, receiver, datagram);
      assertHeard(receiver, text);
    }
  });
}

test('a flooded responder answers with the COOKIE that is written', () => {
  for (const { secret, which, endpoint, index, datagram } of WIRE.cookies) {
    const from = parseEndpoint(endpoint)!;
    const cookies = new Cookies((into) => into.set(hex(secret)));
    if (which === 1) cookies.renew(WIRE.startUs);
    assert(cookies.isOf(from, hex(datagram).subarray(4)));
    const responder = new Peer(endpointOf(1), eu.mix, secret);
    if (which === 1) responder.tick(WIRE.startUs);
    for (let other = 0; other < 12; other += 1) {
      const ephemeral = Buffer.alloc(32, other + 1).toString('hex');
      const initiator = new Peer(from, undefined, ephemeral, index);
      initiator.links.connect(WIRE.startUs, 'machine', () => mix.linkKeys, endpointOf(1));
      initiator.tick(WIRE.startUs);
      copy(initiator.outbox, 0, responder.inbox, from);
    }
    responder.outbox.clear();
    for (let i = 0; i < responder.inbox.count; i += 1)
      responder.links.receive(WIRE.startUs, responder.inbox, i, responder.outbox);
    const { outbox } = responder;
    const last = (outbox.count - 1) * outbox.slotBytes;
    assert.equal(outbox.bytes.toString('hex', last, last + outbox.lengths[outbox.count - 1]!), datagram);
  }
});

test('the caller: from INIT to the first frame, every datagram of it', () => {
  const described = WIRE.clients[0]!;
  const row = WIRE.links['client to superpeer']!;
  const identity = new Identity(hex(described.seed));
  const callee = new Identity(hex(WIRE.callee.seed));
  assert.equal(cookieOf(identity.endToEnd.publicKey).toString('hex'), described.cookie);
  assert.equal(cookieOf(callee.endToEnd.publicKey).toString('hex'), WIRE.callee.cookie);
  const entropy = drawing(described.ephemeral, described.draws, row.indices[0]);
  const client = new Client({ ...options(described), identity, entropy });
  const peer = new Peer(superpeer.endpoint, eu.superpeer, eu.superpeer.ephemeral, row.indices[1]);
  const scene = new Scene(client, endpointOf(9), [peer]);
  const voice: VoiceIo = { next: (into) => into.set(hex(WIRE.voice)), heard: () => {} };
  client.voice = voice;
  for (let tick = 0; tick < 3; tick += 1) scene.step();
  peer.say('attached 0 forwarded');
  scene.step();
  assert.equal(client.place(scene.now + TICK_US, printContact('na', callee.publicKey)), undefined);
  scene.step();
  for (const name of ['down 5', 'down 6']) {
    peer.say(name);
    scene.step();
  }
  const ours = row.transport.filter(({ from }) => from === 'initiator').map(({ datagram }) => datagram);
  assert.deepEqual(scene.sent, [row.init, ...ours]);
  const events = [client.poll(), client.poll(), client.poll()];
  const { authenticationString } = WIRE;
  assert.deepEqual(events, [
    { kind: 'attached' },
    { kind: 'call-up', incoming: false, authenticationString },
    undefined,
  ]);
});

test('the superpeer: ATTACH and ATTACHED in transit, a ROUND of each tick, DOWN as it came', () => {
  const machine = new Superpeer(options(eu.superpeer, WIRE.superpeerDraws));
  const toMix = nodePeer(mix, eu.mix, superpeer, false);
  const clients = CLIENTS.map((number) => {
    const peer = new Peer(endpointOf(9 + number), undefined, WIRE.clients[number]!.ephemeral);
    peer.link = peer.links.connect(WIRE.startUs, 'machine', () => superpeer.linkKeys, superpeer.endpoint);
    return peer;
  });
  const scene = new Scene(machine, superpeer.endpoint, [toMix, ...clients]);
  let steps = 0;
  const step = () => {
    scene.step();
    steps += 1;
  };
  for (let start = 0; start < 4; start += 1) step();
  for (const [number, peer] of clients.entries()) peer.say(`attach ${number}`);
  step();
  assertHeard(toMix, ...CLIENTS.map((number) => `attach ${number} forwarded`));
  for (const number of CLIENTS) toMix.say(`attached ${number}`);
  step();
  for (const [number, peer] of clients.entries()) assertHeard(peer, `attached ${number} forwarded`);
  while (steps < WIRE.roundsBefore) step();
  for (let tick = 0; tick < 4; tick += 1) {
    for (const [number, peer] of clients.entries()) peer.say(`up ${number} ${tick}`);
    step();
    assertHeard(toMix, `round ${tick}`);
  }
  toMix.say('down 6');
  step();
  for (const peer of clients) assertHeard(peer, 'down 6');
});

test('the mix: CREATE, ATTACHED, the cells of the ROUNDs, DOWN with the grant and with the answer', () => {
  const machine = new Mix({ ...options(eu.mix, WIRE.mixDraws), view: { own: VIEW.own, peers: [] } });
  const toSuperpeer = nodePeer(superpeer, eu.superpeer, mix, true);
  const toRendezvous = meshPeer(rendezvous, eu.rendezvous, mix);
  const scene = new Scene(machine, mix.endpoint, [toSuperpeer, toRendezvous]);
  scene.join();
  for (const number of CLIENTS) toSuperpeer.say(`attach ${number} forwarded`);
  scene.step();
  assertHeard(toRendezvous, ...CLIENTS.map((number) => `create ${number}`));
  for (const number of CLIENTS) toRendezvous.say(`created ${number}`);
  scene.step();
  assertHeard(toSuperpeer, ...CLIENTS.map((number) => `attached ${number}`));
  toSuperpeer.say('round 0');
  scene.step();
  toSuperpeer.say('round 1');
  scene.step();
  toSuperpeer.say('round 2');
  scene.step();
  assertHeard(toSuperpeer, 'down 5');
  assertHeard(toRendezvous, 'cell setup');
  toRendezvous.say('cell answer');
  toSuperpeer.say('round 3');
  scene.step();
  assertHeard(toSuperpeer, 'down 6');
  assertHeard(toRendezvous, 'cell voice');
});

test('the rendezvous: CREATED, JOIN of a SETUP, the answer to the caller, voice along the leg', () => {
  const machine = new Rendezvous(options(eu.rendezvous));
  const toMix = meshPeer(mix, eu.mix, rendezvous);
  const toFar = meshPeer(far, na.rendezvous, rendezvous);
  const scene = new Scene(machine, rendezvous.endpoint, [toMix, toFar]);
  scene.join();
  for (const number of CLIENTS) toMix.say(`create ${number}`);
  scene.step();
  assertHeard(toMix, ...CLIENTS.map((number) => `created ${number}`));
  toMix.say('cell setup');
  scene.step();
  assertHeard(toFar, 'join');
  toFar.say('relay answer');
  scene.step();
  assertHeard(toMix, 'cell answer');
  toMix.say('cell voice');
  scene.step();
  assertHeard(toFar, 'relay voice');
});
