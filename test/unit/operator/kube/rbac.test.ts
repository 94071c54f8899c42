import assert from 'node:assert/strict';
import test from 'node:test';
import { clusterRules, ownRules, watchedRules } from '../../../../operator/kube/rbac.ts';

test('rules are alphabetical by group and resource, verbs too, and none is given twice', () => {
  for (const rules of [clusterRules, ownRules, watchedRules]) {
    const order = rules.map((r) => `${r.apiGroups[0]}/${r.resources[0]}`);
    assert.deepEqual(order, [...new Set(order)].sort());
    for (const rule of rules) assert.deepEqual(rule.verbs, [...rule.verbs].sort());
  }
});

test('the operator can’t list or watch Secrets', () => {
  const secrets = watchedRules.filter((r) => r.resources.includes('secrets'));
  assert.deepEqual(
    secrets.map((r) => r.verbs),
    [['create', 'get', 'patch']],
  );
  assert.equal(
    [...clusterRules, ...ownRules, ...watchedRules].some((r) =>
      [...r.apiGroups, ...r.resources, ...r.verbs].includes('*'),
    ),
    false,
  );
});
