/** operator/README.md tells people what every condition and reason means and what to do about it, and of no others. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { customResourceDefinitions, type Schema } from '../../../operator/api/schema.ts';
import * as types from '../../../operator/kube/types.ts';

const operator = join(import.meta.dirname, '../../../operator');
const read = (file: string) => readFileSync(join(operator, file), 'utf8');
const unique = (words: Iterable<string>) => [...new Set(words)].sort();

/** Where reasons come from. */
const sources = [...globSync('{clusters,plan}/*.ts', { cwd: operator }).sort(), 'controllers/keys.ts'].map(read);
/** What is written like a reason and is none: the phase and a condition of a pod, kinds of a machine's addresses. */
const others = ['ExternalIP', 'InternalIP', 'PodScheduled', 'Running'];

const section = /## Conditions\n(.*?)\n## /s.exec(read('README.md'))![1]!;
const documented = unique([...section.matchAll(/`([A-Z][A-Za-z]+)`/g)].map((m) => m[1]!));

/** | condition of a Zone | False when (reason): what to do |, and a row for each condition */
const rows = section.split(/\| condition of a /).flatMap((table, i) => {
  const lines = i === 0 ? [] : table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  const of = lines[0]?.[0] ?? '';
  return lines.slice(2).flatMap(([, condition, todo]) => (condition ? [{ of, condition, todo: todo! }] : []));
});

/** What the source says after `reason:`, and whatever else looks like a reason and is not the name of something else. */
function emitted(): string[] {
  const named = sources.flatMap((text) => [...text.matchAll(/\breason: '([A-Z][A-Za-z]*)'/g)].map((m) => m[1]!));
  const words = sources.flatMap((text) => [...text.matchAll(/'([A-Z][A-Za-z]+)'/g)].map((m) => m[1]!));
  const names = new Set([...others, ...conditionTypes().map((c) => c.type), ...kinds(), ...states()]);
  return unique([...named, ...words.filter((word) => !names.has(word))]);
}

function conditionTypes(): { of: string; type: string }[] {
  const unions = read('api/conditions.ts').matchAll(/export type (\w+)ConditionType =([^;]+);/g);
  return [...unions].flatMap(([, of, union]) =>
    [...union!.matchAll(/'(\w+)'/g)].map((m) => ({ of: of!, type: m[1]! })),
  );
}

const kinds = () => Object.values(types).flatMap((value) => ('kind' in value ? [value.kind] : []));

/** What fields of our kinds may hold, the status of a condition among it. */
const states = () =>
  customResourceDefinitions().flatMap((d) => valuesIn(d.spec.versions[0]!.schema.openAPIV3Schema as Schema));

function valuesIn(schema: Schema): string[] {
  const inner = [...Object.values(schema.properties ?? {}), ...(schema.items ? [schema.items] : [])];
  return [...((schema.enum ?? []) as string[]), ...inner.flatMap(valuesIn)];
}

test('every reason that the plans can give is told of, and no other', () => {
  assert.deepEqual(documented, emitted());
});

test('every condition has a row in the table of its kind that says what to do, and no other has', () => {
  // SlotConditionType is of a NodeSlot.
  const kindOf = (of: string) => kinds().find((kind) => kind === of) ?? kinds().find((kind) => kind.endsWith(of));
  const existing = conditionTypes().map(({ of, type }) => `${kindOf(of)} ${type}`);
  assert.deepEqual(rows.map(({ of, condition }) => `${of} ${condition}`).sort(), unique(existing));
  for (const { condition, todo } of rows) assert.notEqual(todo, '', condition);
});

test('what is said not to be a reason is there', () => {
  for (const word of others)
    assert.ok(
      sources.some((text) => text.includes(`'${word}'`)),
      word,
    );
});
