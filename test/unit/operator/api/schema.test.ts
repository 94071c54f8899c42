import assert from 'node:assert/strict';
import test from 'node:test';
import { z } from 'zod';
import { customResourceDefinitions, type Schema, structural } from '../../../../operator/api/schema.ts';
import { parseZone } from '../../../../operator/api/zone.ts';

const schemaOf = (kind: string): Schema =>
  customResourceDefinitions().find((d) => d.spec.names.kind === kind)!.spec.versions[0]!.schema.openAPIV3Schema;
const at = (schema: Schema, path: string): Schema => path.split('.').reduce((s, name) => s.properties![name]!, schema);

test('a closed object loses additionalProperties, an unbounded integer the noise of its range', () => {
  const schema = structural(z.strictObject({ n: z.int() }), 'spec');
  assert.deepEqual(schema, {
    type: 'object',
    properties: { n: { type: 'integer', format: 'int64' } },
    required: ['n'],
  });
});

test('emission names every unbounded list, map and string, and what is not structural, at once', () => {
  const short = z.string().max(1);
  const loose = z.object({
    s: z.string(),
    l: z.array(short),
    m: z.record(z.string(), short),
    u: z.union([short, z.int()]),
  });
  const problems = /spec\.s: string.*spec\.l: list.*spec\.m: map.*spec\.u: keyword anyOf/;
  assert.throws(() => structural(loose, 'spec'), problems);
});

test('the Zone’s schema has its bounds, defaults and rules', () => {
  const schema = schemaOf('Zone');
  assert.deepEqual(at(schema, 'spec.clientsPerChannel').minimum, 1);
  assert.equal(at(schema, 'spec.epochSeconds').default, 900);
  assert.deepEqual(at(schema, 'spec.profile').enum, ['A', 'B']);
  const peers = at(schema, 'spec.peers');
  assert.deepEqual([peers['x-kubernetes-list-type'], peers['x-kubernetes-list-map-keys']], ['map', ['zone']]);
  const rule = at(schema, 'spec.provider')['x-kubernetes-validations'];
  assert.deepEqual(rule, [{ rule: 'self == oldSelf', message: 'provider is immutable' }]);
});

test('kubectl shows the columns that the contract names', () => {
  const columns = customResourceDefinitions().map((d) => [
    d.spec.names.kind,
    d.spec.versions[0]!.additionalPrinterColumns.map((c) => c.name),
  ]);
  assert.deepEqual(columns, [
    ['NodeSlot', ['Zone', 'Role', 'State', 'Drain', 'Ready', 'Age', 'Region', 'Address', 'Machine']],
    ['Superpeer', ['Zone', 'Channels', 'Ready', 'Age', 'Region', 'Valid', 'Paid', 'Approved']],
    ['Zone', ['Ready', 'Mixes', 'Rendezvous', 'Superpeers', 'Epoch', 'Age']],
  ]);
});

test('parsing lists all problems of a resource with their fields', () => {
  const parsed = parseZone({
    metadata: {},
    spec: { provider: 'north', jurisdiction: 'eu', regions: [{ name: 'x', mixes: { replicas: 65 } }] },
  });
  assert.equal(parsed.ok, false);
  const fields = (parsed as { problems: string[] }).problems.map((p) => p.split(':')[0]);
  assert.deepEqual(fields, ['spec.jurisdiction', 'spec.regions.0.mixes.replicas']);
});
