/**
 * zod → structural OpenAPI v3 schema → CustomResourceDefinition.
 * Upholds: every list and string is bounded (or emission fails, naming all that are not), and no keyword gets through
 * that the API server would refuse or ignore.
 */
import { z } from 'zod';
import { group, type Rule, version } from './fields.ts';
import { NodeSlotSpec, NodeSlotStatus } from './slot.ts';
import { SuperpeerSpec, SuperpeerStatus, superpeerRules } from './superpeer.ts';
import { ZoneSpec, ZoneStatus, zoneRules } from './zone.ts';

export interface Schema {
  [keyword: string]: unknown;
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema | boolean;
}

const kept = new Set([
  ...['type', 'properties', 'required', 'items', 'enum', 'default', 'description', 'format', 'pattern', 'nullable'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...['maxProperties', 'additionalProperties'],
  ...['x-kubernetes-validations', 'x-kubernetes-list-type', 'x-kubernetes-list-map-keys'],
]);

/** @throws with every unbounded list or string and every keyword that a structural schema can't hold */
export function structural(source: z.ZodType, root: string): Schema {
  const problems: string[] = [];
  const schema = rewrite(z.toJSONSchema(source, { target: 'openapi-3.0', io: 'input' }) as Schema, root, problems);
  if (problems.length > 0) throw new Error(`no structural schema: ${problems.join('; ')}`);
  return schema;
}

function rewrite(node: Schema, path: string, problems: string[]): Schema {
  const out: Schema = {};
  for (const [keyword, value] of Object.entries(node)) {
    // The server prunes unknown fields; next to properties it refuses this keyword.
    if (keyword === 'additionalProperties' && value === false) continue;
    // zod states the range of a safe integer where the source gives none: noise.
    if (keyword === 'minimum' && value === Number.MIN_SAFE_INTEGER) continue;
    if (keyword === 'maximum' && value === Number.MAX_SAFE_INTEGER) continue;
    // Names of a map's keys can't be said in a structural schema; the server knows those of a node selector.
    if (keyword === '$schema' || keyword === 'propertyNames') continue;
    if (!kept.has(keyword)) problems.push(`${path}: keyword ${keyword}`);
    else out[keyword] = value;
  }
  if (node.type === 'string' && node.maxLength === undefined && node.enum === undefined) {
    problems.push(`${path}: string without maxLength`);
  }
  if (node.type === 'array' && node.maxItems === undefined) problems.push(`${path}: list without maxItems`);
  if (node.type === 'integer') out.format = 'int64';
  if (node.type === undefined) problems.push(`${path}: no type`);
  if (typeof node.additionalProperties === 'object') {
    if (node.maxProperties === undefined) problems.push(`${path}: map without maxProperties`);
    out.additionalProperties = rewrite(node.additionalProperties, `${path}{}`, problems);
  }
  if (node.items) out.items = rewrite(node.items, `${path}[]`, problems);
  if (node.properties) {
    out.properties = Object.fromEntries(
      Object.entries(node.properties).map(([name, child]) => [name, rewrite(child, `${path}.${name}`, problems)]),
    );
  }
  return out;
}

interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  /** 1: shown by -o wide alone. */
  readonly priority?: 1;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  /** Over the whole object. */
  readonly rules: { 'x-kubernetes-validations'?: Rule[] };
  readonly columns: readonly Column[];
}

const ready: Column = { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' };
const age: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

const wide = (column: Column): Column => ({ ...column, priority: 1 });

const kinds: readonly Kind[] = [
  {
    kind: 'NodeSlot',
    plural: 'nodeslots',
    shortNames: ['slot'],
    spec: NodeSlotSpec,
    status: NodeSlotStatus,
    rules: {},
    columns: [
      { name: 'Zone', type: 'string', jsonPath: '.spec.zone' },
      { name: 'Role', type: 'string', jsonPath: '.spec.role' },
      { name: 'State', type: 'string', jsonPath: '.status.state' },
      { name: 'Drain', type: 'string', jsonPath: '.status.drainReason' },
      ready,
      age,
      wide({ name: 'Region', type: 'string', jsonPath: '.spec.region' }),
      wide({ name: 'Address', type: 'string', jsonPath: '.status.address' }),
      wide({ name: 'Machine', type: 'string', jsonPath: '.status.machine' }),
    ],
  },
  {
    kind: 'Superpeer',
    plural: 'superpeers',
    shortNames: ['sp'],
    spec: SuperpeerSpec,
    status: SuperpeerStatus,
    rules: superpeerRules,
    columns: [
      { name: 'Zone', type: 'string', jsonPath: '.spec.zoneRef' },
      { name: 'Channels', type: 'integer', jsonPath: '.spec.channels' },
      ready,
      age,
      wide({ name: 'Region', type: 'string', jsonPath: '.spec.managed.region' }),
      wide({ name: 'Valid', type: 'string', jsonPath: '.status.lastValid' }),
      wide({ name: 'Paid', type: 'string', jsonPath: '.status.lastPayout' }),
      wide({ name: 'Approved', type: 'string', jsonPath: '.status.conditions[?(@.type=="Approved")].status' }),
    ],
  },
  {
    kind: 'Zone',
    plural: 'zones',
    shortNames: ['hz'],
    spec: ZoneSpec,
    status: ZoneStatus,
    rules: zoneRules,
    columns: [
      ready,
      { name: 'Mixes', type: 'string', jsonPath: '.status.mixesReady' },
      { name: 'Rendezvous', type: 'string', jsonPath: '.status.rendezvousReady' },
      { name: 'Superpeers', type: 'string', jsonPath: '.status.superpeersReady' },
      { name: 'Epoch', type: 'integer', jsonPath: '.status.epoch' },
      age,
    ],
  },
];

function definition(kind: Kind) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
        categories: ['herd'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              required: ['spec'],
              properties: { spec: structural(kind.spec, 'spec'), status: structural(kind.status, 'status') },
              ...kind.rules,
            },
          },
        },
      ],
    },
  };
}

export const customResourceDefinitions = () => kinds.map(definition);
