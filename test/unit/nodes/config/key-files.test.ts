import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { keyFiles } from '../../../../nodes/config/key-files.ts';

const names = (given: readonly string[], prefix = 'link') => keyFiles(given, prefix).map(({ name }) => name);

test('takes the files of one prefix by number, whatever else lies there', () => {
  const given = ['circuit-2', 'link-10', '..data', 'identity', 'link-9', 'eu', 'eu-signing-1', 'north-link-3'];
  assert.deepEqual(keyFiles(given, 'link'), [
    { name: 'link-9', number: 9 },
    { name: 'link-10', number: 10 },
  ]);
  assert.deepEqual(names(given, 'eu-signing'), ['eu-signing-1']);
  assert.deepEqual(names(given, 'eu'), []);
});

test('takes the newest four', () => {
  assert.deepEqual(names(['link-1', 'link-2', 'link-30', 'link-4', 'link-5']), [
    'link-2',
    'link-4',
    'link-5',
    'link-30',
  ]);
});

test('a number is written in one way, and is not too large', () => {
  assert.deepEqual(names(['link-01', 'link-', 'link-1 ', 'link--1', 'link-1.5', 'link-4294967296', 'Link-1']), []);
  assert.deepEqual(names(['link-0', 'link-4294967295']), ['link-0', 'link-4294967295']);
});

test('no name whatever is taken for a file that it does not name', () => {
  const name = fc.oneof(fc.string(), fc.stringMatching(/^link-.{0,5}$/));
  fc.assert(
    fc.property(fc.array(name), fc.constantFrom('link', 'eu-signing', '.*'), (given, prefix) => {
      for (const { name, number } of keyFiles(given, prefix)) assert.equal(name, `${prefix}-${number}`);
    }),
  );
});
