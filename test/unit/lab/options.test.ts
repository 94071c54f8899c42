import assert from 'node:assert/strict';
import test from 'node:test';
import { parseOptions } from '../../../lab/options.ts';

test('no arguments: the local cluster, which stays up', () => {
  assert.deepEqual(parseOptions([]), { once: false, report: undefined, context: undefined });
});

test('takes a value with an equals sign or as the next word', () => {
  const expected = { once: true, report: 'r.json', context: undefined };
  assert.deepEqual(parseOptions(['--once', '--report', 'r.json']), expected);
  assert.deepEqual(parseOptions(['--report=r.json', '--once']), expected);
});

test('a cluster of the user comes with the images that it can pull', () => {
  const args = ['--context', 'prod', '--node-image', 'registry/node:1', '--operator-image', 'registry/operator:1'];
  const context = { name: 'prod', nodeImage: 'registry/node:1', operatorImage: 'registry/operator:1' };
  assert.deepEqual(parseOptions(args), { once: false, report: undefined, context });
});

test('names every problem at once', () => {
  assert.deepEqual(parseOptions(['--onec', '--report', '--report=x', 'now', '--context', 'c', '--once=1']), {
    problems: [
      'unknown option --onec',
      '--report needs a value',
      '--report is given twice',
      'unexpected argument now',
      '--once takes no value',
      '--context needs --node-image: a reference that the cluster can pull',
      '--context needs --operator-image: a reference that the cluster can pull',
    ],
  });
});

test('images without a context would not be used', () => {
  assert.deepEqual(parseOptions(['--node-image', 'x']), {
    problems: ['--node-image and --operator-image go with --context: the local cluster builds its own images'],
  });
});
