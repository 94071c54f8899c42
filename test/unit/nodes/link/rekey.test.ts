import assert from 'node:assert/strict';
import test from 'node:test';
import { queryObjects } from 'node:v8';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../../../nodes/core/units.ts';
import { Aead } from '../../../../nodes/crypto/aead.ts';
import { LINK_KIND, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { ALICE, type Datagram, ELSEWHERE, End, kind, Pair } from './ends.ts';

/** The renewal of a link's keys, of nodes (IK) and of clients, who show no static key (NK). */
const HOUR_US = 3600 * SECOND_US;
const SHY = [false, true];
const who = (shy: boolean) => (shy ? 'a client' : 'a node');

/** A link that both ends use, some seconds before its keys are an hour old. */
function almostAnHourOld(shy: boolean, secondsBefore: number): Pair {
  const pair = new Pair({ shy }).up();
  pair.answer = 'pong';
  const start = pair.now;
  while (pair.now < start + HOUR_US - secondsBefore * SECOND_US) pair.tick(['every second'], SECOND_US);
  pair.bob.heard.length = 0;
  return pair;
}

/** The index of the session under which a datagram goes. */
const session = ({ bytes }: Datagram) => bytes.readUIntBE(1, 3);

for (const shy of SHY) {
  test(`${who(shy)} renews the key after an hour, and not one message is lost to it`, () => {
    const pair = new Pair({ shy }).up();
    pair.answer = 'pong';
    const link = pair.bob.heardOn;
    const said: string[] = [];
    const renewed: Micros[] = [];
    const start = pair.now;
    // Two and a half hours, a message every half second: often enough not to be silent.
    for (let i = 0; pair.now < start + 2.5 * HOUR_US; i += 1) {
      said.push(`alice: message ${i}`);
      const sent = pair.tick([`message ${i}`], SECOND_US / 2);
      if (sent.some((datagram) => kind(datagram) === LINK_KIND.response)) renewed.push(pair.now - start);
    }
    assert.equal(renewed.length, 2);
    for (const [index, at] of renewed.entries())
      assert(Math.abs(at - (index + 1) * HOUR_US) < 5 * SECOND_US, `renewal ${index + 1} at ${at / SECOND_US} s`);
    assert.deepEqual(pair.bob.heard, said);
    assert.equal(pair.bob.drops.total() + pair.alice.drops.total(), 0);
    assert.equal(pair.bob.links.size, 1);
    assert.equal(pair.bob.heardOn, link, 'to the responder it is the link that it was');
  });
}

/**
 * Twenty seconds around a renewal in a network that loses a tenth and delays the rest by 0 to 100 ms, so that datagrams
 * overtake each other. Each end sends one in every tick.
 */
function renewInBadWeather(shy: boolean, seed: string) {
  const random = new SeededRandom(seed);
  const pair = almostAnHourOld(shy, 4);
  const { alice, bob, link } = pair;
  const mail: { at: Micros; datagram: Datagram }[] = [];
  /** Texts by the datagram that carries them; what arrived of them at either end, and under which sessions. */
  const texts = new Map<Datagram, string>();
  const arrived: Record<string, string[]> = { alice: [], bob: [] };
  const sessions: Record<string, number[]> = { alice: [], bob: [] };
  alice.heard.length = 0;
  const deliver = (to: End, name: string): Datagram[] => {
    const due = mail.filter(({ at, datagram }) => at <= pair.now && datagram.to === to.endpoint);
    for (const item of due) mail.splice(mail.indexOf(item), 1);
    for (const { datagram } of due) {
      if (!texts.has(datagram)) continue;
      arrived[name].push(texts.get(datagram)!);
      sessions[name].push(session(datagram));
    }
    return due.map(({ datagram }) => datagram);
  };
  const post = (sent: Datagram[], text: string) => {
    texts.set(sent.at(-1)!, text);
    for (const datagram of sent) {
      const at = pair.now + Math.floor(random.next() * 100) * MILLISECOND_US;
      if (random.next() >= 0.1) mail.push({ at, datagram });
    }
  };
  for (const end = pair.now + 20 * SECOND_US; pair.now < end; pair.now += TICK_US) {
    const toBob = `bob: ${pair.now}`;
    const toAlice = `alice: ${pair.now}`;
    post(alice.tick(pair.now, deliver(alice, 'alice'), [[link, toAlice]]), `alice: ${toAlice}`);
    post(bob.tick(pair.now, deliver(bob, 'bob'), [[bob.heardOn!, toBob]]), `bob: ${toBob}`);
  }
  return { alice, bob, arrived, sessions };
}

/** Datagrams of the old session that came after the first one of the new. */
function overlapping(sessions: readonly number[]): number {
  const [old] = sessions;
  const first = sessions.findIndex((index) => index !== old);
  assert(first > 0, 'the key was renewed');
  return sessions.slice(first).filter((index) => index === old).length;
}

for (const shy of SHY) {
  test(`while ${who(shy)} renews its key, with loss and reordering, nothing that arrives is refused`, () => {
    let overlaps = 0;
    for (let seed = 1; seed <= 8; seed += 1) {
      const { alice, bob, arrived, sessions } = renewInBadWeather(shy, `weather ${seed}`);
      const heard = { bob: bob.heard, alice: alice.heard };
      assert.deepEqual(heard, arrived, `seed ${seed}`);
      assert(arrived.bob.length > 800 && arrived.alice.length > 800);
      assert.deepEqual([alice.drops.total(), bob.drops.total()], [0, 0], `seed ${seed}`);
      overlaps += overlapping(sessions.bob) + overlapping(sessions.alice);
    }
    assert(overlaps > 0, 'some of it came under the old key after the new one was in use');
  });

  test(`what was under way when ${who(shy)} renewed its key counts for five seconds, and then no more`, () => {
    const pair = almostAnHourOld(shy, 3);
    const held: Datagram[] = [];
    let renewedAt = 0;
    pair.path = (datagram) => {
      if (kind(datagram) === LINK_KIND.response) renewedAt = pair.now;
      if (datagram.from !== ALICE || held.length === 3) return true;
      held.push({ ...datagram, from: ELSEWHERE });
      return false;
    };
    for (const text of ['old one', 'old two', 'old three']) pair.tick([text]);
    // Nothing more of hers, so that these are the newest of their session.
    while (renewedAt === 0) pair.tick([], SECOND_US / 10);
    while (pair.now < renewedAt + 4.8 * SECOND_US) pair.tick(['a new one'], SECOND_US / 10);
    pair.bob.heard.length = 0;
    pair.bob.tick(pair.now, held.slice(0, 2));
    assert.deepEqual(pair.bob.heard, ['alice: old one', 'alice: old two']);
    const [answer] = pair.bob.tick(pair.now, [], [[pair.bob.heardOn!, 'hello']]);
    assert.equal(answer.to, ALICE, 'the old session does not tell where the peer is');
    while (pair.now < renewedAt + 5.5 * SECOND_US) pair.tick(['a new one'], SECOND_US / 10);
    pair.bob.heard.length = 0;
    pair.bob.tick(pair.now, held.slice(2));
    assert.deepEqual(pair.bob.heard, []);
    assert.equal(pair.bob.drops.get('unknown_session'), 1);
  });

  test(`the old keys of ${who(shy)} are out of memory five seconds after the renewal`, () => {
    const pair = almostAnHourOld(shy, 3);
    /** Two at each end for each session. */
    const keys = () => queryObjects(Aead, { format: 'count' });
    const before = keys();
    let renewedAt = 0;
    pair.path = (datagram) => {
      if (kind(datagram) === LINK_KIND.response) renewedAt = pair.now;
      return true;
    };
    while (renewedAt === 0 || pair.now < renewedAt + SECOND_US) pair.tick(['a new one'], SECOND_US / 10);
    assert.equal(keys(), before + 4, 'both old ends are still there');
    while (pair.now < renewedAt + 5.5 * SECOND_US) pair.tick(['a new one'], SECOND_US / 10);
    assert.equal(keys(), before);
  });
}

test('a client’s renewal is not seen, and nobody else’s INIT takes its place', () => {
  const pair = almostAnHourOld(true, 3);
  const { bob } = pair;
  const link = bob.heardOn!;
  const seen = new Set<number>();
  pair.path = (datagram) => seen.add(kind(datagram)) !== undefined;
  while (!seen.has(LINK_KIND.response)) pair.tick(['a new one'], SECOND_US / 10);
  assert(!seen.has(LINK_KIND.initNk));
  // Somebody with a key pair of his own and Alice's address.
  const stranger = new End('stranger', ALICE, new Map(), { shy: true });
  stranger.links.connect(pair.now, 'bob', bob.listed, bob.endpoint);
  bob.tick(pair.now, stranger.tick(pair.now, []));
  assert.equal(bob.links.size, 2, 'a link of its own');
  pair.tick(['still here']);
  assert.equal(bob.heard.at(-1), 'alice: still here');
  assert.equal(bob.heardOn, link);
});
