import assert from 'node:assert/strict';
import test from 'node:test';
import { Breaker } from '../../../../operator/clusters/breaker.ts';

function failed(times: number, random = () => 1): Breaker {
  const breaker = new Breaker(random);
  for (let i = 0; i < times; i++) breaker.failed();
  return breaker;
}

test('one failure is looked into at once, two in a row open it, one success closes it', () => {
  const calmMs = failed(0).waitMs();
  assert.ok(failed(1).waitMs() < calmMs / 10);
  assert.deepEqual([failed(1).isOpen, failed(2).isOpen], [false, true]);
  const breaker = failed(20);
  breaker.succeeded();
  assert.deepEqual([breaker.isOpen, breaker.waitMs()], [false, calmMs]);
});

test('a cluster that goes on failing is asked ever more seldom, at any time up to a minute', () => {
  const most = [2, 3, 4, 5, 6, 7, 30].map((times) => failed(times).waitMs());
  assert.deepEqual(most, [4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  assert.equal(failed(7, () => 0.5).waitMs(), 30_000);
  assert.equal(failed(7, () => 0).waitMs(), 1_000);
});
