/**
 * What the API server refuses of our kinds, and what it takes, field by field: a case is a line.
 * Each is put to a real server with strict field validation and changes nothing there (a dry run). Which bounds, patterns,
 * enums and rules there are is read from the schema itself: one that no case runs into fails the suite.
 */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { customResourceDefinitions, type Schema } from '../../operator/api/schema.ts';
import type { Manifest } from '../../operator/kube/types.ts';
import { type ControlPlane, skip, startControlPlane } from './support/control-plane.ts';
import { apply, install, resourceOf } from './support/install.ts';
import { namespace, superpeer, zone } from './support/samples.ts';

interface Case {
  readonly what: string;
  readonly manifest: Manifest;
  /** What is there when the manifest comes; without it the manifest is new. */
  readonly stored?: Manifest;
  /** Field and words of a refusal; without it the manifest is taken. */
  readonly refused?: readonly [field: string, words: RegExp];
}

type Put = (what: string, spec: object, field?: string, words?: RegExp) => Case;

const refusal = (field?: string, words?: RegExp) => (field === undefined ? {} : { refused: [field, words!] as const });
const z: Put = (what, spec, field, words) => ({ what, manifest: zone('new', spec), ...refusal(field, words) });
const sp: Put = (what, spec, field, words) => ({
  what,
  manifest: superpeer('new', 'eu', spec),
  ...refusal(field, words),
});
const zoneNamed = (name: string, field?: string, words?: RegExp): Case => ({
  what: `the name ${name}`,
  manifest: zone(name),
  ...refusal(field, words),
});
const superpeerNamed = (name: string, field?: string, words?: RegExp): Case => ({
  what: `the name ${name}`,
  manifest: superpeer(name, 'eu'),
  ...refusal(field, words),
});
const changed = (what: string, stored: Manifest, manifest: Manifest, field?: string, words?: RegExp): Case => ({
  what,
  stored,
  manifest,
  ...refusal(field, words),
});

const long = (length: number) => 'a'.repeat(length);
const many = (count: number) => Array.from({ length: count }, (_, i) => ({ zone: `z${i}` }));

