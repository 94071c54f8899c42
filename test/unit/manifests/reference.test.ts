/** docs/reference leaves nothing out of what the API server takes, and says of all of it what it is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { referencePages } from '../../../manifests/reference.ts';
import type { Rule } from '../../../operator/api/fields.ts';
import { customResourceDefinitions, type Schema } from '../../../operator/api/schema.ts';

const pages = referencePages();
const rowsOf = (page: string) =>
  page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));

for (const { spec } of customResourceDefinitions()) {
  const page = pages.get(`docs/reference/${spec.names.singular}.md`)!;
  const root = spec.versions[0]!.schema.openAPIV3Schema as Schema;

  test(`${spec.names.kind}: every field has a row that says what it is`, () => {
    const rows = rowsOf(page).filter((row) => row.length === 7 && /^`/.test(row[1]!));
    for (const [, field, type, , , what] of rows) assert.ok(type && what, `${field} is not described`);
    const named = (schema: Schema): string[] => [
      ...Object.entries(schema.properties ?? {}).flatMap(([name, child]) => [name, ...named(child)]),
      ...(schema.items ? named(schema.items) : []),
    ];
    const last = rows.map((row) => row[1]!.replaceAll('`', '').split('.').at(-1)!);
    const fields = Object.values(root.properties!).flatMap(named);
    assert.deepEqual(last.filter((name) => !name.endsWith('[]')).sort(), fields.sort());
  });

  test(`${spec.names.kind}: every rule has a row with its message`, () => {
    const rulesIn = (node: unknown): Rule[] =>
      typeof node !== 'object' || node === null
        ? []
        : Object.entries(node).flatMap(([key, value]) =>
            key === 'x-kubernetes-validations' ? (value as Rule[]) : rulesIn(value),
          );
    const rows = rowsOf(page).map((row) => row.map((cell) => cell.replaceAll('\\|', '|')));
    const told = rows.flatMap(([, , message, rule]) => (rule?.startsWith('`') ? [`${message} ${rule}`] : []));
    const all = rulesIn(root).map(({ message, rule }) => `${message} \`${rule}\``);
    assert.ok(all.length > 0);
    assert.deepEqual(
      [...new Set(all)].filter((rule) => !told.includes(rule)),
      [],
    );
  });
}
