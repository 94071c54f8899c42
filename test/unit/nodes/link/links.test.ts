import assert from 'node:assert/strict';
import test from 'node:test';
import type { DropReason } from '../../../../nodes/core/drop.ts';
import { type Endpoint, MILLISECOND_US, type Micros } from '../../../../nodes/core/units.ts';
import { LINK_DEAD_US } from '../../../../nodes/link/links.ts';
import { LINK_HEADER_BYTES, LINK_INIT_HEADER_BYTES, LINK_KIND } from '../../../../nodes/wire/constants.ts';
import { flipped } from '../support/vectors.ts';
import { ALICE, BOB, type Datagram, ELSEWHERE, End, kind, Pair, untilHeard } from './ends.ts';

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
  pair.answer = 'hello alice';
  pair.tick();
  pair.tick();
  assert.equal(pair.bob.heardOn, undefined);
  pair.tick(['here I am']);
  pair.tick();
  pair.tick();
  assert.deepEqual(pair.alice.heard, ['bob: hello alice']);
});

test('a client that shows no key is linked without one', () => {
  const bob = new End('bob', BOB, new Map([['nobody', 'some client']]));
  const client = new End('client', ALICE, new Map(), { shy: true });
  const link = client.links.connect(0, 'bob', bob.listed, BOB)!;
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

test('a responder that starts anew is found again within three seconds', () => {
  const pair = new Pair().up();
  pair.answer = 'pong';
  untilHeard(pair, 1);
  pair.bob = pair.startBob();
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

/** What Alice says while `from` is her address. */
function saidFrom(pair: Pair, from: Endpoint, text: string): Datagram {
  const [datagram] = pair.alice.tick(pair.now, [], [[pair.link, text]]);
  return { ...datagram, from };
}

/** Where Bob sends to what he has to say to Alice. */
function answersTo(pair: Pair): Endpoint {
  const [answer] = pair.bob.tick(pair.now, [], [[pair.bob.heardOn!, 'hello']]);
  return answer.to;
}

test('an initiator may move: its peer answers to where the newest valid datagram came from', () => {
  const pair = new Pair().up();
  pair.bob.tick(pair.now, [saidFrom(pair, ELSEWHERE, 'moved')]);
  assert.equal(answersTo(pair), ELSEWHERE);
  pair.bob.tick(pair.now, [saidFrom(pair, ALICE, 'and back')]);
  assert.equal(answersTo(pair), ALICE);
});

test('a datagram that was overtaken, comes again or is forged does not move the peer back', () => {
  const pair = new Pair().up();
  const [late, again, held] = ['late', 'again', 'held'].map((text) => saidFrom(pair, ALICE, text));
  pair.bob.tick(pair.now, [again, saidFrom(pair, ELSEWHERE, 'moved')]);
  pair.bob.tick(pair.now, [late]);
  assert.equal(pair.bob.heard.at(-1), 'alice: late', 'it is heard all the same');
  assert.equal(answersTo(pair), ELSEWHERE, 'late');
  pair.bob.tick(pair.now, [again]);
  assert.equal(answersTo(pair), ELSEWHERE, 'replayed');
  pair.bob.tick(pair.now, [{ ...held, bytes: flipped(held.bytes, held.bytes.length * 8 - 1) }]);
  assert.equal(answersTo(pair), ELSEWHERE, 'forged');
  // Held back by somebody who sends it from an address of his own: heard once, and not believed about the address.
  pair.bob.tick(pair.now, [{ ...held, from: ALICE }]);
  assert.equal(answersTo(pair), ELSEWHERE, 'held back');
});

test('a responder may move too', () => {
  const pair = new Pair().up();
  const [pong] = pair.bob.tick(pair.now, [], [[pair.bob.heardOn!, 'pong']]);
  pair.alice.tick(pair.now, [{ ...pong, from: ELSEWHERE }]);
  assert.equal(saidFrom(pair, ALICE, 'there you are').to, ELSEWHERE);
});

test('a key that is not admitted gets no answer', () => {
  const pair = new Pair();
  pair.admittedByBob.clear();
  for (let i = 0; i < 100; i += 1) assert(pair.tick().every(({ from }) => from !== BOB));
  assert(pair.bob.drops.get('bad_handshake') >= 2);
  assert.equal(pair.bob.links.size, 0);
});

test('a stranger who shows no key gets an answer, and nothing is kept of him', () => {
  const bob = new End('bob', BOB, new Map());
  const stranger = new End('stranger', ALICE, new Map(), { shy: true });
  const link = stranger.links.connect(0, 'bob', bob.listed, BOB)!;
  const answers = bob.tick(0, stranger.tick(0, []));
  assert.deepEqual([answers.length, bob.links.size, bob.drops.total()], [1, 0, 0]);
  stranger.tick(1, answers);
  assert.equal(stranger.links.isUp(link), true, 'it proves that Bob is there');
  const said = stranger.tick(2, [], [[link, 'let me in']]);
  assert.deepEqual(bob.tick(2, said), []);
  assert.deepEqual([bob.heard, bob.drops.get('unknown_session')], [[], 1]);
});

test('who shows no key of its own takes no handshakes', () => {
  const client = new End('client', BOB, new Map([['nobody', 'x']]), { shy: true });
  const alice = new End('alice', ALICE, new Map());
  alice.links.connect(0, 'client', client.listed, BOB);
  assert.deepEqual(client.tick(0, alice.tick(0, [])), []);
  assert.equal(client.drops.get('unknown_kind'), 1);
});

test('no more links than the table holds, and a dead one makes room', () => {
  const bob = new End('bob', BOB, new Map([['nobody', 'client']]), { linksMax: 3 });
  const call = (seed: string, now: Micros) => {
    const client = new End(seed, ALICE, new Map(), { shy: true });
    client.links.connect(now, 'bob', bob.listed, BOB);
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
  assert.notEqual(alice.links.connect(0, 'bob', bob.listed, BOB), undefined);
  assert.equal(alice.links.connect(0, 'bob', bob.listed, BOB), undefined);
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
    pair.alice.links.connect(pair.now, 'other', other.listed, ELSEWHERE);
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
