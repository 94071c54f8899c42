import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Lane, urgentInRowMax, WorkQueue } from '../../../../operator/kube/queue.ts';

const queue = () => new WorkQueue(() => 0.5);

test('a key added many times is taken once, at the earliest time', () => {
  const q = queue();
  q.add('a', 50, 'routine');
  q.add('a', 10, 'routine');
  q.add('a', 90, 'routine');
  assert.equal(q.take(9), undefined);
  assert.equal(q.take(10), 'a');
  assert.equal(q.take(100), undefined);
});

test('the key that is due longest goes first', () => {
  const q = queue();
  q.add('late', 20, 'routine');
  q.add('early', 10, 'routine');
  assert.deepEqual([q.take(30), q.take(30)], ['early', 'late']);
});

test('a key is worked on by one at a time, and runs again when it was added meanwhile', () => {
  const q = queue();
  q.add('a', 0, 'routine');
  q.take(0);
  q.add('a', 1, 'routine');
  assert.equal(q.take(1), undefined);
  assert.equal(q.nextDueMs(), undefined);
  q.succeeded('a');
  assert.equal(q.take(1), 'a');
});

test('failures wait longer each time up to a limit, and a success starts over', () => {
  const q = queue();
  const waits: number[] = [];
  let now = 0;
  q.add('a', now, 'routine');
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
  q.add('a', now, 'routine');
  q.take(now);
  q.failed('a', now);
  assert.equal(q.nextDueMs()! - now, 100);
});

test('in any order of events no key is lost and none is worked on twice at once', () => {
  const command = fc.tuple(
    fc.constantFrom('add', 'take', 'done', 'fail'),
    fc.constantFrom('a', 'b', 'c'),
    fc.nat(1000),
    fc.constantFrom<Lane>('urgent', 'routine', 'first'),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
      const q = queue();
      const owed = new Set<string>();
      const busy = new Set<string>();
      let now = 0;
      for (const [what, key, ms, lane] of commands) {
        now += ms;
        if (what === 'add') {
          q.add(key, now, lane);
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

test('what a user changed goes before what was there already, even when it was among it', () => {
  const q = queue();
  for (const key of ['a', 'b', 'c']) q.add(key, 0, 'routine');
  q.add('d', 5, 'urgent');
  q.add('c', 5, 'urgent');
  assert.deepEqual([q.take(5), q.take(5), q.take(5), q.take(5)], ['c', 'd', 'a', 'b']);
});

test('an urgent key that a poll adds again stays urgent, and is due when the poll is', () => {
  const q = queue();
  q.add('old', 0, 'routine');
  q.add('edited', 10, 'urgent');
  q.add('edited', 1, 'routine');
  assert.deepEqual([q.take(1), q.take(1)], ['edited', 'old']);
});

test('the n-th routine key is taken within n times five takes, however many urgent keys come in between', () => {
  const arrivals = fc.array(fc.nat({ max: 8 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 12 }), fc.nat({ max: 6 }), (urgent, routine, already) => {
      const q = queue();
      let names = 0;
      for (let i = 0; i < already; i++) q.add(`before-${i}`, 0, 'urgent');
      for (let i = 0; i < already; i++) q.succeeded(q.take(0)!);
      for (let i = 1; i <= routine; i++) q.add(`routine-${i}`, 1, 'routine');
      const order: string[] = [];
      for (let i = 0; order.length < routine * (urgentInRowMax + 1); i++) {
        for (let j = urgent[i % urgent.length]!; j > 0; j--) q.add(`urgent-${names++}`, 1, 'urgent');
        const key = q.take(1);
        if (key === undefined) break;
        order.push(key);
        q.succeeded(key);
      }
      for (let n = 1; n <= routine; n++) {
        const at = order.indexOf(`routine-${n}`);
        assert.ok(at >= 0 && at < n * (urgentInRowMax + 1), `routine-${n} was number ${at}`);
      }
    }),
  );
});

test('a waiting routine key does not slow users down by more than a fifth', () => {
  const q = queue();
  for (let i = 0; i < 10; i++) q.add(`routine-${i}`, 0, 'routine');
  for (let i = 0; i < 8; i++) q.add(`urgent-${i}`, 0, 'urgent');
  const order = Array.from({ length: 10 }, () => q.take(0)!);
  assert.equal(order.filter((key) => key.startsWith('urgent')).length, 8);
});

test('when a thousand keys fail at once, their retries come at ten a second after the first hundred, and the last within the cap', () => {
  const q = queue();
  for (let i = 0; i < 2000; i++) q.add(`${i}`, 0, 'routine');
  for (let i = 0; i < 2000; i++) q.failed(q.take(0)!, 0);
  const takenBy = (ms: number) => {
    let taken = 0;
    for (let key = q.take(ms); key !== undefined; key = q.take(ms)) {
      q.succeeded(key);
      taken++;
    }
    return taken;
  };
  assert.equal(takenBy(250), 102, 'a burst, and two that waited for their turn');
  assert.equal(takenBy(10_250), 100);
  assert.ok(takenBy(120_000) > 1_000);
});

test('a retry that waits for its turn is not waited for by a user', () => {
  const q = queue();
  for (let i = 0; i < 500; i++) q.add(`${i}`, 0, 'routine');
  for (let i = 0; i < 500; i++) q.failed(q.take(0)!, 0);
  q.add('499', 1, 'urgent');
  assert.equal(q.take(1), '499');
});

test('keys come in the order of their times, however they were added and moved forward', () => {
  const adds = fc.array(fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 1000 })), { maxLength: 200 });
  fc.assert(
    fc.property(adds, (entries) => {
      const q = queue();
      const due = new Map<string, number>();
      for (const [key, ms] of entries) {
        q.add(`${key}`, ms, 'routine');
        due.set(`${key}`, Math.min(ms, due.get(`${key}`) ?? ms));
      }
      const taken: number[] = [];
      for (let next = q.nextDueMs(); next !== undefined; next = q.nextDueMs()) {
        if (next > (taken.at(-1) ?? -1)) assert.equal(q.take(next - 1), undefined);
        const key = q.take(next)!;
        assert.equal(due.get(key), next);
        taken.push(next);
        q.succeeded(key);
      }
      assert.equal(taken.length, due.size);
      assert.deepEqual(
        taken,
        [...taken].sort((a, b) => a - b),
      );
    }),
  );
});

test('an observer is told of each key that comes to wait, of each retry, and how long a key was due', () => {
  const told: string[] = [];
  const q = new WorkQueue(() => 0.5, {
    added: () => told.push('added'),
    retried: () => told.push('retried'),
    taken: (waitedMs) => told.push(`taken after ${waitedMs}`),
  });
  q.add('a', 10, 'routine');
  q.add('a', 20, 'urgent');
  q.take(5);
  q.take(13);
  q.failed('a', 14);
  assert.deepEqual(told, ['added', 'taken after 3', 'added', 'retried']);
});

test('what has not begun is taken when nothing else is due, as it may, and not all at once', () => {
  const q = new WorkQueue(() => 0.5, undefined, 100);
  for (const key of ['a', 'b', 'c']) q.add(key, 0, 'first');
  q.add('under way', 0, 'routine');
  assert.equal(q.underWay(0), 1);
  assert.equal(q.depth(0), 4);
  assert.equal(q.take(0), 'under way');
  assert.equal(q.take(0, false), undefined);
  assert.equal(q.take(0), 'a');
  assert.equal(q.take(99), undefined);
  q.add('c', 99, 'urgent');
  assert.equal(q.take(99), 'c');
  assert.equal(q.take(100), 'b');
});
