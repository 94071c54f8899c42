import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CellQueue } from '../../../../nodes/core/queue.ts';

const CELL_BYTES = 8;
const CAPACITY = 5;
/** One second of ticks. */
const WINDOW = 50;

function push(queue: CellQueue, value: number): boolean {
  const { offset, full } = queue.push();
  queue.bytes.fill(value, offset, offset + queue.cellBytes);
  return full;
}

/** The cells from the oldest on, which are gone afterwards. */
function drained(queue: CellQueue): number[] {
  const values: number[] = [];
  for (let front = queue.front(); front !== undefined; front = queue.front()) {
    values.push(queue.words[front / 4] & 0xff);
    queue.drop();
  }
  return values;
}

test('behaves as a list of limited length whose oldest makes room', () => {
  const step = fc.oneof(fc.nat(255), fc.constantFrom('take' as const, 'clear' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
      const queue = new CellQueue(CELL_BYTES, CAPACITY);
      const model: number[] = [];
      for (const happens of steps) {
        if (happens === 'take') {
          const front = queue.front();
          assert.equal(front === undefined ? undefined : queue.bytes[front], model.shift());
          if (front !== undefined) queue.drop();
        } else if (happens === 'clear') {
          queue.clear();
          model.length = 0;
        } else {
          assert.equal(push(queue, happens), model.length === CAPACITY);
          model.push(happens);
          if (model.length > CAPACITY) model.shift();
        }
        assert.equal(queue.count, model.length);
      }
      assert.deepEqual(drained(queue), model);
    }),
  );
});

test('what waits goes behind what waits in another queue, in its order, and is gone from here', () => {
  const [from, to] = [new CellQueue(CELL_BYTES, CAPACITY), new CellQueue(CELL_BYTES, CAPACITY)];
  // So that what waits goes over the end of the ring.
  for (const value of [0, 0, 0]) push(from, value);
  drained(from);
  for (const value of [1, 2, 3]) push(from, value);
  for (const value of [4, 5, 6]) push(to, value);
  from.drainInto(to);
  assert.equal(from.count, 0);
  assert.deepEqual(drained(to), [5, 6, 1, 2, 3], 'the oldest has made room');
});

/** Ticks in which one cell comes and one goes; how many were given up. */
function run(queue: CellQueue, ticks: number): number {
  let given = 0;
  for (let tick = 0; tick < ticks; tick += 1) {
    push(queue, tick);
    queue.drop();
    if (queue.settle()) given += 1;
  }
  return given;
}

test('a queue that a stall has filled gives up at most one cell a second, until at most one stands', () => {
  const queue = new CellQueue(CELL_BYTES, CAPACITY);
  for (let value = 1; value <= 4; value += 1) push(queue, value);
  assert.equal(run(queue, WINDOW), 1);
  assert.equal(queue.count, 3);
  assert(run(queue, 2 * WINDOW) <= 2);
  assert(queue.count <= 1);
});

test('a queue that was empty once in every second gives up nothing', () => {
  const queue = new CellQueue(CELL_BYTES, CAPACITY);
  for (let second = 0; second < 10; second += 1) {
    assert.equal(queue.settle(), false);
    push(queue, 1);
    push(queue, 2);
    assert.equal(run(queue, WINDOW - 1), 0);
    queue.drop();
    queue.drop();
  }
});

test('an empty queue settles without giving up what it does not have', () => {
  const queue = new CellQueue(CELL_BYTES, CAPACITY);
  for (let tick = 0; tick < 3 * WINDOW; tick += 1) assert.equal(queue.settle(), false);
  assert.equal(queue.count, 0);
  assert.equal(queue.front(), undefined);
});
