import assert from 'node:assert/strict';
import test from 'node:test';
import { inspect } from 'node:util';
import { queryObjects } from 'node:v8';
import fc from 'fast-check';
import { GENERATION_BITS, GENERATION_LATE, Generations, Ratchet } from '../../../../nodes/crypto/generations.ts';
import { deriveKey } from '../../../../nodes/crypto/keys.ts';
import { hex, readVectors } from '../support/vectors.ts';

interface Vector {
  readonly row: number;
  readonly key: string;
  readonly first: number;
  readonly generations: readonly { readonly counter: number; readonly use: string }[];
}

const { chains } = readVectors<{ chains: Vector[] }>('ratchet');
const GENERATION = 2 ** GENERATION_BITS;
const KEY = Buffer.alloc(32, 7);
const asHex = (key: Buffer) => key.toString('hex');

/** The slow twin: the working key of the n-th generation by walking the chain from its beginning. */
function workingKey(key: Buffer, n: number): string {
  let chain = key;
  for (let i = 0; i < n; i += 1) chain = deriveKey(chain, 'next');
  return asHex(deriveKey(chain, 'use'));
}

for (const { row, key, first, generations } of chains) {
  test(`row ${row}: the keys of each generation from counter ${first} on are those of another implementation`, () => {
    const keys = new Generations(hex(key), first, asHex);
    for (const { counter, use } of generations) {
      assert.equal(keys.at(counter), use, `counter ${counter}`);
      keys.commit(counter);
      assert.equal(keys.at(counter), use, `counter ${counter}, after the commit`);
    }
    const ratchet = new Ratchet(hex(key));
    assert.deepEqual(
      generations.map(() => ratchet.next(asHex)),
      generations.map(({ use }) => use),
    );
  });
}

/**
 * What a network makes of a stream of counters: each with the place at which it arrives, which is up to 200 behind its
 * own, some twice, some never.
 */
const stream = fc
  .record({
    first: fc.integer({ min: 0, max: 2 ** 31 }),
    boundaries: fc.integer({ min: 1, max: 4 }),
    seed: fc.array(fc.record({ delay: fc.nat(200), again: fc.nat(200), fate: fc.nat(9) }), {
      minLength: 50,
      maxLength: 50,
    }),
  })
  .map(({ first, boundaries, seed }) => {
    const begin = Math.floor(first / GENERATION) * GENERATION;
    const sent = [first];
    for (let boundary = 1; boundary <= boundaries; boundary += 1) {
      // Around each boundary; what lies between is lost, so that tests are short.
      const at = begin + boundary * GENERATION;
      for (let counter = Math.max(first + 1, at - 300); counter < at + 500; counter += 1) sent.push(counter);
    }
    const arrivals = sent.flatMap((counter, i) => {
      // Not the same for the same place before every boundary.
      const { delay, again, fate } = seed[(i * 7 + Math.floor(i / 50)) % seed.length];
      if (fate === 0) return [];
      const once = { counter, place: i + delay };
      return fate === 1 ? [once, { counter, place: i + again }] : [once];
    });
    arrivals.sort((a, b) => a.place - b.place);
    return { first, sent, arrived: arrivals.map(({ counter }) => counter) };
  });

test('sender and receiver have the same key for every counter, with loss, reordering up to 200 and duplication', () => {
  let late = 0;
  fc.assert(
    fc.property(stream, ({ first, sent, arrived }) => {
      const sender = new Generations(KEY, first, asHex);
      const used = new Map<number, string>();
      for (const counter of sent) {
        sender.commit(counter);
        used.set(counter, sender.at(counter)!);
      }
      const receiver = new Generations(KEY, first, asHex);
      let highest = first;
      for (const counter of arrived) {
        const key = receiver.at(counter);
        if (key !== used.get(counter)) assert.fail(`counter ${counter} from ${first}: ${key}`);
        receiver.commit(counter);
        if (counter >>> GENERATION_BITS < highest >>> GENERATION_BITS) late += 1;
        highest = Math.max(highest, counter);
      }
      const generation = (counter: number) => (counter >>> GENERATION_BITS) - (first >>> GENERATION_BITS);
      for (const counter of sent.filter((_, i) => i % 400 === 0))
        assert.equal(used.get(counter), workingKey(KEY, generation(counter)));
    }),
    { numRuns: 60 },
  );
  assert(late > 100, `only ${late} counters came behind a boundary that was crossed`);
});

