import assert from 'node:assert/strict';
import test from 'node:test';
import { parseContact } from '../../nodes/config/contact.ts';
import { parseEndpoint } from '../../nodes/core/units.ts';
import { explore } from './explore.ts';
import type { Target } from './target.ts';

/** What its seeds do in nodes/, batch by batch. */
const target = (does: (seed: string, batch: number) => void): Target => ({
  name: 'explored',
  property: 'none',
  start: (seed) => {
    let batches = 0;
    return () => {
      batches += 1;
      does(seed, batches);
      return 1;
    };
  },
});

test('a seed is kept with the batches that it takes to reach what none before has, and no other', () => {
  const reaching = target((seed, batch) => {
    if (seed === 'a/0' && batch === 3) parseContact('');
    if (seed === 'a/1' && batch === 2) parseEndpoint('10.0.0.1:7');
  });
  const first = explore(reaching, [], 1200, 'a');
  assert.deepEqual(first.kept, [
    { seed: 'a/0', batches: 3 },
    { seed: 'a/1', batches: 2 },
  ]);
  assert(first.inputs > 5 && !first.failure);
  const again = explore(reaching, [...first.kept, { seed: 'of no use', batches: 1 }], 100, 'b');
  assert.deepEqual(again.kept, first.kept);
});

test('a seed that breaks the property is kept for ever, and is the first thing to fail the next time', () => {
  const broken = target((seed, batch) => assert(seed !== 'c/0' || batch < 3));
  const { kept, failure } = explore(broken, [], 100, 'c');
  assert.deepEqual(kept, [{ seed: 'c/0', batches: 3, found: true }]);
  assert.match(`${failure?.message}`, /in batch 3 of seed c\/0, after 2 inputs/);
  const again = explore(broken, kept, 100, 'd');
  assert.equal(again.inputs, 0);
  assert.deepEqual(again.kept, kept);
  assert.deepEqual(
    explore(
      target(() => {}),
      kept,
      100,
      'e',
    ).kept,
    kept,
    'also when it is mended',
  );
});
