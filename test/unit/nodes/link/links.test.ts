import assert from 'node:assert/strict';
import test from 'node:test';
import { DropCounters, type DropReason } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Endpoint, MILLISECOND_US, type Micros, parseEndpoint, SECOND_US } from '../../../../nodes/core/units.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { LINK_DEAD_US, type Link, Links } from '../../../../nodes/link/links.ts';
import {
  DATAGRAM_BYTES_MAX,
  LINK_HEADER_BYTES,
  LINK_INIT_HEADER_BYTES,
  LINK_KIND,
  TICK_US,
} from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { flipped } from '../support/vectors.ts';

interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly bytes: Buffer;
}

const HOUR_US = 3600 * SECOND_US;
const ALICE = parseEndpoint('10.0.0.1:7000')!;
const BOB = parseEndpoint('10.0.0.2:7000')!;
const ELSEWHERE = parseEndpoint('10.0.0.9:7000')!;

/** A node that is nothing but its links, with a ring of its own for each direction. */
let starts = 0;

class End {
  readonly endpoint: Endpoint;
  readonly key: DhKeyPair;
  readonly drops = new DropCounters();
  readonly links: Links<string>;
  readonly heard: string[] = [];
  readonly gone: string[] = [];
  readonly #outbox = new PacketRing(64, DATAGRAM_BYTES_MAX);

  constructor(
    seed: string,
    endpoint: Endpoint,
    admitted: ReadonlyMap<string, string>,
    { linksMax = 8, shy = false } = {},
  ) {
    const secret = Buffer.alloc(32);
    new SeededRandom(seed).fill(secret);
    // The same key after a restart, but not the same ephemerals.
    starts += 1;
    const random = new SeededRandom(`${seed}, start ${starts}`);
    this.endpoint = endpoint;
    this.key = new DhKeyPair(secret);
    this.links = new Links<string>({
      self: shy ? undefined : this.key,
      entropy: random.fill,
      drops: this.drops,
      admit: (key) => admitted.get(key?.toString('hex') ?? 'nobody'),
      linksMax,
    });
  }