test('a look ahead moves nothing; only a commit does, and one that is behind does nothing', () => {
  const keys = new Generations(KEY, 5, asHex);
  const [now, next] = [workingKey(KEY, 0), workingKey(KEY, 1)];
  for (let i = 0; i < 3; i += 1) {
    assert.equal(keys.at(GENERATION + i), next);
    assert.equal(keys.at(GENERATION - 1), now);
    assert.equal(keys.at(0), now, 'the generation of the first counter, whole');
  }
  assert.equal(keys.at(2 * GENERATION), undefined, 'two ahead');
  assert.equal(keys.at(2 ** 32 - 1), undefined);
  keys.commit(GENERATION - 1);
  assert.equal(keys.at(GENERATION - 1), now);
  keys.commit(GENERATION);
  keys.commit(0);
  assert.equal(keys.at(GENERATION), next);
});

test('the last key serves for 256 counters on either side of the boundary, and no more', () => {
  const keys = new Generations(KEY, 5, asHex);
  const now = workingKey(KEY, 0);
  keys.commit(GENERATION);
  assert.equal(keys.at(GENERATION - GENERATION_LATE), now);
  assert.equal(keys.at(GENERATION - GENERATION_LATE - 1), undefined, 'too far behind the boundary');
  keys.commit(GENERATION + GENERATION_LATE - 1);
  assert.equal(keys.at(GENERATION - 1), now);
  keys.commit(GENERATION + GENERATION_LATE);
  assert.equal(keys.at(GENERATION - 1), undefined, 'the others are too far ahead');
});

test('a key that was erased cannot be had again', () => {
  const counter = fc.integer({ min: 0, max: 40 * GENERATION });
  fc.assert(
    fc.property(counter, fc.array(counter, { maxLength: 20 }), (first, commits) => {
      const keys = new Generations(KEY, first, asHex);
      let highest = first;
      for (const committed of commits) {
        keys.commit(committed);
        highest = Math.max(highest, committed);
        const start = Math.floor(highest / GENERATION) * GENERATION;
        for (let old = 0; old < start - GENERATION_LATE; old += GENERATION / 2) assert.equal(keys.at(old), undefined);
        if (highest >= start + GENERATION_LATE && start > 0) assert.equal(keys.at(start - 1), undefined);
        assert.equal(keys.at(highest), workingKey(KEY, (highest >>> GENERATION_BITS) - (first >>> GENERATION_BITS)));
      }
    }),
    { numRuns: 60 },
  );
});

test('erased keys are out of memory, however many generations are skipped', () => {
  class Holder {}
  const keys = new Generations(KEY, 0, () => new Holder());
  const held = () => queryObjects(Holder, { format: 'count' });
  assert.equal(held(), 1);
  keys.at(GENERATION);
  assert.equal(held(), 2, 'the candidate');
  keys.commit(GENERATION);
  assert.equal(held(), 2, 'the last one');
  keys.commit(GENERATION + GENERATION_LATE);
  assert.equal(held(), 1);
  keys.commit(9 * GENERATION + GENERATION_LATE);
  assert.equal(held(), 1);
  assert(keys.at(9 * GENERATION) instanceof Holder);
});

test('wipes what it derives from and what it gave, keeps nothing of the caller’s key and shows none', () => {
  const given: Buffer[] = [];
  const key = Buffer.from(KEY);
  const keys = new Generations(key, 0, (use) => given.push(use));
  key.fill(0);
  keys.commit(GENERATION);
  assert.deepEqual(given, [Buffer.alloc(32), Buffer.alloc(32)]);
  const shown = new Generations(KEY, 0, asHex);
  assert.equal(shown.at(GENERATION), workingKey(KEY, 1), 'the caller’s own copy was not touched');
  const ratchet = new Ratchet(KEY);
  assert(!inspect(ratchet, { showHidden: true, depth: 9 }).includes('07 07'));
});
