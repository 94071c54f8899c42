import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Carrier, numberChannels, numbersIn } from '../../../../operator/plan/channels.ts';

const inForce = (carriers: readonly Carrier[], first: ReadonlyMap<string, number>) =>
  new Map(carriers.map((carrier) => [carrier.id, { ...carrier, first: first.get(carrier.id)! }]));

test('who comes first by name takes the numbers that are free, and moves nobody', () => {
  const old = [
    { id: 'b', channels: 2 },
    { id: 'd', channels: 1 },
  ];
  const first = numberChannels(new Map(), old);
  assert.deepEqual(
    [...first],
    [
      ['b', 1],
      ['d', 3],
    ],
  );
  const more = numberChannels(inForce(old, first), [...old, { id: 'a', channels: 3 }]);
  assert.deepEqual([...more].sort(), [
    ['a', 4],
    ['b', 1],
    ['d', 3],
  ]);
});

test('numbers that are given back are given again, where they are enough in a row', () => {
  const old = ['a', 'b', 'c'].map((id) => ({ id, channels: 2 }));
  const before = inForce(old, numberChannels(new Map(), old));
  const left = [old[0]!, old[2]!];
  assert.equal(numberChannels(before, [...left, { id: 'x', channels: 2 }]).get('x'), 3);
  assert.equal(numberChannels(before, [...left, { id: 'x', channels: 3 }]).get('x'), 7);
});

test('whatever comes and goes, no number is given twice and nobody who stays as he is gets others', () => {
  const carriers = fc.uniqueArray(
    fc.record({ id: fc.constantFrom(...'abcdefgh'), channels: fc.integer({ min: 1, max: 4 }) }),
    {
      selector: ({ id }) => id,
    },
  );
  fc.assert(
    fc.property(fc.array(carriers, { maxLength: 8 }), (steps) => {
      let before = new Map<string, Carrier & { first: number }>();
      for (const step of steps) {
        const first = numberChannels(before, step);
        const numbers = step.flatMap(({ id, channels }) =>
          Array.from({ length: channels }, (_, i) => first.get(id)! + i),
        );
        assert.equal(new Set(numbers).size, numbers.length);
        for (const { id, channels } of step)
          if (before.get(id)?.channels === channels) assert.equal(first.get(id), before.get(id)!.first);
        before = inForce(step, first);
      }
    }),
  );
});

test('a configuration that somebody has changed says nothing, and nothing is thrown', () => {
  const dealt = [{ mix: 'mix' }, { mix: 'mix', standby: 'other' }];
  const good = { zones: [{ zone: 'eu', roster: [{ id: 'sp', channels: 2, firstChannel: 5, dealt }, { id: 'mix' }] }] };
  assert.deepEqual([...numbersIn(JSON.stringify(good), 'eu')], [['sp', { id: 'sp', channels: 2, first: 5, dealt }]]);
  for (const text of [undefined, '', '{}', '[', '{"zones":[{"zone":"eu","roster":[{"id":1}]}]}'])
    assert.equal(numbersIn(text, 'eu').size, 0);
});
