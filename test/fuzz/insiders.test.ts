import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import type { ConsensusNode } from '../../nodes/config/consensus.ts';
import { DropCounters } from '../../nodes/core/drop.ts';
import type { Machine } from '../../nodes/core/machine.ts';
import type { PacketRing } from '../../nodes/core/ring.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import type { DhKeyPair } from '../../nodes/crypto/keys.ts';
import { type Link, Links } from '../../nodes/link/links.ts';
import { initiates } from '../../nodes/link/mesh.ts';
import { A1_BYTES, A2_BYTES, GEOMETRY, MESH_COMMAND, MESSAGE_KIND, roundBytes } from '../../nodes/wire/constants.ts';
import { SeededRandom } from '../sim/random.ts';
import { World } from '../sim/world.ts';
import { addClient, makeZones } from '../sim/zones.ts';
import { FUZZ_MS } from './time.ts';

/**
 * Insiders: a superpeer, a mix and a client that hold the right keys, so their datagrams open, and say anything.
 * Property: no role throws, whatever it is told over a link that it trusts, and the zone that they cannot reach by more
 * than the mesh keeps its clients.
 */
const SEED = process.env.HERD_FUZZ_SEED ?? `insiders-${randomInt(2 ** 32)}`;
const PATH = { delayUs: 5 * MILLISECOND_US, jitterUs: 0, loss: 0 };
const CLIENTS_PER_CHANNEL = 20;
const MESSAGES_PER_TICK = 6;
/** Lengths that a message may have: beyond them there is only `truncated`. */
const LENGTHS = [
  GEOMETRY.A.up,
  GEOMETRY.A.down,
  GEOMETRY.A.mesh,
  roundBytes(GEOMETRY.A, CLIENTS_PER_CHANNEL),
  4 + A1_BYTES,
  8 + A1_BYTES,
  4 + A2_BYTES,
  8 + A2_BYTES,
];
const KINDS = Object.values(MESSAGE_KIND);
const COMMANDS = Object.values(MESH_COMMAND);

class Insider implements Machine {
  readonly #random: SeededRandom;
  readonly #links: Links<'victim'>;
  /** The newest link with each end. BOUNDED: by linksMax. */
  readonly #open = new Set<Link<'victim'>>();
  said = 0;

  constructor(now: Micros, seed: string, key: DhKeyPair | undefined, victims: readonly ConsensusNode[]) {
    this.#random = new SeededRandom(seed);
    this.#links = new Links<'victim'>({
      self: key,
      entropy: this.#random.fill,
      drops: new DropCounters(),
      admit: () => 'victim',
      linksMax: 64,
    });
    for (const { linkKey, endpoint } of victims) this.#open.add(this.#links.connect(now, 'victim', linkKey, endpoint)!);
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (link) this.#open.add(link);
    }
    this.#links.tick(now, outbox, (link) => this.#open.delete(link));
    for (const link of this.#open) for (let n = 0; n < MESSAGES_PER_TICK; n += 1) this.#say(link, outbox);
  }

  #below(n: number): number {
    return Math.floor(this.#random.next() * n);
  }

  /** Something that looks like a message of the wire: a kind, a length, small numbers where ids stand, noise behind. */
  #say(link: Link<'victim'>, outbox: PacketRing): void {
    const offset = this.#links.reserve(link, outbox);
    if (offset < 0) return;
    const length = this.#below(8) === 0 ? 4 + this.#below(1200) : LENGTHS[this.#below(LENGTHS.length)];
    const message = outbox.bytes.subarray(offset, offset + length);
    this.#random.fill(message);
    if (this.#below(16) > 0) message[0] = KINDS[this.#below(KINDS.length)];
    if (this.#below(4) > 0)
      message[1] = message[0] === MESSAGE_KIND.mesh ? COMMANDS[this.#below(COMMANDS.length)] : this.#below(24);
    if (this.#below(4) > 0) message.writeUInt16BE(this.#below(3), 2);
    if (length >= 8 && this.#below(4) > 0) message.writeUInt32BE(this.#below(40), 4);
    this.#links.send(link, outbox, length);
    this.said += 1;
  }
}

test(`whatever insiders say over valid links, no role throws (HERD_FUZZ_SEED=${SEED})`, () => {
  const world = new World(SEED, () => PATH);
  const [eu, na, sa] = makeZones(world, ['eu', 'na', 'sa']);
  const victims = [addClient(world, eu, 1), addClient(world, eu, 2)];
  const honest = [addClient(world, sa, 1), addClient(world, sa, 2)];
  const attached = () => [...victims, ...honest].every(({ machine }) => machine.attached);
  assert(world.run(world.now + 20 * SECOND_US, attached));
  const mesh = [eu, sa].flatMap(({ mix, rendezvous }) => [mix.node, rendezvous.node]);
  const insider = (seed: string, key: DhKeyPair | undefined, of: readonly ConsensusNode[]) =>
    new Insider(world.now, `${SEED} ${seed}`, key, of);
  const superpeer = insider('superpeer', na.superpeer.identity.link, [na.mix.node]);
  const rendezvousKey = na.rendezvous.identity.link;
  const rendezvous = insider(
    'rendezvous',
    rendezvousKey,
    [...mesh, na.mix.node].filter(({ tag }) => initiates(na.rendezvous.node.tag, tag)),
  );
  const client = insider('client', undefined, [eu.superpeer.node]);
  const toClients = insider('superpeer of clients', eu.superpeer.identity.link, [eu.mix.node]);
  na.superpeer.host.machine = superpeer;
  na.rendezvous.host.machine = rendezvous;
  addClient(world, eu, 9).host.machine = client;
  const deadline = Date.now() + FUZZ_MS;
  do world.run(world.now + SECOND_US);
  while (Date.now() < deadline);
  // The superpeer of the victims turns too: now it is clients who are told anything.
  eu.superpeer.host.machine = toClients;
  world.run(world.now + 5 * SECOND_US);
  for (const { said } of [superpeer, rendezvous, client, toClients]) assert(said > 100, 'each has been heard');
  assert(honest.every(({ machine }) => machine.attached));
});