const cases: Record<string, readonly Case[]> = {
  'the name of a Zone': [
    zoneNamed(long(32)),
    zoneNamed(long(33), '', /metadata\.name must be a DNS label of at most 32/),
    zoneNamed('9lives', '', /starts with a letter/),
    zoneNamed('a.b', '', /metadata\.name must be a DNS label/),
  ],
  'spec of a Zone': [
    z('a field that there is not', { regon: 'x' }, '', /unknown field "spec\.regon"/),
    z('a field of a field that there is not', { mixes: { replica: 2 } }, '', /unknown field "spec\.mixes\.replica"/),
  ],
  provider: [
    z('63 characters', { provider: long(63) }),
    z('64 characters', { provider: long(64) }, 'spec.provider', /may not be more than 63/),
    z('none', { provider: '' }, 'spec.provider', /at least 1 chars/),
    z('a blank', { provider: 'no rth' }, 'spec.provider', /should match/),
    z('a number', { provider: 7 }, 'spec.provider', /must be of type string/),
    z('left out', { provider: undefined }, 'spec.provider', /Required value/),
    changed('another', zone('stored'), zone('stored', { provider: 'south' }), 'spec.provider', /provider is immutable/),
  ],
  jurisdiction: [
    z('a state', { jurisdiction: 'US-CA' }),
    z('6 characters', { jurisdiction: 'US-CAL' }),
    z('7 characters', { jurisdiction: 'US-CALI' }, 'spec.jurisdiction', /may not be more than 6/),
    z('1 character', { jurisdiction: 'E' }, 'spec.jurisdiction', /at least 2 chars/),
    z('small letters', { jurisdiction: 'eu' }, 'spec.jurisdiction', /should match/),
    z('left out', { jurisdiction: undefined }, 'spec.jurisdiction', /Required value/),
    changed('another', zone('stored'), zone('stored', { jurisdiction: 'US' }), 'spec.jurisdiction', /is immutable/),
  ],
  region: [
    z('63 characters', { region: long(63) }),
    z('64 characters', { region: long(64) }, 'spec.region', /may not be more than 63/),
    z('none', { region: '' }, 'spec.region', /at least 1 chars/),
    z('a slash', { region: 'a/b' }, 'spec.region', /should match/),
    z('left out', { region: undefined }, 'spec.region', /Required value/),
    changed('another', zone('stored'), zone('stored', { region: 'moved' })),
  ],
  mixes: [
    z('left out', { mixes: {} }),
    z('64', { mixes: { replicas: 64 } }),
    z('65', { mixes: { replicas: 65 } }, 'spec.mixes.replicas', /less than or equal to 64/),
    z('none', { mixes: { replicas: 0 } }, 'spec.mixes.replicas', /greater than or equal to 1/),
    z('a text', { mixes: { replicas: '1' } }, 'spec.mixes.replicas', /must be of type integer/),
    z('one and a half', { mixes: { replicas: 1.5 } }, 'spec.mixes.replicas', /must be of type int64/),
  ],
  rendezvous: [
    z('64', { rendezvous: { replicas: 64 } }),
    z('65', { rendezvous: { replicas: 65 } }, 'spec.rendezvous.replicas', /less than or equal to 64/),
    z('none', { rendezvous: { replicas: 0 } }, 'spec.rendezvous.replicas', /greater than or equal to 1/),
  ],
  directory: [
    z('an own one', { directory: { replicas: 1 } }),
    z('another zone’s', { directory: { zoneRef: 'eu' } }),
    z('two', { directory: { replicas: 2 } }, 'spec.directory.replicas', /less than or equal to 1/),
    z('none', { directory: { replicas: 0 } }, 'spec.directory.replicas', /greater than or equal to 1/),
    z('both', { directory: { replicas: 1, zoneRef: 'eu' } }, 'spec.directory', /exactly one of replicas and zoneRef/),
    z('neither', { directory: {} }, 'spec.directory', /exactly one of replicas and zoneRef/),
    z('its own by name', { directory: { zoneRef: 'new' } }, 'spec.directory', /must name another zone/),
    z('of no name', { directory: { zoneRef: '' } }, 'spec.directory.zoneRef', /at least 1 chars/),
    z('of a long name', { directory: { zoneRef: long(33) } }, 'spec.directory.zoneRef', /may not be more than 32/),
    z('of no zone’s name', { directory: { zoneRef: 'A' } }, 'spec.directory.zoneRef', /should match/),
  ],
  profile: [z('A', { profile: 'A' }), z('C', { profile: 'C' }, 'spec.profile', /supported values: "A", "B"/)],
  clientsPerChannel: [
    z('1', { clientsPerChannel: 1 }),
    z('100', { clientsPerChannel: 100 }),
    z('101', { clientsPerChannel: 101 }, 'spec.clientsPerChannel', /less than or equal to 100/),
    z('0', { clientsPerChannel: 0 }, 'spec.clientsPerChannel', /greater than or equal to 1/),
  ],
  attachmentsPerClient: [
    z('4', { attachmentsPerClient: 4 }),
    z('5', { attachmentsPerClient: 5 }, 'spec.attachmentsPerClient', /less than or equal to 4/),
    z('0', { attachmentsPerClient: 0 }, 'spec.attachmentsPerClient', /greater than or equal to 1/),
  ],
  assignment: [
    z('ranking', { assignment: 'ranking' }),
    z('first', { assignment: 'first' }, 'spec.assignment', /supported values: "augment", "ranking", "random", "paper"/),
    z('paper, whole', { assignment: 'paper', profile: 'A', attachmentsPerClient: 2 }),
    z('paper, B', { assignment: 'paper', attachmentsPerClient: 2 }, 'spec.assignment', /needs profile A/),
    z('paper, 4', { assignment: 'paper', profile: 'A', attachmentsPerClient: 4 }, 'spec.assignment', /2 or 3/),
  ],
  directClients: [
    z('10000', { directClients: 10000 }),
    z('10001', { directClients: 10001 }, 'spec.directClients', /less than or equal to 10000/),
    z('fewer than none', { directClients: -1 }, 'spec.directClients', /greater than or equal to 0/),
  ],
  meshCellsPerTick: [
    z('64', { meshCellsPerTick: 64 }),
    z('65', { meshCellsPerTick: 65 }, 'spec.meshCellsPerTick', /less than or equal to 64/),
    z('none', { meshCellsPerTick: 0 }, 'spec.meshCellsPerTick', /greater than or equal to 1/),
  ],
  epochSeconds: [
    z('a day', { epochSeconds: 86400 }),
    z('more than a day', { epochSeconds: 86401 }, 'spec.epochSeconds', /less than or equal to 86400/),
    z('less than a minute', { epochSeconds: 59 }, 'spec.epochSeconds', /greater than or equal to 60/),
    changed('another', zone('stored'), zone('stored', { epochSeconds: 60 })),
  ],
  peers: [
    z('64', { peers: many(64) }),
    z('65', { peers: many(65) }, 'spec.peers', /must have at most 64 items/),
    z('one twice', { peers: [{ zone: 'a' }, { zone: 'a' }] }, 'spec.peers[1]', /Duplicate value/),
    z('itself', { peers: [{ zone: 'new' }] }, 'spec.peers', /does not peer with itself/),
    z('one without a name', { peers: [{}] }, 'spec.peers[0].zone', /Required value/),
    z('one of no name', { peers: [{ zone: '' }] }, 'spec.peers[0].zone', /at least 1 chars/),
    z('one of a long name', { peers: [{ zone: long(33) }] }, 'spec.peers[0].zone', /may not be more than 32/),
    z('one of no zone’s name', { peers: [{ zone: 'a-' }] }, 'spec.peers[0].zone', /should match/),
    z(
      'one with a field that there is not',
      { peers: [{ zone: 'a', weight: 1 }] },
      '',
      /unknown field "spec\.peers\[0\]\.weight"/,
    ),
    z('no list', { peers: 'a' }, 'spec.peers', /must be of type array/),
  ],
  paused: [z('yes', { paused: true }), z('a text', { paused: 'yes' }, 'spec.paused', /must be of type boolean/)],
  'the name of a Superpeer': [
    superpeerNamed(long(52)),
    superpeerNamed(long(53), '', /metadata\.name must be a DNS label of at most 52/),
    superpeerNamed('9lives', '', /starts with a letter/),
    superpeerNamed('eu-mix-0', '', /must not end like the name of a zone’s node/),
    superpeerNamed('eu-mix-x'),
  ],
  'spec of a Superpeer': [sp('a field that there is not', { zone: 'eu' }, '', /unknown field "spec\.zone"/)],
  'zoneRef of a Superpeer': [
    sp('32 characters', { zoneRef: long(32) }),
    sp('33 characters', { zoneRef: long(33) }, 'spec.zoneRef', /may not be more than 32/),
    sp('none', { zoneRef: '' }, 'spec.zoneRef', /at least 1 chars/),
    sp('no zone’s name', { zoneRef: 'a_b' }, 'spec.zoneRef', /should match/),
    sp('left out', { zoneRef: undefined }, 'spec.zoneRef', /Required value/),
  ],
  'region of a Superpeer': [
    sp('63 characters', { region: long(63) }),
    sp('64 characters', { region: long(64) }, 'spec.region', /may not be more than 63/),
    sp('none', { region: '' }, 'spec.region', /at least 1 chars/),
    sp('a slash', { region: 'a/b' }, 'spec.region', /should match/),
    sp('left out', { region: undefined }, 'spec.region', /Required value/),
  ],
  'channels of a Superpeer': [
    sp('64', { channels: 64 }),
    sp('65', { channels: 65 }, 'spec.channels', /less than or equal to 64/),
    sp('none', { channels: 0 }, 'spec.channels', /greater than or equal to 1/),
  ],
};

