import assert from 'node:assert/strict';
import test from 'node:test';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Endpoint, type Micros, parseEndpoint, SECOND_US } from '../../../../nodes/core/units.ts';
import { Probes, type ProbeTarget } from '../../../../nodes/directory/probes.ts';
import { DATAGRAM_BYTES_MAX, LINK_KIND } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { BOB, type Datagram, ELSEWHERE, End } from '../link/ends.ts';

const HERE = parseEndpoint('10.0.0.5:4000')!;
const START = 1_000 * SECOND_US;
const STEP = SECOND_US / 2;

/** A directory that looks for one node, twice a second, and the node, if it is there. */
class Search {
  readonly drops = new DropCounters();
  readonly probes = new Probes(new SeededRandom('probes').fill, this.drops);
  /** Of a rendezvous: nobody who shows no key may link to it. */
  readonly bob = new End('bob', BOB, new Map());
  now: Micros = START;
  sent: Datagram[] = [];
  #inbox = new PacketRing(64, DATAGRAM_BYTES_MAX);
  #outbox = new PacketRing(64, DATAGRAM_BYTES_MAX);
  target: ProbeTarget = { zone: 'eu', id: 'bob', boot: 1, endpoint: BOB, linkKey: this.bob.key.publicKey };

  /** @returns what was found out in each step, a letter each: a dot for nothing */
  run(steps: number, epoch: number, isThere = true, path: (datagram: Datagram) => Datagram = (d) => d): string {
    let found = '';
    for (let i = 0; i < steps; i += 1, this.now += STEP) {
      const results = this.probes.tick(this.now, epoch, [this.target], this.#inbox, this.#outbox);
      found += results.length === 0 ? '.' : results.map(({ answered }) => (answered ? 'y' : 'n')).join('');
      const sent = Array.from({ length: this.#outbox.count }, (_, j) => ({
        from: HERE,
        to: this.#outbox.endpoints[j] as Endpoint,
        bytes: Buffer.from(
          this.#outbox.bytes.subarray(j * DATAGRAM_BYTES_MAX, j * DATAGRAM_BYTES_MAX + this.#outbox.lengths[j]!),
        ),
      }));
      this.#outbox.clear();
      this.sent.push(...sent);
      const answers = isThere ? this.bob.tick(this.now, sent).map(path) : [];
      this.#inbox.clear();
      for (const { from, bytes } of answers) {
        bytes.copy(this.#inbox.bytes, this.#inbox.reserve());
        this.#inbox.push(from, bytes.length);
      }
    }
    return found;
  }
}

test('a node that is there answers at once, once an epoch, and keeps nothing of it', () => {
  const search = new Search();
  assert.equal(search.run(100, 7), `.y${'.'.repeat(98)}`);
  assert.equal(search.run(100, 8), `.y${'.'.repeat(98)}`);
  assert.equal(search.sent.length, 2);
  assert.equal(search.bob.links.size, 0);
  assert.equal(search.bob.drops.total(), 0);
});

test('a node whose answers come from another of its addresses is there', () => {
  const found = new Search().run(4, 7, true, (datagram) => ({ ...datagram, from: ELSEWHERE }));
  assert.equal(found, '.y..');
});

test('a node that is not there is tried ten seconds of twelve, and found when it comes', () => {
  const search = new Search();
  const round = `${'.'.repeat(21)}n...`;
  assert.equal(search.run(75, 7, false), round.repeat(3));
  assert.ok(search.sent.length <= 3 * 15, `${search.sent.length} tries`);
  assert.match(search.run(30, 7, true), /^\.*y\.*$/);
});

test('many that are not there leave turns to the others', () => {
  const probes = new Probes(new SeededRandom('many').fill, new DropCounters());
  const key = new End('many', BOB, new Map()).key.publicKey;
  const targets = Array.from({ length: 300 }, (_, i) => {
    return { zone: 'eu', id: `n${i}`, boot: 1, endpoint: (BOB + i) as Endpoint, linkKey: key };
  });
  const [inbox, outbox] = [new PacketRing(8, DATAGRAM_BYTES_MAX), new PacketRing(512, DATAGRAM_BYTES_MAX)];
  const tried = new Set<number>();
  for (let now = START; now < START + 60 * SECOND_US; now += STEP) {
    probes.tick(now, 7, targets, inbox, outbox);
    assert.ok(outbox.count <= 128);
    for (let i = 0; i < outbox.count; i += 1) tried.add(outbox.endpoints[i]!);
    outbox.clear();
  }
  assert.equal(tried.size, 300);
});

test('one that has answered is missed when it has not for a whole epoch', () => {
  const search = new Search();
  search.run(60, 7);
  assert.doesNotMatch(search.run(200, 8, false), /n/);
  assert.match(search.run(200, 9, false), /n/);
});

test('who has another key is not the node, wherever he is', () => {
  const search = new Search();
  search.target = { ...search.target, linkKey: new End('mallory', ELSEWHERE, new Map()).key.publicKey };
  assert.match(search.run(60, 7), /^[^y]*n[^y]*$/);
});

test('who copies or makes up an answer is not believed', () => {
  const search = new Search();
  const found = search.run(60, 7, true, ({ bytes, ...rest }) => {
    const forged = Buffer.from(bytes);
    forged[forged.length - 1]! ^= 1;
    return { ...rest, bytes: forged };
  });
  assert.match(found, /^[^y]*n[^y]*$/);
  assert.ok(search.drops.get('bad_handshake') > 0);
});

test('another process, or another endpoint, has yet to answer', () => {
  const search = new Search();
  search.run(80, 7);
  search.target = { ...search.target, boot: 2 };
  assert.equal(search.run(4, 7), '.y..');
  search.target = { ...search.target, endpoint: ELSEWHERE };
  search.run(80, 7, false);
  assert.equal(search.sent.at(-1)!.to, ELSEWHERE);
});

test('an answer is no longer than what asked for it', () => {
  const { bob, target } = new Search();
  const search = new Search();
  search.run(1, 7, false);
  const [answer] = bob.tick(START, [{ ...search.sent[0]!, to: target.endpoint }]);
  assert.equal(answer!.bytes[0], LINK_KIND.response);
  assert.ok(answer!.bytes.length < search.sent[0]!.bytes.length);
});
