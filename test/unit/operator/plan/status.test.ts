import assert from 'node:assert/strict';
import test from 'node:test';
import { conditions } from '../../../../operator/plan/status.ts';

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
