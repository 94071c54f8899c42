import assert from 'node:assert/strict';
import test from 'node:test';
import type { Superpeer } from '../../../operator/api/superpeer.ts';
import type { Zone } from '../../../operator/api/zone.ts';
import type { Failure } from '../../../plugin/failures.ts';
import { changesIn } from '../../../plugin/plan/difference.ts';
import type { Objects } from '../../../plugin/plan/outcome.ts';
import { drawPlan, planOf, readDocuments } from '../../../plugin/plan/plan.ts';
import { laterMs, published, slot, superpeer, zone } from '../operator/samples.ts';

const regions = (mixes: number, more: object = {}) => [{ name: 'eu', mixes: { replicas: mixes }, ...more }];
const eu = (spec: object = {}) => zone('eu', { regions: regions(2), ...spec }, published('eu'));
const sa = (spec: object = {}) => zone('sa', { directory: { zoneRef: 'eu' }, ...spec }, published('sa'));

const there = (rest: Partial<Objects> = {}): Objects => ({
  zones: [eu()],
  superpeers: [],
  slots: [slot('eu-eu-mix-0', 'mix'), slot('eu-eu-mix-1', 'mix'), slot('eu-eu-rendezvous-0', 'rendezvous')],
  configMaps: [],
  services: [],
  statefulSets: [],
  budgets: [],
  pods: [],
  nodeImage: 'herd.local/node:test',
  ...rest,
});

const planned = (wish: Zone, objects = there()) => planOf(objects, 'herd', [{ kind: 'Zone', object: wish }], laterMs);
const admitted = (wish: Superpeer, objects = there()) =>
  planOf(objects, 'herd', [{ kind: 'Superpeer', object: wish }], laterMs);
const names = (children: readonly { kind: string; name: string }[]) =>
  children.map(({ kind, name }) => `${kind} ${name}`);

test('the spec that is there already leaves nothing to do', () => {
  const plan = planned(eu());
  assert.deepEqual(
    [plan.added, plan.changed, plan.removed, plan.drains, plan.restarts, plan.notes],
    [[], [], [], [], [], []],
  );
  assert.match(drawPlan(plan), /nothing to do/);
});

test('a mix more is a slot with its children, and an entry in the roster; nobody drains', () => {
  const plan = planned(eu({ regions: regions(3) }));
  assert.deepEqual(names(plan.added), ['NodeSlot eu-eu-mix-2', 'ConfigMap eu-eu-mix-2', 'StatefulSet eu-eu-mix-2']);
  assert.deepEqual(names(plan.changed), ['ConfigMap eu-directory-0']);
  assert.deepEqual(plan.changed[0]!.changes, ['data.node.json.zones[eu].roster[eu-eu-mix-2]: added']);
  assert.deepEqual([plan.removed, plan.drains, plan.restarts], [[], [], []]);
});

test('a mix less is retired: it drains first', () => {
  const plan = planned(eu({ regions: regions(1) }));
  assert.deepEqual(names(plan.removed), ['NodeSlot eu-eu-mix-1', 'ConfigMap eu-eu-mix-1', 'StatefulSet eu-eu-mix-1']);
  assert.deepEqual(plan.drains, [{ slot: 'eu-eu-mix-1', reason: 'Retired', because: [] }]);
});

test('another node selector makes the pods of the region outdated, and the directory start anew', () => {
  const plan = planned(eu({ regions: regions(2, { nodeSelector: { disk: 'fast' } }) }));
  assert.deepEqual(
    plan.drains.map(({ slot: name, reason }) => `${name} ${reason}`),
    ['eu-eu-mix-0 Outdated', 'eu-eu-mix-1 Outdated', 'eu-eu-rendezvous-0 Outdated'],
  );
  assert.ok(plan.drains[0]!.because.includes('spec.template.spec.nodeSelector.disk: added "fast"'));
  assert.deepEqual(plan.restarts, ['eu-directory-0']);
});

test('rates are the directory’s to say: no pod changes', () => {
  const plan = planned(eu({ chaff: { cellsPerTick: 5 } }));
  assert.deepEqual(names(plan.changed), ['ConfigMap eu-directory-0']);
  assert.deepEqual(plan.changed[0]!.changes, ['data.node.json.zones[eu].params.meshCellsPerTick: 2 → 5']);
  assert.deepEqual([plan.drains, plan.restarts], [[], []]);
});

test('what a zone changes in the directory of another is told', () => {
  const objects = there({ zones: [eu(), sa()] });
  const plan = planned(sa({ profile: 'A' }), objects);
  assert.deepEqual(
    plan.changed.map(({ name, changes }) => [name, changes]),
    [['eu-directory-0', ['data.node.json.zones[sa].params.profile: "B" → "A"']]],
  );
});

