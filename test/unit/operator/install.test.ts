import assert from 'node:assert/strict';
import test from 'node:test';
import { installObjects, memberObjects, memberSteps } from '../../../operator/install.ts';

const kinds = (namespaces: string[]) =>
  installObjects({ image: 'o', nodeImage: 'n', namespaces }).map(
    (o) => `${o.kind} ${o.metadata.namespace ? `${o.metadata.namespace}/` : ''}${o.metadata.name}`,
  );

test('what others depend on comes first', () => {
  assert.deepEqual(kinds([]), [
    'CustomResourceDefinition nodeslots.herd.network',
    'CustomResourceDefinition superpeers.herd.network',
    'CustomResourceDefinition zones.herd.network',
    'ValidatingAdmissionPolicy herd-nodes',
    'ValidatingAdmissionPolicyBinding herd-nodes',
    'Namespace herd-system',
    'NetworkPolicy herd-system/herd-operator',
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

test('a member gives the Zone’s operator NodeSlots of one namespace and nothing else', () => {
  const objects = memberObjects('herd');
  assert.deepEqual(
    objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`),
    ['ServiceAccount herd/herd-home', 'Role herd/herd-home', 'RoleBinding herd/herd-home'],
  );
  const rules = (objects[1] as unknown as { rules: { resources: string[] }[] }).rules;
  assert.deepEqual(
    rules.flatMap(({ resources }) => resources),
    ['nodeslots'],
  );
  assert.match(memberSteps('herd'), /create token herd-home -n herd /);
});