  /** One tick: takes what has come, sends each text to its link, returns what goes out. */
  tick(now: Micros, arrived: readonly Datagram[], say: readonly (readonly [Link<string>, string])[] = []): Datagram[] {
    const inbox = new PacketRing(64, DATAGRAM_BYTES_MAX);
    this.#outbox.clear();
    for (const { bytes, from } of arrived) {
      bytes.copy(inbox.bytes, inbox.reserve());
      inbox.push(from, bytes.length);
    }
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.links.receive(now, inbox, i, this.#outbox);
      const { plainOffset, plainLength } = this.links;
      if (link)
        this.heard.push(`${link.peer}: ${inbox.bytes.toString('utf8', plainOffset, plainOffset + plainLength)}`);
    }
    this.links.tick(now, this.#outbox, (link) => this.gone.push(link.peer));
    for (const [link, text] of say) {
      const offset = this.links.reserve(link, this.#outbox);
      if (offset >= 0) this.links.send(link, this.#outbox, this.#outbox.bytes.write(text, offset));
    }
    return Array.from({ length: this.#outbox.count }, (_, i) => ({
      from: this.endpoint,
      to: this.#outbox.endpoints[i] as Endpoint,
      bytes: Buffer.from(
        this.#outbox.bytes.subarray(i * DATAGRAM_BYTES_MAX, i * DATAGRAM_BYTES_MAX + this.#outbox.lengths[i]),
      ),
    }));
  }
}

/** Alice opens links to Bob. A tick goes Alice, then Bob, and nothing takes any time. */
class Pair {
  readonly admittedByBob = new Map<string, string>();
  alice: End;
  bob: End;
  link: Link<string>;
  now: Micros = 1_000 * SECOND_US;
  #toAlice: Datagram[] = [];
  /** Sees and may drop every datagram on its way. */
  path: (datagram: Datagram) => boolean = () => true;

  constructor() {
    this.bob = this.startBob();
    this.alice = this.startAlice();
    this.link = this.connect();
  }

  startAlice(seed = 'alice'): End {
    const alice = new End(seed, ALICE, new Map());
    this.admittedByBob.set(alice.key.publicKey.toString('hex'), 'alice');
    return alice;
  }

  startBob(): End {
    return new End('bob', BOB, this.admittedByBob);
  }

  connect(): Link<string> {
    return this.alice.links.connect(this.now, 'bob', this.bob.key.publicKey, BOB)!;
  }

  /** Bob's link back to Alice: the one over which he has just heard her. */
  answer: readonly (readonly [Link<string>, string])[] = [];

  tick(say: readonly string[] = [], byUs = TICK_US): Datagram[] {
    const sent = this.alice.tick(
      this.now,
      this.#toAlice,
      say.map((text) => [this.link, text] as const),
    );
    const passed = sent.filter(this.path);
    const back = this.bob.tick(this.now, passed, this.answer);
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

const kind = ({ bytes }: Datagram) => bytes[0];

test('a link is up after one round trip and carries messages with who sent them', () => {
  const pair = new Pair();
  const [init] = pair.tick();
  assert.equal(kind(init), LINK_KIND.initIk);
  assert.equal(pair.alice.links.isUp(pair.link), false);
  pair.tick();
  assert.equal(pair.alice.links.isUp(pair.link), true);
  pair.tick(['first', 'second']);
  assert.deepEqual(pair.bob.heard, ['alice: first', 'alice: second']);
});

test('the responder may send once it has heard the initiator under the new key, not before', () => {
  const pair = new Pair();
  let fromAlice: Link<string> | undefined;
  const { receive } = pair.bob.links;
  pair.bob.links.receive = function (...args) {
    const link = receive.apply(this, args);
    if (link) fromAlice = link;
    return link;
  };
  pair.tick();
  pair.tick();
  assert.equal(fromAlice, undefined);
  pair.tick(['here I am']);
  pair.answer = [[fromAlice!, 'hello alice']];
  pair.tick();
  pair.tick();
  assert.deepEqual(pair.alice.heard, ['bob: hello alice']);
});

test('a client that shows no key is linked without one', () => {
  const bob = new End('bob', BOB, new Map([['nobody', 'some client']]));
  const client = new End('client', ALICE, new Map(), { shy: true });
  const link = client.links.connect(0, 'bob', bob.key.publicKey, BOB)!;
  const init = client.tick(0, []);
  assert.equal(kind(init[0]), LINK_KIND.initNk);
  client.tick(1, bob.tick(0, init));
  bob.tick(2, client.tick(2, [], [[link, 'hi there']]));
  assert.deepEqual(bob.heard, ['some client: hi there']);
});

test('one datagram played twice is heard once, and reordered ones are heard each', () => {
  const pair = new Pair().up();
  const sent = pair.alice.tick(
    pair.now,
    [],
    ['five', 'six!', 'seven'].map((text) => [pair.link, text] as const),
  );
  const shuffled = [sent[2], sent[0], sent[2], sent[1], sent[0], sent[1]];
  pair.bob.tick(pair.now, shuffled);
  assert.deepEqual(pair.bob.heard, ['alice: seven', 'alice: five', 'alice: six!']);
  assert.equal(pair.bob.drops.get('replayed'), 3);
  assert.equal(pair.bob.drops.total(), 3);
});

test('a lost response is made good by the next handshake', () => {
  const pair = new Pair();
  let lost = 0;
  pair.path = (datagram) => kind(datagram) !== LINK_KIND.response || lost++ > 0;
  for (let i = 0; i < 30; i += 1) pair.tick();
  assert.equal(pair.alice.links.isUp(pair.link), false);
  for (let i = 0; i < 10; i += 1) pair.tick();
  assert.equal(pair.alice.links.isUp(pair.link), true);
  pair.tick(['at last']);
  assert.deepEqual(pair.bob.heard, ['alice: at last']);
  assert.equal(pair.bob.links.size, 1, 'the same link, not a second one');
});

test('a handshake is repeated every 0.7 s while nobody answers, and no faster', () => {
  const pair = new Pair();
  pair.path = () => false;
  let inits = 0;
  for (let i = 0; i < 500; i += 1) inits += pair.tick().filter((sent) => kind(sent) === LINK_KIND.initIk).length;
  assert(inits >= 13 && inits <= 15, `10 s hold 14 tries: ${inits}`);
});

/** Messages until one is heard; how long that took, in seconds. */
function untilHeard(pair: Pair, seconds: number): number {
  const start = pair.now;
  while (pair.now < start + seconds * SECOND_US) {
    pair.tick([`at ${pair.now}`]);
    if (pair.bob.heard.at(-1) === `alice: at ${pair.now - TICK_US}`) return (pair.now - start) / SECOND_US;
  }
  return Number.POSITIVE_INFINITY;
}

/** Bob says something in every tick to whoever he has heard. */
function talkative(pair: Pair): void {
  const { receive } = pair.bob.links;
  pair.bob.links.receive = function (...args) {
    const link = receive.apply(this, args);
    if (link) pair.answer = [[link, 'pong']];
    return link;
  };
}

test('a responder that starts anew is found again within three seconds', () => {
  const pair = new Pair().up();
  talkative(pair);
  untilHeard(pair, 1);
  pair.bob = pair.startBob();
  pair.answer = [];
  talkative(pair);
  const tookSeconds = untilHeard(pair, 10);
  assert(tookSeconds > 1.9 && tookSeconds < 3, `${tookSeconds} s`);
  assert(pair.bob.drops.get('unknown_session') > 90, 'what came before was for the process that is gone');
});

test('an initiator that starts anew is taken at once, in place of the link that it had', () => {
  const pair = new Pair().up();
  pair.alice = pair.startAlice();
  pair.link = pair.connect();
  assert(untilHeard(pair, 5) < 0.1);
  assert.equal(pair.bob.links.size, 1);
});

test('an initiator may move: its peer answers to where the last valid datagram came from', () => {
  const pair = new Pair().up();
  const [moved] = pair.alice.tick(pair.now, [], [[pair.link, 'moved']]);
  let link: Link<string> | undefined;
  const { receive } = pair.bob.links;
  pair.bob.links.receive = function (...args) {
    link = receive.apply(this, args) ?? link;
    return link;
  };
  pair.bob.tick(pair.now, [{ ...moved, from: ELSEWHERE }]);
  const [answer] = pair.bob.tick(pair.now, [], [[link!, 'hello']]);
  assert.equal(answer.to, ELSEWHERE);
});

test('a key that is not admitted gets no answer', () => {
  const pair = new Pair();
  pair.admittedByBob.clear();
  for (let i = 0; i < 100; i += 1) assert(pair.tick().every(({ from }) => from !== BOB));
  assert(pair.bob.drops.get('bad_handshake') >= 2);
  assert.equal(pair.bob.links.size, 0);
});

test('who shows no key of its own takes no handshakes', () => {
  const client = new End('client', BOB, new Map([['nobody', 'x']]), { shy: true });
  const alice = new End('alice', ALICE, new Map());
  alice.links.connect(0, 'client', client.key.publicKey, BOB);
  assert.deepEqual(client.tick(0, alice.tick(0, [])), []);
  assert.equal(client.drops.get('unknown_kind'), 1);
});

test('no more links than the table holds, and a dead one makes room', () => {
  const bob = new End('bob', BOB, new Map([['nobody', 'client']]), { linksMax: 3 });
  const call = (seed: string, now: Micros) => {
    const client = new End(seed, ALICE, new Map(), { shy: true });
    client.links.connect(now, 'bob', bob.key.publicKey, BOB);
    return bob.tick(now, client.tick(now, [])).length;
  };
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((seed) => call(seed, 0)),
    [1, 1, 1, 0],
  );
  assert.equal(bob.links.size, 3);
  assert.equal(bob.drops.get('table_full'), 1);
  bob.tick(LINK_DEAD_US + 1, []);
  assert.deepEqual(bob.gone, ['client', 'client', 'client']);
  assert.equal(call('e', LINK_DEAD_US + 2), 1);
  const alice = new End('alice', ALICE, new Map(), { linksMax: 1 });
  assert.notEqual(alice.links.connect(0, 'bob', bob.key.publicKey, BOB), undefined);
  assert.equal(alice.links.connect(0, 'bob', bob.key.publicKey, BOB), undefined);
});

test('no more handshakes in a tick than leave time for those who are in', () => {
  const bob = new End('bob', BOB, new Map([['nobody', 'client']]), { linksMax: 64 });
  const inits = Array.from({ length: 20 }, (_, i) => {
    const client = new End(`client ${i}`, ALICE, new Map(), { shy: true });
    client.links.connect(0, 'bob', bob.key.publicKey, BOB);
    return client.tick(0, [])[0];
  });
  assert.equal(bob.tick(0, inits).length, 16);
  assert.equal(bob.drops.get('handshake_limit'), 4);
  assert.equal(bob.tick(1, inits.slice(16)).length, 4, 'the next tick has room again');
});

test('the key is renewed after an hour, and not one message is lost to it', () => {
  const pair = new Pair().up();
  talkative(pair);
  const said: string[] = [];
  const handshakes: Micros[] = [];
  const start = pair.now;
  // Two and a half hours, a message every half second: often enough not to be silent.
  for (let i = 0; pair.now < start + 2.5 * HOUR_US; i += 1) {
    said.push(`alice: message ${i}`);
    const sent = pair.tick([`message ${i}`], SECOND_US / 2);
    if (sent.some((datagram) => kind(datagram) === LINK_KIND.initIk)) handshakes.push(pair.now - start);
  }
  assert.equal(handshakes.length, 2);
  for (const [index, at] of handshakes.entries())
    assert(Math.abs(at - (index + 1) * HOUR_US) < 5 * SECOND_US, `handshake ${index + 1} at ${at / SECOND_US} s`);
  assert.deepEqual(pair.bob.heard, said);
  assert.equal(pair.bob.drops.total() + pair.alice.drops.total(), 0);
});

test('what was under way when the key was renewed still counts', () => {
  const pair = new Pair().up();
  talkative(pair);
  const start = pair.now;
  while (pair.now < start + HOUR_US - 3 * SECOND_US) pair.tick(['every second'], SECOND_US);
  const held: Datagram[] = [];
  let renewed = false;
  pair.path = (datagram) => {
    if (datagram.from === ALICE && kind(datagram) === LINK_KIND.transport && held.length < 3) held.push(datagram);
    else {
      renewed ||= kind(datagram) === LINK_KIND.response;
      return true;
    }
    return false;
  };
  for (const text of ['old one', 'old two', 'old three']) pair.tick([text]);
  for (let i = 0; i < 10; i += 1) pair.tick([`new ${i}`], SECOND_US);
  assert(renewed);
  pair.bob.heard.length = 0;
  pair.bob.tick(pair.now, held);
  assert.deepEqual(pair.bob.heard, ['alice: old one', 'alice: old two', 'alice: old three']);
});

/** A datagram that is not valid for Bob, and the reason under which he counts it. */
const INVALID: readonly (readonly [
  what: string,
  reason: DropReason,
  make: (valid: Record<string, Buffer>) => Buffer,
])[] = [
  ['nothing', 'truncated', () => Buffer.alloc(0)],
  ['one byte', 'truncated', () => Buffer.of(9)],
  ['a kind that is none', 'unknown_kind', () => Buffer.alloc(100, 9)],
  ['an INIT without its end', 'truncated', ({ init }) => init.subarray(0, -1)],
  ['an INIT with something behind it', 'truncated', ({ init }) => Buffer.concat([init, Buffer.of(0)])],
  ['an INIT with a flipped bit', 'bad_handshake', ({ init }) => flipped(init, 8 * LINK_INIT_HEADER_BYTES + 3)],
  [
    'an INIT_IK as an INIT_NK',
    'truncated',
    ({ init }) => Buffer.concat([Buffer.of(LINK_KIND.initNk), init.subarray(1)]),
  ],
  ['an INIT to another node', 'bad_handshake', ({ misled }) => misled],
  [
    'an INIT with an ephemeral of small order',
    'bad_handshake',
    ({ init }) => Buffer.concat([init.subarray(0, 4), Buffer.alloc(32), init.subarray(36)]),
  ],
  ['a RESPONSE that nobody waits for', 'unknown_session', ({ response }) => response],
  ['a RESPONSE that is cut', 'truncated', ({ response }) => response.subarray(0, -1)],
  ['a TRANSPORT of another session', 'unknown_session', ({ data }) => flipped(data, 15)],
  ['a TRANSPORT without a message', 'truncated', ({ data }) => data.subarray(0, LINK_HEADER_BYTES + 16)],
  ['a TRANSPORT with a flipped tag', 'bad_tag', ({ data }) => flipped(data, data.length * 8 - 1)],
  ['a TRANSPORT with a flipped message', 'bad_tag', ({ data }) => flipped(data, 8 * LINK_HEADER_BYTES)],
  ['a TRANSPORT with another counter', 'bad_tag', ({ data }) => flipped(data, 8 * LINK_HEADER_BYTES - 1)],
  ['a TRANSPORT without its end', 'bad_tag', ({ data }) => data.subarray(0, -1)],
  ['a TRANSPORT again', 'replayed', ({ heard }) => heard],
];

for (const [index, [what, reason, make]] of INVALID.entries()) {
  test(`row ${index + 1}: ${what} is not answered, changes nothing, and is counted as ${reason}`, () => {
    const pair = new Pair();
    const seen: Datagram[] = [];
    pair.path = (datagram) => seen.push(datagram) > 0;
    pair.up();
    const [{ bytes: data }] = pair.alice.tick(pair.now, [], [[pair.link, 'valid data']]);
    const other = new End('other', ELSEWHERE, new Map());
    pair.alice.links.connect(pair.now, 'other', other.key.publicKey, ELSEWHERE);
    const misled = pair.alice.tick(pair.now, []).find(({ to }) => to === ELSEWHERE)!.bytes;
    const of = (wanted: number) => seen.find((datagram) => kind(datagram) === wanted)!.bytes;
    const valid = {
      data,
      misled,
      init: of(LINK_KIND.initIk),
      response: of(LINK_KIND.response),
      heard: of(LINK_KIND.transport),
    };
    const before = pair.bob.drops.total();
    const answered = pair.bob.tick(pair.now, [{ from: ELSEWHERE, to: BOB, bytes: Buffer.from(make(valid)) }]);
    assert.deepEqual(answered, []);
    assert.deepEqual([pair.bob.drops.get(reason), pair.bob.drops.total()], [1, before + 1]);
    assert.deepEqual(pair.bob.heard, []);
    assert.equal(pair.bob.links.size, 1);
    pair.bob.tick(pair.now, [{ from: ALICE, to: BOB, bytes: Buffer.from(data) }]);
    assert.deepEqual(pair.bob.heard, ['alice: valid data'], 'the valid datagram still opens');
  });
}

test('a wrong response does not bring a link up, and the next handshake does', () => {
  const pair = new Pair();
  const [init] = pair.alice.tick(pair.now, []);
  const [{ bytes }] = pair.bob.tick(pair.now, [init]);
  pair.alice.tick(pair.now, [{ from: BOB, to: ALICE, bytes: flipped(bytes, bytes.length * 8 - 1) }]);
  assert.equal(pair.alice.drops.get('bad_handshake'), 1);
  assert.equal(pair.alice.links.isUp(pair.link), false);
  assert(untilHeard(pair, 3) < 1);
});

test('a closed link is no link any more', () => {
  const pair = new Pair().up();
  pair.alice.links.close(pair.link);
  assert.equal(pair.alice.links.isUp(pair.link), false);
  assert.equal(pair.alice.links.size, 0);
  assert.deepEqual(pair.tick(['anybody?']), []);
});

test('a peer that is silent for ten seconds is sent nothing more but handshakes', () => {
  const pair = new Pair().up();
  pair.path = ({ from }) => from === ALICE;
  pair.tick(['last'], LINK_DEAD_US + MILLISECOND_US);
  const sent = pair.tick(['anybody?']);
  assert(sent.filter(({ from }) => from === ALICE).every((datagram) => kind(datagram) === LINK_KIND.initIk));
});
