import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Carried, type Dealt, type DealtMix, dealChannels } from '../../../../nodes/config/dealing.ts';

const mixes = (...ids: string[]): DealtMix[] => ids.map((id) => ({ id }));
/** Each superpeer with as many channels, numbered through. */
const carried = (superpeers: number, each = 1): Carried[] =>
  Array.from({ length: superpeers * each }, (_, i) => ({ id: i + 1, superpeer: `sp-${Math.floor(i / each)}` }));
const deal = (before: readonly Dealt[], channels: readonly Carried[], among: readonly DealtMix[]) =>
  dealChannels(before, channels, among, true);
const countOf = (dealt: readonly Dealt[], mix: string) => dealt.filter((one) => one.mix === mix).length;

function moved(before: readonly Dealt[], after: readonly Dealt[]): Dealt[] {
  const mixOf = new Map(before.map(({ id, mix }) => [id, mix]));
  return after.filter(({ id, mix }) => mixOf.get(id) !== mix);
}

test('in turn, the next standing by, and the standbys of a mix spread over the others', () => {
  assert.deepEqual(
    deal([], carried(4), mixes('b', 'c', 'a')).map(({ mix, standby }) => `${mix}${standby}`),
    ['ab', 'bc', 'ca', 'ac'],
  );
  assert.deepEqual(deal([], carried(1), mixes('a')), [{ id: 1, superpeer: 'sp-0', mix: 'a' }]);
  assert.deepEqual(deal([], carried(1), []), []);
  assert.deepEqual(dealChannels([], carried(1), mixes('a', 'b'), false), [{ id: 1, superpeer: 'sp-0', mix: 'a' }]);
});

test('a third mix takes a third of the channels, and those whom it takes them from stand by for them', () => {
  const before = deal([], carried(12, 2), mixes('a', 'b'));
  const after = deal(before, carried(12, 2), mixes('a', 'b', 'c'));
  const changed = moved(before, after);
  assert.equal(changed.length, 8);
  for (const { id, mix, standby } of changed) {
    assert.equal(mix, 'c');
    assert.equal(standby, before.find((one) => one.id === id)!.mix);
  }
});

test('a mix that drains gives up its own channels alone, stands by for them, and gets as many back from where it stands by', () => {
  const before = deal([], carried(9), mixes('a', 'b', 'c'));
  const among = [...mixes('a', 'b'), { id: 'c', draining: true }];
  const draining = deal(before, carried(9), among);
  assert.deepEqual(
    moved(before, draining).map(({ id, standby }) => [id, standby]),
    [
      [3, 'c'],
      [6, 'c'],
      [9, 'c'],
    ],
  );
  const back = moved(draining, deal(draining, carried(9), mixes('a', 'b', 'c')));
  assert.equal(back.length, 3);
  for (const { id, mix, standby } of back) {
    assert.equal(mix, 'c');
    assert.deepEqual(draining[id - 1], { id, superpeer: `sp-${id - 1}`, mix: standby, standby: 'c' });
  }
  const gone = deal(draining, carried(9), mixes('a', 'b'));
  assert.deepEqual(moved(draining, gone), []);
  assert.deepEqual(new Set(gone.map(({ mix, standby }) => `${mix}${standby}`)), new Set(['ab', 'ba']));
});

test('where all mixes drain they keep what they have', () => {
  const before = deal([], carried(5), mixes('a', 'b'));
  const among = mixes('a', 'b').map((mix) => ({ ...mix, draining: true }));
  assert.deepEqual(deal(before, carried(5), among), before);
});

test('a superpeer that goes frees its own and no more than the balance asks for; a number of another superpeer is new', () => {
  const before = deal([], carried(6), mixes('a', 'b', 'c'));
  const rest = carried(6).filter(({ id }) => id !== 2);
  assert.deepEqual(moved(before, deal(before, rest, mixes('a', 'b', 'c'))), []);
  const renamed = carried(6).map((channel) => (channel.id === 2 ? { ...channel, superpeer: 'x' } : channel));
  assert.equal(deal(before, renamed, mixes('a', 'b', 'c')).find(({ id }) => id === 2)!.superpeer, 'x');
});

test('whatever comes and goes: balanced, no more moves than that takes, nobody stands by for himself, and again changes nothing', () => {
  const names = [...'abcdef'];
  const step = fc.record({
    superpeers: fc.integer({ min: 0, max: 20 }),
    each: fc.integer({ min: 1, max: 3 }),
    among: fc.uniqueArray(fc.record({ id: fc.constantFrom(...names), draining: fc.boolean() }), {
      selector: ({ id }) => id,
      minLength: 1,
    }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      let before: Dealt[] = [];
      for (const { superpeers, each, among } of steps) {
        const channels = carried(superpeers, each);
        const after = deal(before, channels, among);
        assert.deepEqual(deal(after, channels, among), after);
        assert.equal(after.length, channels.length);
        const staying = among.filter(({ draining }) => !draining);
        const takers = (staying.length > 0 ? staying : among).map(({ id }) => id);
        const counts = takers.map((mix) => countOf(after, mix));
        assert.equal(
          counts.reduce((sum, count) => sum + count),
          channels.length,
        );
        assert(Math.max(...counts) - Math.min(...counts) <= 1);
        for (const { mix, standby } of after) {
          assert.notEqual(mix, standby);
          if (takers.length > 1) assert(standby !== undefined && among.some(({ id }) => id === standby));
        }
        // Channels that had a mix which stays: as many keep theirs as any balanced dealing allows.
        const superpeerOf = new Map(channels.map(({ id, superpeer }) => [id, superpeer]));
        const same = before.filter(({ id, superpeer }) => superpeerOf.get(id) === superpeer);
        const had = takers.map((mix) => countOf(same, mix)).sort((a, b) => b - a);
        const share = Math.floor(channels.length / takers.length);
        const rest = channels.length % takers.length;
        const keepable = had.reduce((sum, count, index) => sum + Math.min(count, share + (index < rest ? 1 : 0)), 0);
        assert.equal(
          same.length -
            moved(
              same,
              after.filter(({ id }) => same.some((one) => one.id === id)),
            ).length,
          keepable,
        );
        before = after;
      }
    }),
  );
});