test('a new zone is added with all that it will have', () => {
  const plan = planned(zone('us'), there({ zones: [eu()] }));
  assert.deepEqual(plan.notes, ['Zone us is new']);
  assert.deepEqual(names(plan.added).sort(), [
    'ConfigMap us-directory-0',
    'ConfigMap us-us-mix-0',
    'ConfigMap us-us-rendezvous-0',
    'NodeSlot us-us-mix-0',
    'NodeSlot us-us-rendezvous-0',
    'PodDisruptionBudget us-directory',
    'PodDisruptionBudget us-mix',
    'PodDisruptionBudget us-rendezvous',
    'PodDisruptionBudget us-superpeer',
    'Service us-directory',
    'StatefulSet us-directory-0',
    'StatefulSet us-us-mix-0',
    'StatefulSet us-us-rendezvous-0',
  ]);
  assert.deepEqual([plan.changed, plan.removed, plan.drains], [[], [], []]);
});

test('what a paused zone will do is told, and that it waits', () => {
  const plan = planned(eu({ paused: true, regions: regions(1) }));
  assert.deepEqual(plan.notes, ['Zone eu is paused: nothing of this is done until it is resumed']);
  assert.deepEqual(
    plan.drains.map(({ slot: name }) => name),
    ['eu-eu-mix-1'],
  );
});

test('a superpeer has a slot and is in the roster of its zone; one that others run waits for approval', () => {
  const managed = admitted(superpeer('garage', 'eu'));
  assert.deepEqual(names(managed.added), ['NodeSlot garage', 'ConfigMap garage', 'StatefulSet garage']);
  assert.deepEqual(managed.changed[0]!.changes, ['data.node.json.zones[eu].roster[garage]: added']);
  const external = admitted(
    superpeer('garage', 'eu', { external: { identityKey: Buffer.alloc(32).toString('base64') } }),
  );
  assert.deepEqual([external.added, external.changed], [[], []]);
  assert.deepEqual(external.notes, ['Superpeer garage takes part once it is approved']);
  assert.deepEqual(admitted(superpeer('garage', 'nowhere')).notes, ['Superpeer garage: there is no zone nowhere']);
});

test('the plan says what changes, and which slots drain why', () => {
  assert.equal(
    drawPlan(planned(eu({ regions: regions(1), chaff: { cellsPerTick: 5 } }))),
    `namespace herd
CHANGED
  ConfigMap eu-directory-0
    data.node.json.zones[eu].params.meshCellsPerTick: 2 → 5
    data.node.json.zones[eu].roster[eu-eu-mix-1]: removed
REMOVED
  NodeSlot eu-eu-mix-1
  ConfigMap eu-eu-mix-1
  StatefulSet eu-eu-mix-1
DRAINED, one at a time
  SLOT         REASON   BECAUSE
  eu-eu-mix-1  Retired  the spec has it no more
`,
  );
});

test('differences are told field by field, of lists by name where entries have one', () => {
  const before = {
    a: 1,
    list: [
      { name: 'x', n: 1 },
      { name: 'y', n: 2 },
    ],
    plain: [1, 2],
    gone: 1,
  };
  const after = {
    a: 2,
    list: [
      { name: 'y', n: 3 },
      { name: 'z', n: 4 },
    ],
    plain: [1],
    fresh: 'new',
  };
  assert.deepEqual(changesIn(before, after), [
    'a: 1 → 2',
    'list[x]: removed',
    'list[y].n: 2 → 3',
    'list[z]: added',
    'plain[1]: removed',
    'gone: removed',
    'fresh: added "new"',
  ]);
});

const file = (text: string, namespace?: string) => readDocuments(text, { file: 'x.yaml', namespace }, 'herd');

test('a file holds documents or lists; what is no Zone or Superpeer is left out, and it says so', () => {
  const text = `
apiVersion: v1
kind: Namespace
metadata: {name: herd}
---
apiVersion: v1
kind: List
items:
- {apiVersion: herd.network/v1alpha1, kind: Zone, metadata: {name: eu}}
- {apiVersion: herd.network/v1alpha1, kind: Superpeer, metadata: {name: sp, namespace: far}}
---
`;
  const { manifests, leftOut } = file(text);
  assert.deepEqual(
    manifests.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ['herd/eu', 'far/sp'],
  );
  assert.deepEqual(leftOut, ['Namespace herd is left out: Zones and Superpeers are planned']);
});

test('all that is wrong with a file is told at once', () => {
  const problemsOf = (text: string, namespace?: string) => {
    try {
      file(text, namespace);
    } catch (error) {
      return (error as Failure).problems;
    }
    return [];
  };
  assert.deepEqual(
    problemsOf('{kind: Zone}\n---\n{apiVersion: a/v1, kind: Zone, metadata: {name: eu, namespace: far}}', 'herd'),
    [
      '--file x.yaml: document 1: has no apiVersion, kind or metadata.name',
      '--file x.yaml: document 2: Zone eu is of namespace far, not herd',
    ],
  );
  assert.deepEqual(problemsOf(''), ['--file x.yaml: no Zone or Superpeer is in it']);
  assert.match(problemsOf('a: [')[0]!, /^--file x\.yaml: /);
});
