import assert from 'node:assert/strict';
import test from 'node:test';
import { dependents, published as publishedOf, zonesOf } from '../../../../operator/plan/relations.ts';
import { published, zone } from '../samples.ts';

const eu = zone('eu');
const sa = zone('sa', { directory: { zoneRef: 'eu' }, peers: [{ zone: 'na' }] });
const na = zone('na');
const all = [eu, sa, na];

test('a zone that others name wakes them and the hosts of their directories', () => {
  assert.deepEqual([...dependents(na, all)].sort(), ['eu', 'sa']);
});

test('a referring zone wakes its host, a host its referring zones', () => {
  assert.deepEqual([...dependents(sa, all)], ['eu']);
  assert.deepEqual([...dependents(eu, all)], ['sa']);
});

test('what is of a zone wakes it and the directory that admits it, even before the zone exists', () => {
  assert.deepEqual([...zonesOf('sa', sa)], ['sa', 'eu']);
  assert.deepEqual([...zonesOf('nowhere', undefined)], ['nowhere']);
});

test('readiness and epoch are nobody else’s business, keys and addresses are', () => {
  const status = published('eu');
  const of = (change: object) => publishedOf({ ...eu, status: { ...status, ...change } });
  assert.equal(of({ epoch: 9, mixesReady: '1/1' }), of({}));
  assert.notEqual(of({ directoryURL: 'http://10.96.0.1:8080' }), of({}));
});
