import assert from 'node:assert/strict';
import test from 'node:test';
import { SECOND_US } from '../../../nodes/core/units.ts';
import { busyAndQuiet, clientStretches, linkUses } from '../../sockets/labels.ts';
import type { SwarmStep } from '../../sockets/swarm.ts';

const END = 60 * SECOND_US;
const NOWHERE = { over: [], mix: undefined, rendezvous: undefined, peer: undefined };

const step = (port: number, seconds: number, state: SwarmStep['state'], more: Partial<SwarmStep> = {}): SwarmStep => ({
  at: seconds * SECOND_US,
  port,
  state,
  ...NOWHERE,
  ...more,
});

const classesOf = (...steps: SwarmStep[]) =>
  clientStretches(steps, END).map(({ is, from, to }) => [is, from / SECOND_US, to / SECOND_US]);

test('a client is idle, rings, calls, hangs up for a second and is idle again', () => {
  assert.deepEqual(
    classesOf(
      step(1, 0, 'idle'),
      step(1, 10, 'requesting'),
      step(1, 10.3, 'calling'),
      step(1, 13, 'talking'),
      step(1, 20, 'ending'),
      step(1, 20.5, 'idle'),
    ),
    [
      ['idle', 0, 10],
      ['ringing', 10, 13],
      ['calling', 13, 20],
      ['hanging up', 20, 21],
      ['idle', 21, 60],
    ],
  );
});

test('who calls again within the second is not idle in between', () => {
  assert.deepEqual(
    classesOf(
      step(1, 0, 'idle'),
      step(1, 10, 'talking'),
      step(1, 20, 'idle'),
      step(1, 20.4, 'requesting'),
      step(1, 22, 'talking'),
    ),
    [
      ['idle', 0, 10],
      ['calling', 10, 20],
      ['hanging up', 20, 20.4],
      ['ringing', 20.4, 22],
      ['calling', 22, 60],
    ],
  );
});

test('a call that does not come about is ringing, then hanging up', () => {
  assert.deepEqual(classesOf(step(1, 0, 'idle'), step(1, 10, 'calling'), step(1, 13, 'idle')), [
    ['idle', 0, 10],
    ['ringing', 10, 13],
    ['hanging up', 13, 14],
    ['idle', 14, 60],
  ]);
});

test('a call uses the links on its way, from rendezvous to rendezvous while both ends are in it', () => {
  const uses = linkUses(
    [
      step(101, 5, 'talking', { over: [11], mix: 21, rendezvous: 31, peer: 102 }),
      step(101, 9, 'talking', { over: [12], mix: 21, rendezvous: 31, peer: 102 }),
      step(101, 20, 'idle'),
      step(102, 6, 'talking', { over: [13], mix: 22, rendezvous: 32, peer: 101 }),
      step(102, 21, 'idle'),
    ],
    END,
  );
  const seconds = (key: string) => uses.get(key)?.map(({ from, to }) => [from / SECOND_US, to / SECOND_US]);
  assert.deepEqual(seconds('11 21'), [[5, 9]]);
  assert.deepEqual(seconds('12 21'), [[9, 20]]);
  assert.deepEqual(seconds('13 22'), [[6, 21]]);
  assert.deepEqual(seconds('31 32'), [
    [6, 9],
    [9, 20],
  ]);
  assert.deepEqual([...uses.keys()].sort(), ['11 21', '12 21', '13 22', '21 31', '22 32', '31 32']);
});

test('busy and quiet stretches do not touch, and calls that overlap are one', () => {
  const use = (from: number, to: number) => ({ from: from * SECOND_US, to: to * SECOND_US });
  const { busy, quiet } = busyAndQuiet([use(20, 25), use(10, 15), use(14, 18), use(25.2, 25.4)], 0, END);
  const inSeconds = (stretches: readonly { from: number; to: number }[]) =>
    stretches.map(({ from, to }) => [from / SECOND_US, to / SECOND_US]);
  assert.deepEqual(inSeconds(busy), [
    [10.3, 17.7],
    [20.3, 24.7],
  ]);
  assert.deepEqual(inSeconds(quiet), [
    [0.3, 9.7],
    [18.3, 19.7],
    [25.7, 59.7],
  ]);
});
