import assert from 'node:assert/strict';
import test from 'node:test';
import { installObjects } from '../../../operator/install.ts';

const kinds = (namespaces: string[]) =>
  installObjects({ image: 'o', nodeImage: 'n', namespaces }).map(
    (o) => `${o.kind} ${o.metadata.namespace ? `${o.metadata.namespace}/` : ''}${o.metadata.name}`,
  );

test('what others depend on comes first', () => {
  assert.deepEqual(kinds([]), [
    'CustomResourceDefinition nodeslots.herd.network',
    'CustomResourceDefinition superpeers.herd.network',
    'CustomResourceDefinition zones.herd.network',
    'Namespace herd-system',
    'ServiceAccount herd-system/herd-operator',
    'Role herd-system/herd-operator-own',
    'RoleBinding herd-system/herd-operator-own',
    'ClusterRole herd-operator-machines',
    'ClusterRoleBinding herd-operator-machines',
    'ClusterRole herd-operator',
    'ClusterRoleBinding herd-operator',
    'Service herd-system/herd-operator',
    'Deployment herd-system/herd-operator',
  ]);
});

test('with namespaces named the operator sees machines in the whole cluster and nothing else', () => {
  const named = kinds(['a', 'b']);
  assert.deepEqual(
    named.filter((k) => k.startsWith('ClusterRole ')),
    ['ClusterRole herd-operator-machines'],
  );
  assert.ok(named.includes('Role a/herd-operator') && named.includes('RoleBinding b/herd-operator'));
});
