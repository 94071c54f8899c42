/** docs/reference: what people may write and read of each kind, of the same definitions that the API server enforces. */
import { markdownTable } from '../monitoring/tables.ts';
import type { Rule } from '../operator/api/fields.ts';
import { customResourceDefinitions, type Schema } from '../operator/api/schema.ts';
import { crdDescriptions } from './release.ts';

type Definition = ReturnType<typeof customResourceDefinitions>[number];

/** A field and where it is: spec.regions[].name. */
interface Field {
  readonly path: string;
  readonly schema: Schema;
  readonly required: boolean;
}

export function referencePages(): ReadonlyMap<string, string> {
  return new Map(
    customResourceDefinitions().map((each) => [`docs/reference/${each.spec.names.singular}.md`, page(each)]),
  );
}

function page({ metadata, spec }: Definition): string {
  const { names, group, scope, versions } = spec;
  const { name: version, schema, additionalPrinterColumns } = versions[0]!;
  const root = schema.openAPIV3Schema as Schema;
  const all = fieldsOf(root);
  const under = (part: string) => all.filter(({ path }) => path.startsWith(`${part}.`));
  const rules = rulesOf(root, all);
  return [
    '<!-- Made from the definitions by `npm run manifests`. -->',
    `# ${names.kind}`,
    `${crdDescriptions[names.kind]}. \`apiVersion: ${group}/${version}\`, ${scope === 'Namespaced' ? 'in a namespace' : 'of the cluster'}; ` +
      `kubectl knows it as \`${names.singular}\`, \`${names.plural}\` and ${names.shortNames.map(code).join(', ')}, and with the others as \`herd\`. ` +
      `Its definition is \`${metadata.name}\`.`,
    'A field without a default and without “required” may be left out. What the API server does not know it drops, or refuses where strict validation is asked for, as by kubectl.',
    '## spec',
    fieldTable(under('spec')),
    ...(rules.length === 0 ? [] : ['## Rules', rulesIntro, ruleTable(rules)]),
    '## status',
    'Written by the operator alone, but for the condition `Approved` of a Superpeer. What each condition means and what to do is in [operator/README.md](../../operator/README.md#conditions).',
    fieldTable(under('status')),
    '## Columns of `kubectl get`',
    markdownTable(
      ['column', 'field', 'shown'],
      additionalPrinterColumns.map(({ name, jsonPath, priority }) => [
        name,
        code(jsonPath),
        priority ? 'with `-o wide`' : 'always',
      ]),
    ),
  ]
    .map((part) => part.trimEnd())
    .join('\n\n')
    .concat('\n');
}

const rulesIntro =
  'The API server refuses what breaks one of them, and says so in these words. `self` is what is at the place, `oldSelf` what was there before.';

const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``;

function fieldsOf(schema: Schema, path = ''): Field[] {
  const inner = (child: Schema, at: string, required: boolean): Field[] => [
    { path: at, schema: child, required },
    ...fieldsOf(child, at),
    ...(child.items ? [...itemOf(child.items, `${at}[]`), ...fieldsOf(child.items, `${at}[]`)] : []),
  ];
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) =>
    inner(child, path === '' ? name : `${path}.${name}`, requiredIn(schema).includes(name)),
  );
}

/** Items that are no objects have bounds of their own. */
const itemOf = (schema: Schema, path: string): Field[] =>
  schema.properties ? [] : [{ path, schema, required: false }];

const requiredIn = (schema: Schema) => (schema.required ?? []) as readonly string[];

function fieldTable(fields: readonly Field[]): string {
  return markdownTable(
    ['field', 'type', 'default', 'bounds', 'what'],
    fields.map(({ path, schema, required }) => [
      code(path.replace(/^(spec|status)\./, '')),
      typeOf(schema),
      // A default that is filled with the defaults inside of it says nothing.
      schema.default !== undefined && !schema.properties
        ? code(JSON.stringify(schema.default))
        : required
          ? 'required'
          : '',
      boundsOf(schema).join('; '),
      ((schema.description as string | undefined) ?? '').replaceAll('|', '\\|'),
    ]),
  );
}

function typeOf({ type, items, additionalProperties, format }: Schema): string {
  if (items) return `list of ${items.type}s`;
  if (typeof additionalProperties === 'object') return `map of ${additionalProperties.type}s`;
  return format === 'date-time' ? 'time' : type!;
}

function boundsOf(schema: Schema): string[] {
  const number = (keyword: string) => schema[keyword] as number | undefined;
  const range = (least?: number, most?: number, unit = '') =>
    least === undefined && most === undefined
      ? []
      : [
          most === undefined
            ? `at least ${least}${unit}`
            : `${least === undefined ? 'at most' : `${least} to`} ${most}${unit}`,
        ];
  const values = (schema.enum ?? []) as readonly unknown[];
  const keys = schema['x-kubernetes-list-map-keys'] as readonly string[] | undefined;
  return [
    ...(values.length > 0 ? [values.map((value) => code(String(value))).join(', ')] : []),
    ...range(number('minimum'), number('maximum')),
    ...range(number('minLength'), number('maxLength'), ' characters'),
    ...range(number('minItems'), number('maxItems'), ' items'),
    ...range(undefined, number('maxProperties'), ' entries'),
    ...(keys ? [`one for each ${keys.join(' and ')}`] : []),
    ...(schema.pattern ? [code(schema.pattern as string)] : []),
  ];
}

interface PlacedRule extends Rule {
  readonly at: string;
}

function rulesOf(root: Schema, fields: readonly Field[]): PlacedRule[] {
  const of = (schema: Schema, at: string): PlacedRule[] =>
    ((schema['x-kubernetes-validations'] ?? []) as readonly Rule[]).map((rule) => ({ ...rule, at }));
  const items = fields.flatMap(({ path, schema }) => (schema.items ? of(schema.items, `${path}[]`) : []));
  return [...of(root, 'the whole object'), ...fields.flatMap(({ path, schema }) => of(schema, path)), ...items];
}

const ruleTable = (rules: readonly PlacedRule[]) =>
  markdownTable(
    ['at', 'message', 'rule'],
    rules.map(({ at, message, rule }) => [
      at === 'the whole object' ? at : code(at),
      message.replaceAll('|', '\\|'),
      code(rule),
    ]),
  );
