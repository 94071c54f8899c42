import assert from 'node:assert/strict';
import test from 'node:test';
import { queryObjects } from 'node:v8';
import { type Endpoint, type Micros, SECOND_US } from '../../../../nodes/core/units.ts';
import { Handshake } from '../../../../nodes/crypto/noise.ts';
import { ReplayWindow } from '../../../../nodes/crypto/replay.ts';
import { LINK_DEAD_US } from '../../../../nodes/link/links.ts';
import { LINK_COOKIE_BYTES, LINK_KIND, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { ALICE, BOB, type Datagram, End, kind } from './ends.ts';

/** Half-open floods (network.md 6, case 14): INITs in masses, from addresses at which nobody receives. */
const FLOOD = 10_000;
/** So many that a quarter of the outbox holds a COOKIE for each. */
const SLOTS = 4 * (FLOOD + 1);

function client(seed: string, endpoint: Endpoint, bob: End, now: Micros): End {
  const end = new End(seed, endpoint, new Map(), { shy: true });
  end.links.connect(now, 'bob', bob.listed, BOB);
  return end;
}

/**
 * One tick's flood: some INITs that would pass, which anybody can make, since a client shows no key; noise of the same
 * form; and half of it all with a cookie that somebody made up.
 */
function forgeries(bob: End): Datagram[] {
  const random = new SeededRandom('flood');
  const passing = Array.from({ length: 64 }, (_, i) => client(`flood ${i}`, ALICE, bob, 0).tick(0, [])[0].bytes);
  return Array.from({ length: FLOOD }, (_, i) => {
    const bytes = Buffer.from(passing[i % passing.length]);
    if (i >= passing.length) random.fill(bytes.subarray(4, -LINK_COOKIE_BYTES));
    if (i % 2 === 1) random.fill(bytes.subarray(-LINK_COOKIE_BYTES));
    const from = Math.floor(random.next() * 2 ** 48) as Endpoint;
    return { from, to: BOB, bytes };
  });
}

interface Outcome {
  readonly upAfterUs: Micros;
  readonly responses: number;
  readonly cookies: number;
}

/** So many seconds of flood into Bob, and Alice who wants to be heard by him; `path` may lose what goes to her. */
function flood(seconds: number, bob: End, alice: End, path: (datagram: Datagram) => boolean = () => true): Outcome {
  const random = new SeededRandom('where in the tick');
  const forged = forgeries(bob);
  const link = alice.links.connect(0, 'bob', bob.listed, BOB)!;
  let toAlice: Datagram[] = [];
  let upAfterUs = Number.POSITIVE_INFINITY;
  let responses = 0;
  let cookies = 0;
  for (let now = 0; now < seconds * SECOND_US; now += TICK_US) {
    const honest = alice.tick(now, toAlice, [[link, 'here I am']]);
    if (bob.heard.length > 0) upAfterUs = Math.min(upAfterUs, now);
    const place = Math.floor(random.next() * FLOOD);
    const sent = bob.tick(now, [...forged.slice(0, place), ...honest, ...forged.slice(place)]);
    responses += sent.filter((datagram) => kind(datagram) === LINK_KIND.response).length;
    cookies += sent.filter((datagram) => kind(datagram) === LINK_KIND.cookie).length;
    assert(
      sent.every(({ bytes }) => bytes.length < 4 + 48 + LINK_COOKIE_BYTES),
      'no answer is longer than an INIT',
    );
    toAlice = sent.filter((datagram) => datagram.to === ALICE && path(datagram));
  }
  return { upAfterUs, responses, cookies };
}

/** A responder whom clients may link to, and a node. */
function responder(slots = SLOTS): { bob: End; alice: End } {
  const admitted = new Map([['nobody', 'client']]);
  const bob = new End('bob', BOB, admitted, { linksMax: 8192, slots });
  const alice = new End('alice', ALICE, new Map());
  admitted.set(alice.key.publicKey.toString('hex'), 'alice');
  return { bob, alice };
}

test('a flood of 10,000 forged INITs a tick does not keep anybody out, and leaves next to nothing behind', () => {
  const { bob, alice } = responder();
  const held = () => ({
    sessions: queryObjects(ReplayWindow, { format: 'count' }),
    handshakes: queryObjects(Handshake, { format: 'count' }),
  });
  const before = held();
  const { upAfterUs, responses, cookies } = flood(2, bob, alice);
  const after = held();
  assert(upAfterUs < 0.5 * SECOND_US, `up after ${upAfterUs / SECOND_US} s`);
  assert(cookies > 50 * FLOOD, `the flood was one: ${cookies} COOKIEs`);
  assert(responses < 100, `${responses} handshakes of ${100 * FLOOD} were gone through with`);
  assert(bob.links.size <= responses + 1, `${bob.links.size} links`);
  assert(after.sessions - before.sessions <= responses + 1, `${after.sessions - before.sessions} sessions`);
  // The forged INITs' own makers hold theirs.
  assert(after.handshakes - before.handshakes <= 64, `${after.handshakes - before.handshakes} handshakes`);
  bob.tick(2 * SECOND_US + LINK_DEAD_US, []);
  assert.equal(bob.links.size, 0, 'half-open links are forgotten');
});

test('who does not hear the cookie stays out of the same flood: it is the cookie that helps', () => {
  const { bob, alice } = responder();
  const { upAfterUs } = flood(0.5, bob, alice, (datagram) => kind(datagram) !== LINK_KIND.cookie);
  assert.equal(upAfterUs, Number.POSITIVE_INFINITY);
});

test('COOKIEs leave three quarters of the outbox to what every tick sends', () => {
  const { bob } = responder(FLOOD);
  const forged = forgeries(bob);
  for (let tick = 0; tick < 4; tick += 1) {
    const sent = bob.tick(tick * TICK_US, forged);
    assert(sent.length <= FLOOD / 4 + 16, `${sent.length} of ${FLOOD} slots`);
  }
  assert(bob.drops.get('handshake_limit') > FLOOD);
});

/** What Bob answers to `count` clients at once: kinds by how often. */
function answers(bob: End, count: number, now: Micros): Record<number, number> {
  const inits = Array.from({ length: count }, (_, i) => client(`${now}: ${i}`, ALICE, bob, now).tick(now, [])[0]);
  const kinds: Record<number, number> = {};
  for (const datagram of bob.tick(now, inits)) kinds[kind(datagram)] = (kinds[kind(datagram)] ?? 0) + 1;
  return kinds;
}

test('no COOKIE while there are few: up to half of the handshakes that a tick allows', () => {
  const { bob } = responder(128);
  for (let tick = 0; tick < 7; tick += 1)
    assert.deepEqual(answers(bob, 8, tick * TICK_US), { [LINK_KIND.response]: 8 }, `tick ${tick + 1}`);
  assert.equal(bob.drops.get('cookie_missing'), 0);
});

test('with more than half of the allowance used, the rest of the tick and the next are for those with a cookie', () => {
  const { bob } = responder(128);
  assert.deepEqual(answers(bob, 20, 0), { [LINK_KIND.response]: 9, [LINK_KIND.cookie]: 11 });
  assert.deepEqual(answers(bob, 3, 1), { [LINK_KIND.cookie]: 3 });
  assert.deepEqual(answers(bob, 3, 2), { [LINK_KIND.response]: 3 }, 'nobody has come: it is over');
  assert.equal(bob.drops.get('cookie_missing'), 14);
});

test('those with a cookie are taken while the others wait, up to the allowance', () => {
  const { bob } = responder(256);
  const clients = Array.from({ length: 40 }, (_, i) => client(`client ${i}`, (ALICE + i) as Endpoint, bob, 0));
  const first = clients.flatMap((end) => end.tick(0, []));
  const told = bob.tick(0, first);
  const again = clients.flatMap((end) =>
    end.tick(
      1,
      told.filter(({ to }) => to === end.endpoint),
    ),
  );
  const withCookie = again.filter(({ bytes }) => !bytes.subarray(-LINK_COOKIE_BYTES).equals(Buffer.alloc(16)));
  assert.equal(withCookie.length, 31, 'all but the nine that were taken at once');
  // In the middle of others who show none.
  const sent = bob.tick(1, [...first.slice(20), ...withCookie, ...first.slice(20)]);
  const to = (wanted: number) => sent.filter((datagram) => kind(datagram) === wanted).length;
  assert.deepEqual([to(LINK_KIND.response), to(LINK_KIND.cookie)], [16, 40]);
});

test('many links that are not gone through with ask for cookies too, however slowly they are begun', () => {
  const { bob } = responder(128);
  let asked = -1;
  for (let tick = 0; asked < 0 && tick < 400; tick += 1)
    if (answers(bob, 1, tick * TICK_US)[LINK_KIND.cookie]) asked = tick;
  assert.equal(asked, 65);
  assert.equal(bob.links.size, 65, 'one more than 64 wait');
});

test('a cookie is good for its address alone', () => {
  const { bob } = responder(128);
  const alice = client('alice', ALICE, bob, 0);
  const init = alice.tick(0, []);
  answers(bob, 9, 0);
  const [cookie] = bob.tick(1, init);
  assert.equal(kind(cookie), LINK_KIND.cookie);
  const [again] = alice.tick(2, [cookie]);
  answers(bob, 9, 3);
  const elsewhere = { ...again, from: (ALICE + 1) as Endpoint };
  const kinds = bob.tick(4, [elsewhere, again]).map((datagram) => kind(datagram));
  assert.deepEqual(kinds, [LINK_KIND.cookie, LINK_KIND.response]);
});

test('no more cookies are checked in a tick than a quarter of the outbox, so that made-up ones cost no more either', () => {
  for (const [madeUp, taken] of [
    [15, true],
    [16, false],
  ] as const) {
    const { bob } = responder(64);
    const alice = client('alice', ALICE, bob, 0);
    const init = alice.tick(0, []);
    answers(bob, 9, 0);
    const again = alice.tick(1, bob.tick(1, init));
    answers(bob, 9, 2);
    const forged = forgeries(bob).filter((_, i) => i % 2 === 1);
    const sent = bob.tick(3, [...forged.slice(0, madeUp), ...again]);
    const response = sent.some((datagram) => datagram.to === ALICE && kind(datagram) === LINK_KIND.response);
    assert.equal(response, taken, `after ${madeUp}`);
  }
});

test('an initiator shows its cookie for two minutes', () => {
  const { bob } = responder(128);
  const alice = client('alice', ALICE, bob, 0);
  const init = alice.tick(0, []);
  answers(bob, 9, 0);
  alice.tick(TICK_US, bob.tick(1, init));
  const shown: Micros[] = [];
  for (let now = TICK_US; now < 200 * SECOND_US; now += TICK_US)
    for (const { bytes } of alice.tick(now, []))
      if (!bytes.subarray(-LINK_COOKIE_BYTES).equals(Buffer.alloc(16))) shown.push(now);
  assert(Math.abs(shown.at(-1)! - 120 * SECOND_US) < SECOND_US, `until ${shown.at(-1)! / SECOND_US} s`);
  assert(shown.length > 150, 'in every try');
});
