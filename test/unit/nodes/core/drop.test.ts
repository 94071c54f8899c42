import assert from 'node:assert/strict';
import test from 'node:test';
import { DROP_REASONS, DropCounters } from '../../../../nodes/core/drop.ts';

test('counts each reason by itself', () => {
  const drops = new DropCounters();
  for (const [index, reason] of DROP_REASONS.entries()) for (let n = 0; n <= index; n += 1) drops.add(reason);
  for (const [index, reason] of DROP_REASONS.entries()) assert.equal(drops.get(reason), index + 1, reason);
  assert.equal(drops.total(), (DROP_REASONS.length * (DROP_REASONS.length + 1)) / 2);
});

test('counts in memory that another thread can read', () => {
  const shared = new Float64Array(new SharedArrayBuffer(8 * DROP_REASONS.length));
  new DropCounters(shared).add('replayed');
  assert.equal(new DropCounters(shared).get('replayed'), 1);
});

test('a reason is a word for what happened and can be a label as it is', () => {
  assert.equal(new Set(DROP_REASONS).size, DROP_REASONS.length);
  for (const reason of DROP_REASONS) assert.match(reason, /^[a-z]+(_[a-z]+)*$/);
});
