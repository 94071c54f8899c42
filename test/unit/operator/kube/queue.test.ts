import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { WorkQueue } from '../../../../operator/kube/queue.ts';

const queue = () => new WorkQueue(() => 0.5);

test('a key added many times is taken once, at the earliest time', () => {
  const q = queue();
  q.add('a', 50);
  q.add('a', 10);
  q.add('a', 90);
  assert.equal(q.take(9), undefined);
  assert.equal(q.take(10), 'a');
  assert.equal(q.take(100), undefined);
});

test('the key that is due longest goes first', () => {
  const q = queue();
  q.add('late', 20);
  q.add('early', 10);
  assert.deepEqual([q.take(30), q.take(30)], ['early', 'late']);
});

test('a key is worked on by one at a time, and runs again when it was added meanwhile', () => {
  const q = queue();
  q.add('a', 0);
  q.take(0);
  q.add('a', 1);
  assert.equal(q.take(1), undefined);
  assert.equal(q.nextDueMs(), undefined);
  q.succeeded('a');
  assert.equal(q.take(1), 'a');
});

test('failures wait longer each time up to a limit, and a success starts over', () => {
  const q = queue();
  const waits: number[] = [];
  let now = 0;
  q.add('a', now);
  for (let i = 0; i < 14; i++) {
    q.take(now);
    q.failed('a', now);
    waits.push(q.nextDueMs()! - now);
    now = q.nextDueMs()!;
  }
  assert.deepEqual(waits.slice(0, 3), [100, 200, 400]);
  assert.equal(waits.at(-1), 60_000);
  q.take(now);
  q.succeeded('a');
  q.add('a', now);
  q.take(now);
  q.failed('a', now);
  assert.equal(q.nextDueMs()! - now, 100);
});

test('in any order of events no key is lost and none is worked on twice at once', () => {
  const command = fc.tuple(
    fc.constantFrom('add', 'take', 'done', 'fail'),
    fc.constantFrom('a', 'b', 'c'),
    fc.nat(1000),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
      const q = queue();
      const owed = new Set<string>();
      const busy = new Set<string>();
      let now = 0;
      for (const [what, key, ms] of commands) {
        now += ms;
        if (what === 'add') {
          q.add(key, now);
          owed.add(key);
        } else if (what === 'take') {
          const taken = q.take(now);
          if (taken !== undefined) {
            assert.ok(owed.delete(taken) && !busy.has(taken));
            busy.add(taken);
          }
        } else if (busy.delete(key)) {
          if (what === 'done') q.succeeded(key);
          else {
            q.failed(key, now);
            owed.add(key);
          }
        }
      }
      for (const key of busy) q.succeeded(key);
      for (let i = owed.size; i > 0; i--) assert.ok(owed.delete(q.take(now + 200_000)!));
      assert.equal(q.take(now + 200_000), undefined);
    }),
  );
});
