import assert from 'node:assert/strict';
import test from 'node:test';
import { dependents, published as publishedOf, zonesOf } from '../../../../operator/plan/relations.ts';
import { published, superpeer, zone } from '../samples.ts';

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

test('a superpeer wakes its zone and the directory that admits it, even before its zone exists', () => {
  assert.deepEqual([...zonesOf(superpeer('sp', 'sa'), all)], ['sa', 'eu']);
  assert.deepEqual([...zonesOf(superpeer('sp', 'nowhere'), all)], ['nowhere']);
});

test('readiness and epoch are nobody else’s business, keys and addresses are', () => {
  const status = published('eu');
  const of = (change: object) => publishedOf({ ...eu, status: { ...status, ...change } });
  assert.equal(
    of({ epoch: 9, mixesReady: '1/1', nodes: status.nodes.map((n) => ({ ...n, registered: true })) }),
    of({}),
  );
  assert.notEqual(of({ directoryURL: 'http://10.96.0.1:8080' }), of({}));
});
