import assert from 'node:assert/strict';
import test from 'node:test';
import { conditions, isPassing } from '../../../../operator/plan/status.ts';

const at = (s: number) => Date.parse('2026-01-01T00:00:00Z') + s * 1000;
const finding = (type: string, status: 'True' | 'False', message = 'm') => ({ type, status, reason: 'R', message });

test('conditions are sorted by type', () => {
  const list = conditions([finding('Ready', 'True'), finding('KeysReady', 'True')], [], 1, at(0));
  assert.deepEqual(
    list.map((c) => c.type),
    ['KeysReady', 'Ready'],
  );
});

test('the transition time moves with the status and with nothing else', () => {
  const first = conditions([finding('Ready', 'False')], [], 1, at(0));
  const reworded = conditions([finding('Ready', 'False', 'other')], first, 2, at(5));
  assert.deepEqual(reworded, [{ ...first[0], message: 'other', observedGeneration: 2 }]);
  const turned = conditions([finding('Ready', 'True')], reworded, 2, at(9));
  assert.equal(turned[0]!.lastTransitionTime, '2026-01-01T00:00:09Z');
});

test('a message longer than the schema allows is cut', () => {
  assert.equal(conditions([finding('Ready', 'True', 'x'.repeat(5000))], [], 1, at(0))[0]!.message.length, 1024);
});

test('a status can wait unless it tells of another generation, turns a condition that is waited for, or has another field', () => {
  const status = (seconds: number, rest: object = {}) => ({
    observedGeneration: 1,
    conditions: conditions([finding('Ready', 'False', `m${seconds}`), finding('Other', 'False')], [], 1, at(seconds)),
    state: 'a',
    key: 'k',
    ...rest,
  });
  const waits = (rest: object) => isPassing(status(0), status(9, rest), ['state']);
  assert.equal(waits({}), true);
  assert.equal(waits({ state: 'b' }), true);
  assert.equal(waits({ key: 'l' }), false);
  assert.equal(waits({ observedGeneration: 2 }), false);
  const turned = (type: string) => ({
    conditions: [{ ...status(9).conditions.find((c) => c.type === type)!, status: 'True' as const }],
  });
  const other = status(9).conditions.find((c) => c.type === 'Ready')!;
  assert.equal(waits({ conditions: [other, ...turned('Other').conditions] }), true);
  assert.equal(waits(turned('Ready')), false);
});
