/** plugin/README.md tells of every verb, check, option and exit code, and of no others. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { options, verbs } from '../../../plugin/arguments.ts';
import { exitCodes } from '../../../plugin/failures.ts';
import { checks } from '../../../plugin/verify/checks.ts';

const readme = readFileSync(join(import.meta.dirname, '../../../plugin/README.md'), 'utf8');
const section = (title: string) => new RegExp(`\\n## ${title}\\n(.*?)(\\n## |$)`, 's').exec(readme)![1]!;
/** The first cells of the rows of a table that begins with that heading. */
const rows = (text: string, heading: string) => {
  const lines = text.split('\n');
  const from = lines.findIndex((line) => new RegExp(`^\\| ${heading} +\\|`).test(line));
  const end = lines.findIndex((line, i) => i > from && !line.startsWith('|'));
  return lines.slice(from + 2, end).map((line) => line.split('|')[1]!.trim());
};

test('every verb has a section', () => {
  const titles = [...readme.matchAll(/^## ([a-z, ]+)$/gm)].flatMap((match) => {
    const [first, ...rest] = match[1]!.split(', ');
    const [verb, sub] = first!.split(' ');
    return sub ? [sub, ...rest].map((each) => `${verb} ${each}`) : [verb!, ...rest];
  });
  assert.deepEqual(titles.sort(), Object.keys(verbs).sort());
});

test('every check of verify has a row, in the order in which they are printed', () => {
  assert.deepEqual(
    rows(section('verify'), 'check'),
    checks.map(({ name }) => name),
  );
});

test('every exit code has a row', () => {
  assert.deepEqual(rows(readme, 'exit code'), Object.values(exitCodes).map(String));
});

test('every option is named', () => {
  for (const [name, option] of Object.entries(options)) {
    const short = 'short' in option ? `-${option.short}` : `--${name}`;
    assert.ok(readme.includes(`\`${short}`) || readme.includes(`\`--${name}`), name);
  }
});
