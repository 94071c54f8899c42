import assert from 'node:assert/strict';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Endpoint, type Micros, parseEndpoint, SECOND_US } from '../../../../nodes/core/units.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { type Link, type LinkSelf, Links } from '../../../../nodes/link/links.ts';
import { TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { inForce, selfOf } from '../support/keys.ts';

/** Slots of the tests' rings: no datagram here is longer. */
const SLOT_BYTES = 256;

export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Buffer;
}

export const ALICE = parseEndpoint('10.0.0.1:7000')!;
export const BOB = parseEndpoint('10.0.0.2:7000')!;
export const ELSEWHERE = parseEndpoint('10.0.0.9:7000')!;

interface EndOptions {
  readonly linksMax?: number;
  readonly shy?: boolean;
  readonly slots?: number;
  /** Other keys than the one that follows from the seed. */
  readonly self?: LinkSelf;
}

let starts = 0;

/** A node that is nothing but its links, with a ring of its own for each direction. */
export class End {
  readonly endpoint: Endpoint;
  readonly key: DhKeyPair;
  /** Its key as the consensus has it. */
  readonly listed = () => inForce(this.key.publicKey);
  readonly drops = new DropCounters();
  readonly links: Links<string>;
  readonly heard: string[] = [];
  readonly gone: string[] = [];
  /** The link of what was heard last. */
  heardOn: Link<string> | undefined;
  readonly #inbox: PacketRing;
  readonly #outbox: PacketRing;

  constructor(
    seed: string,
    endpoint: Endpoint,
    admitted: ReadonlyMap<string, string>,
    { linksMax = 8, shy = false, slots = 64, self }: EndOptions = {},
  ) {
    this.#inbox = new PacketRing(slots, SLOT_BYTES);
    this.#outbox = new PacketRing(slots, SLOT_BYTES);
    const secret = Buffer.alloc(32);
    new SeededRandom(seed).fill(secret);
    // The same key after a restart, but not the same ephemerals.
    starts += 1;
    const random = new SeededRandom(`${seed}, start ${starts}`);
    this.endpoint = endpoint;
    this.key = new DhKeyPair(secret);
    this.links = new Links<string>({
      self: shy ? undefined : (self ?? selfOf(this.key)),
      entropy: random.fill,
      drops: this.drops,
      admit: (from) => admitted.get(from?.key.toString('hex') ?? 'nobody'),
      linksMax,
    });
  }

  /** One tick: takes what has come, sends each text to its link, returns what goes out. */
  tick(now: Micros, arrived: readonly Datagram[], say: readonly (readonly [Link<string>, string])[] = []): Datagram[] {
    const inbox = this.#inbox;
    inbox.clear();
    this.#outbox.clear();
    for (const { bytes, from } of arrived) {
      bytes.copy(inbox.bytes, inbox.reserve());
      inbox.push(from, bytes.length);
    }
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.links.receive(now, inbox, i, this.#outbox);
      const { plainOffset, plainLength } = this.links;
      if (!link) continue;
      this.heard.push(`${link.peer}: ${inbox.bytes.toString('utf8', plainOffset, plainOffset + plainLength)}`);
      this.heardOn = link;
    }
    this.links.tick(now, this.#outbox, (link) => this.gone.push(link.peer));
    for (const [link, text] of say) {
      const offset = this.links.reserve(link, this.#outbox);
      if (offset >= 0) this.links.send(link, this.#outbox, this.#outbox.bytes.write(text, offset));
    }
    return Array.from({ length: this.#outbox.count }, (_, i) => ({
      from: this.endpoint,
      to: this.#outbox.endpoints[i] as Endpoint,
      bytes: Buffer.from(this.#outbox.bytes.subarray(i * SLOT_BYTES, i * SLOT_BYTES + this.#outbox.lengths[i])),
    }));
  }
}

/** Alice opens links to Bob. A tick goes Alice, then Bob, and nothing takes any time. */
export class Pair {
  readonly admittedByBob = new Map<string, string>();
  alice: End;
  bob: End;
  link: Link<string>;
  now: Micros = 1_000 * SECOND_US;
  #toAlice: Datagram[] = [];
  /** Sees and may drop every datagram on its way. */
  path: (datagram: Datagram) => boolean = () => true;

  constructor({ shy = false } = {}) {
    if (shy) this.admittedByBob.set('nobody', 'alice');
    this.bob = this.startBob();
    this.alice = this.startAlice('alice', shy);
    this.link = this.connect();
  }

  startAlice(seed = 'alice', shy = false): End {
    const alice = new End(seed, ALICE, new Map(), { shy });
    this.admittedByBob.set(alice.key.publicKey.toString('hex'), 'alice');
    return alice;
  }

  startBob(): End {
    return new End('bob', BOB, this.admittedByBob);
  }

  connect(): Link<string> {
    return this.alice.links.connect(this.now, 'bob', this.bob.listed, BOB)!;
  }

  /** What Bob says in every tick to whoever he heard last before it. */
  answer: string | undefined;

  tick(say: readonly string[] = [], byUs = TICK_US): Datagram[] {
    const sent = this.alice.tick(
      this.now,
      this.#toAlice,
      say.map((text) => [this.link, text] as const),
    );
    const passed = sent.filter(this.path);
    const { heardOn } = this.bob;
    const back = this.bob.tick(this.now, passed, this.answer && heardOn ? [[heardOn, this.answer]] : []);
    this.#toAlice = back.filter(this.path);
    this.now += byUs;
    return [...sent, ...back];
  }

  up(): this {
    for (let i = 0; i < 3; i += 1) this.tick(['is it up?']);
    assert(this.alice.links.isUp(this.link));
    assert(this.bob.heard.includes('alice: is it up?'));
    this.bob.heard.length = 0;
    return this;
  }
}

export const kind = ({ bytes }: Datagram) => bytes[0];

/** Messages until one is heard; how long that took, in seconds. */
export function untilHeard(pair: Pair, seconds: number): number {
  const start = pair.now;
  while (pair.now < start + seconds * SECOND_US) {
    pair.tick([`at ${pair.now}`]);
    if (pair.bob.heard.at(-1) === `alice: at ${pair.now - TICK_US}`) return (pair.now - start) / SECOND_US;
  }
  return Number.POSITIVE_INFINITY;
}
