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
const sources = [...globSync('plan/*.ts', { cwd: operator }).sort(), 'controllers/keys.ts'].map(read);
/** What is written like a reason and is none: the key type of a JSON Web Key. */
const others = ['OKP'];

/** | of | condition | reason | means | what to do | */
const rows = read('README.md')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => cells.length === 7 && /^[A-Z]\w*$/.test(cells[3]!))
  .map(([, of, condition, reason, means, todo]) => ({ of: of!, condition: condition!, reason: reason!, means, todo }));

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

test('every reason that the plans can give is in the table, and no other', () => {
  assert.deepEqual(unique(rows.map(({ reason }) => reason)), emitted());
});

test('every condition is in the table under its kind, and no other', () => {
  const documented = rows.map(({ of, condition }) => `${of} ${condition}`);
  assert.deepEqual(unique(documented), unique(conditionTypes().map(({ of, type }) => `${of} ${type}`)));
});

test('each row says what it means and what to do, once', () => {
  for (const { reason, means, todo } of rows) assert.ok(means && todo, reason);
  const keys = rows.map(({ of, condition, reason }) => `${of} ${condition} ${reason}`);
  assert.deepEqual(keys.sort(), unique(keys));
});

test('what is said not to be a reason is there', () => {
  for (const word of others)
    assert.ok(
      sources.some((text) => text.includes(`'${word}'`)),
      word,
    );
});
