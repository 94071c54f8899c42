/**
 * The operator is granted what it uses and nothing else.
 * What is not granted is refused by the API server, so a path that needs it can't be gone: that every path of
 * support/paths.ts is gone here shows one side. The other is what was asked for on the way, against rbac.ts.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, suite } from 'node:test';
import { operatorNamespace } from '../../operator/install.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { Elector } from '../../operator/kube/lease.ts';
import * as rbac from '../../operator/kube/rbac.ts';
import { skip } from './support/control-plane.ts';
import { type Permission, startGate } from './support/gate.ts';
import { paths } from './support/paths.ts';
import { undisturbed } from './support/walk.ts';
import { type Stage, startStage } from './support/world.ts';

const operator = join(import.meta.dirname, '../../operator');

suite('what the operator may do', { skip }, () => {
  let stage: Stage;
  /** "where: verb group/resource". BOUNDED: by the API. */
  const used = new Set<string>();
  const onRequest = (permissions: Permission[]) => {
    for (const { verb, group, resource, namespace } of permissions)
      used.add(`${placeOf(namespace)}: ${verb} ${group}/${resource}`);
  };
  // An operator that may begin with a watch lists nowhere else.
  const gates = { onRequest, watchLists: false };
  before(async () => {
    stage = await startStage(gates);
  });
  after(() => stage?.stop());

  suite('on a path', { concurrency: paths.length }, () => {
    for (const path of paths) test(path.what, async () => void (await undisturbed(stage, path)));
  });

  test('as one of two that want to lead', async () => {
    const gate = await startGate(stage.plane.operatorCluster(), gates);
    const client = new KubeClient(gate.cluster);
    const fail = (error: unknown) => assert.fail(String(error));
    try {
      const [first, second] = ['first', 'second'].map(
        (me) => new Elector(client, operatorNamespace, 'herd-operator', me),
      );
      assert.ok(await first!.acquire(AbortSignal.timeout(5_000), fail));
      await first!.release();
      assert.ok(await second!.acquire(AbortSignal.timeout(5_000), fail));
    } finally {
      await client.close();
      await gate.close();
    }
  });

  test('is used, all of it', () => {
    assert.deepEqual(
      granted().filter((permission) => !used.has(permission)),
      [],
    );
  });

  test('is all that it asked for', () => {
    assert.deepEqual(
      [...used].filter((permission) => !granted().includes(permission)),
      [],
    );
  });
});

test('every rule of rbac.ts names the files that need it, and they exist', async () => {
  const lines = (await readFile(join(operator, 'kube/rbac.ts'), 'utf8')).split('\n');
  const rules = lines.filter((line) => /^\s*rule\('/.test(line));
  assert.equal(rules.length, allRules().length);
  for (const rule of rules) {
    const files = filesNamedIn(rule.split('//')[1] ?? '');
    assert.ok(files.length > 0, `no caller beside ${rule.trim()}`);
    for (const file of files) assert.ok(existsSync(join(operator, `${file}.ts`)), `${file} of ${rule.trim()}`);
  }
});

/** rbac.ts has a list of rules for each place: ownRules, watchedRules. */
const everywhere = Object.entries(rbac as unknown as Record<string, readonly rbac.PolicyRule[]>);
const allRules = () => everywhere.flatMap(([, rules]) => rules);
/** Of what is granted in another cluster clusters.test.ts says the same. */
const places = everywhere.filter(([place]) => place !== 'memberRules');

const granted = (): string[] =>
  places.flatMap(([place, rules]) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      verbs.map((verb) => `${place}: ${verb} ${apiGroups[0]}/${resources[0]}`),
    ),
  );

function placeOf(namespace: string | undefined): string {
  if (namespace === undefined) return 'clusterRules';
  return namespace === operatorNamespace ? 'ownRules' : 'watchedRules';
}

/** controllers/{zone,superpeer}: … and kube/events name three files. */
function filesNamedIn(comment: string): string[] {
  return [...comment.matchAll(/\b([a-z]+)\/(?:\{([a-z,]+)\}|([\w-]+))/g)].flatMap(([, folder, several, one]) =>
    (several?.split(',') ?? [one!]).map((name) => `${folder}/${name}`),
  );
}
