import assert from 'node:assert/strict';
import test from 'node:test';
import { typed } from '../../../plugin/completion.ts';

const next = (...words: string[]) => typed(words).next;

test('the first word is a verb, the second may be one too', () => {
  const first = next('');
  assert.ok(first.kind === 'words' && first.words.includes('status') && first.words.includes('superpeer'));
  assert.deepEqual(next('superpeer', ''), {
    kind: 'words',
    words: ['approve', 'quarantine', 'readmit', 'receipts'],
  });
});

test('after a verb comes the name that it takes, once', () => {
  assert.deepEqual(next('status', ''), { kind: 'names', noun: 'ZONE' });
  assert.deepEqual(next('drain', 'eu-'), { kind: 'names', noun: 'SLOT' });
  assert.deepEqual(next('rotate', ''), { kind: 'names', noun: 'ZONE|SLOT' });
  assert.deepEqual(next('superpeer', 'approve', ''), { kind: 'names', noun: 'SUPERPEER' });
  assert.deepEqual(next('status', 'eu', ''), { kind: 'words', words: [] });
  assert.deepEqual(next('plan', ''), { kind: 'words', words: [] });
});

test('an option’s value is what the option wants', () => {
  assert.deepEqual(next('status', '-n', ''), { kind: 'namespaces' });
  assert.deepEqual(next('--context', ''), { kind: 'contexts' });
  assert.deepEqual(next('drain', '--machine', 'w'), { kind: 'machines' });
  assert.deepEqual(next('plan', '-f', ''), { kind: 'files' });
  assert.deepEqual(next('status', '-o', ''), { kind: 'words', words: ['json', 'table', 'wide', 'yaml'] });
});

test('options are those of the verb', () => {
  const options = next('drain', '--');
  assert.ok(options.kind === 'words' && options.words.includes('--machine') && !options.words.includes('--output'));
});

test('where to look is what was typed before', () => {
  assert.deepEqual(typed(['-n', 'herd', '--context=far', 'status', '']), {
    next: { kind: 'names', noun: 'ZONE' },
    given: { namespace: 'herd', context: 'far' },
  });
});
