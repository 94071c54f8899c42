import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Demand, EPSILON, published } from '../../../../nodes/link/demand.ts';
import { SeededRandom } from '../../../sim/random.ts';

const CELLS_MAX = 64;

function figureOf(ticks: readonly number[]): number {
  const demand = new Demand();
  for (const cells of ticks) demand.add(cells);
  return demand.take();
}

test('the figure is what all ticks but one in a thousand kept to', () => {
  const quiet = new Array<number>(9990).fill(3);
  assert.equal(figureOf([...quiet, ...new Array<number>(10).fill(40)]), 3);
  assert.equal(figureOf([...quiet, ...new Array<number>(11).fill(40)]), 40);
  assert.equal(figureOf([]), 0);
  assert.equal(figureOf([1000]), CELLS_MAX);
});

test('an epoch begins with nothing of the one before', () => {
  const demand = new Demand();
  demand.add(9);
  assert.equal(demand.take(), 9);
  demand.add(2);
  assert.equal(demand.take(), 2);
});

test('one end of a call, wherever and how long, changes the figure by at most one cell', () => {
  const tick = fc.tuple(fc.nat(70), fc.boolean());
  fc.assert(
    fc.property(fc.array(tick, { maxLength: 3000 }), (ticks) => {
      const without = figureOf(ticks.map(([cells]) => cells));
      const withCall = figureOf(ticks.map(([cells, speaks]) => cells + (speaks ? 1 : 0)));
      assert(withCall >= without && withCall <= without + 1, `${without} → ${withCall}`);
    }),
  );
});

/** How often each figure comes out of `cells`. */
function histogram(cells: number, draws: number): Float64Array {
  const { fill } = new SeededRandom(`noise on ${cells}`);
  const counts = new Float64Array(CELLS_MAX + 1);
  for (let i = 0; i < draws; i += 1) counts[published(cells, fill)]! += 1;
  return counts;
}

test('the noise is Laplace’s with a scale of ten cells', () => {
  const draws = 200_000;
  const counts = histogram(32, draws);
  const ratio = Math.exp(-EPSILON);
  for (let cells = 1; cells < CELLS_MAX; cells += 1) {
    const expected = (draws * (1 - ratio) * ratio ** Math.abs(cells - 32)) / (1 + ratio);
    // Five standard deviations.
    assert(
      Math.abs(counts[cells]! - expected) < 5 * Math.sqrt(expected),
      `${counts[cells]} of ${expected} at ${cells}`,
    );
  }
});

test('no figure is more than e^0.1 times as likely with one more cell, at the ends of the range neither', () => {
  const draws = 200_000;
  for (const cells of [0, 1, 30, 63]) {
    const without = histogram(cells, draws);
    const withOne = histogram(cells + 1, draws);
    for (let figure = 0; figure <= CELLS_MAX; figure += 1) {
      const [more, less] = [withOne[figure]!, without[figure]!].sort((a, b) => b - a) as [number, number];
      const spread = 5 * Math.sqrt(more + less);
      assert(more <= less * Math.exp(EPSILON) + spread, `${figure} comes ${more} and ${less} times`);
    }
  }
});
