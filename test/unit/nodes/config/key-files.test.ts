import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { keyFiles } from '../../../../nodes/config/key-files.ts';

const names = (given: readonly string[]) => keyFiles(given).map(({ name }) => name);

test('takes link and circuit keys by kind and number, whatever else lies there', () => {
  const given = ['circuit-2', 'link-10', '..data', 'identity', 'link-9', 'circuit-1', 'eu', 'eu-signing-1'];
  assert.deepEqual(keyFiles(given), [
    { name: 'link-9', kind: 'link', number: 9 },
    { name: 'link-10', kind: 'link', number: 10 },
    { name: 'circuit-1', kind: 'circuit', number: 1 },
    { name: 'circuit-2', kind: 'circuit', number: 2 },
  ]);
});

test('takes of each kind the newest four', () => {
  assert.deepEqual(names(['link-1', 'link-2', 'link-30', 'link-4', 'link-5', 'circuit-1']), [
    'link-2',
    'link-4',
    'link-5',
    'link-30',
    'circuit-1',
  ]);
});

test('a number is written in one way, and is not too large', () => {
  assert.deepEqual(names(['link-01', 'link-', 'link-1 ', 'link--1', 'link-1.5', 'link-4294967296', 'Link-1']), []);
  assert.deepEqual(names(['link-0', 'link-4294967295']), ['link-0', 'link-4294967295']);
});

test('no name whatever is taken for a file that it does not name', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (given) => {
      for (const { name, kind, number } of keyFiles(given)) assert.equal(name, `${kind}-${number}`);
    }),
  );
});
