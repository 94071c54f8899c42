import assert from 'node:assert/strict';
import test from 'node:test';
import type { NodeStatefulSet } from '../../../../operator/objects/pod.ts';
import { planSuperpeer, type SuperpeerPlan, type SuperpeerView } from '../../../../operator/plan/superpeer.ts';
import { key, laterMs, published, running, superpeer, zone } from '../samples.ts';

const base: SuperpeerView = {
  superpeer: superpeer('sp', 'eu'),
  zone: zone('eu', {}, published('eu')),
  identityKey: key('sp'),
  keyProblem: undefined,
  statefulSet: undefined,
  consensus: { kind: 'unasked' },
  nodeImage: 'herd.local/node:test',
};
const said = (plan: SuperpeerPlan) => plan.status.conditions.map((c) => `${c.type}=${c.status} ${c.reason}`);

test('a superpeer of a missing zone names the zone, publishes its key and applies nothing', () => {
  const plan = planSuperpeer({ ...base, zone: undefined }, laterMs);
  assert.deepEqual(said(plan), [
    'Ready=False ZoneNotFound',
    'Registered=False ZoneNotFound',
    'ZoneFound=False ZoneNotFound',
  ]);
  assert.match(plan.status.conditions[2]!.message, /^zone eu does not exist/);
  assert.equal(plan.status.identityKey, key('sp'));
  assert.deepEqual(plan.apply, []);
});

test('a superpeer waits for its zone to publish key and address', () => {
  const plan = planSuperpeer({ ...base, zone: zone('eu') }, laterMs);
  assert.deepEqual(plan.apply, []);
  assert.equal(said(plan)[0], 'Ready=False ZoneNotPublished');
});

test('a superpeer is Ready when its pod is and the consensus lists it', () => {
  const first = planSuperpeer(base, laterMs);
  assert.deepEqual(
    first.apply.map((o) => `${o.kind}/${o.metadata.name}`),
    ['ConfigMap/sp', 'StatefulSet/sp'],
  );
  assert.equal(said(first)[0], 'Ready=False PodNotReady');
  const statefulSet = running(first.apply[1] as NodeStatefulSet);
  const verified = (ids: string[]) => ({ kind: 'verified', epoch: 1, registered: new Set(ids) }) as const;
  const unlisted = planSuperpeer({ ...base, statefulSet, consensus: verified([]) }, laterMs);
  assert.equal(said(unlisted)[0], 'Ready=False NotInConsensus');
  const listed = planSuperpeer({ ...base, statefulSet, consensus: verified(['sp']) }, laterMs);
  assert.deepEqual(said(listed), ['Ready=True Ready', 'Registered=True InConsensus', 'ZoneFound=True ZoneFound']);
});