/** What a server says against a manifest: by field where it names one, else as one sentence. */
interface Cause {
  readonly kind: string;
  readonly field: string;
  readonly message: string;
}

suite('a manifest', { skip }, () => {
  let plane: ControlPlane;
  /** BOUNDED: by the cases. */
  const met: Cause[] = [];
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    await install(plane.admin, namespace);
  });
  after(() => plane?.stop());

  /** @returns what is said against it; nothing: it is taken */
  const put = async ({ manifest, stored }: Case): Promise<Cause[]> => {
    if (stored) await apply(plane.admin, stored);
    const { group, version, plural, kind } = resourceOf(manifest);
    const path = `/apis/${group}/${version}/namespaces/${namespace}/${plural}`;
    const query = 'dryRun=All&fieldValidation=Strict&fieldManager=test&force=true';
    const { body } = stored
      ? await plane.raw('PATCH', `${path}/${manifest.metadata.name}?${query}`, manifest)
      : await plane.raw('POST', `${path}?dryRun=All&fieldValidation=Strict`, manifest);
    const {
      kind: answer,
      message,
      details,
    } = body as {
      kind: string;
      message: string;
      details?: { causes?: { field: string; message: string }[] };
    };
    if (answer !== 'Status') return [];
    const causes = details?.causes ?? [{ field: '', message }];
    // A rule over the whole object is of no field.
    return causes.map((c) => ({ kind, field: c.field === '<nil>' ? '' : c.field, message: c.message }));
  };

  for (const [field, list] of Object.entries(cases)) {
    for (const one of list) {
      const { what, refused } = one;
      test(`${field}: ${what} is ${refused ? 'refused' : 'taken'}`, async () => {
        const causes = await put(one);
        met.push(...causes);
        if (!refused) return assert.deepEqual(causes, []);
        const [where, words] = refused;
        assert.ok(
          causes.some((c) => c.field === where && words.test(c.message)),
          `${where} ${words} is not among ${JSON.stringify(causes)}`,
        );
      });
    }
  }

  test('has run into every bound, pattern, enum and rule that the schemas have', () => {
    const missed = constraints().filter(
      ({ kind, field, words }) =>
        !met.some((c) => c.kind === kind && generic(c.field) === field && c.message.includes(words)),
    );
    assert.deepEqual(missed, []);
  });
});

const generic = (field: string) => field.replace(/\[\d+\]/g, '[]');

interface Constraint {
  readonly kind: string;
  readonly field: string;
  /** How a server words that it does not hold. */
  readonly words: string;
}

function constraints(): Constraint[] {
  return customResourceDefinitions().flatMap((definition) => {
    const { kind } = definition.spec.names;
    const schema = definition.spec.versions[0]!.schema.openAPIV3Schema as Schema;
    const whole = rulesOf(schema).map(({ fieldPath = '', message }) => ({ field: fieldPath.slice(1), words: message }));
    return [...whole, ...constraintsOf(schema.properties!.spec!, 'spec')].map((c) => ({ kind, ...c }));
  });
}

const rulesOf = (schema: Schema) =>
  (schema['x-kubernetes-validations'] ?? []) as { message: string; fieldPath?: string }[];

function constraintsOf(schema: Schema, field: string): Omit<Constraint, 'kind'>[] {
  const words: string[] = [];
  const has = (value: unknown, text: string) => value !== undefined && words.push(text);
  has(schema.minimum, `greater than or equal to ${schema.minimum}`);
  has(schema.maximum, `less than or equal to ${schema.maximum}`);
  has(schema.minLength, `at least ${schema.minLength} chars`);
  has(schema.maxLength, `may not be more than ${schema.maxLength}`);
  has(schema.minItems, `at least ${schema.minItems} items`);
  has(schema.maxItems, `at most ${schema.maxItems} items`);
  has(schema.maxProperties, `at most ${schema.maxProperties}`);
  has(schema.pattern, `should match '${schema.pattern}'`);
  const values = schema.enum as string[] | undefined;
  has(values, `supported values: ${values?.map((value) => `"${value}"`).join(', ')}`);
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, s]) => constraintsOf(s, `${field}.${name}`));
  const required = ((schema.required ?? []) as string[]).map((name) => ({
    field: `${field}.${name}`,
    words: 'Required value',
  }));
  const items = schema.items ? constraintsOf(schema.items, `${field}[]`) : [];
  const rules = rulesOf(schema).map((r) => ({ field: `${field}${r.fieldPath ?? ''}`, words: r.message }));
  const twice = schema['x-kubernetes-list-map-keys'] ? [{ field: `${field}[]`, words: 'Duplicate value' }] : [];
  return [...words.map((w) => ({ field, words: w })), ...twice, ...rules, ...required, ...inner, ...items];
}
