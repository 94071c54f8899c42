/**
 * manifests/dist in a real API server, with Pod Security admission, as kubectl puts it there; and the self-check, which
 * passes when the operator is at work and names what is wrong when it isn't.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before, suite } from 'node:test';
import type { Manifest } from '../../operator/kube/types.ts';
import { documents } from '../yaml.ts';
import { type ControlPlane, eventually, freePort, skip, startControlPlane } from './support/control-plane.ts';
import { type Operator, root, type Tools, toolsOf } from './support/tools.ts';

const dist = (name: string) => join(root, 'manifests/dist', `${name}.yaml`);

suite('manifests/dist', { skip }, () => {
  let plane: ControlPlane;
  let tools: Tools;
  let operator: Operator;
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    tools = await toolsOf(plane);
  });
  after(async () => {
    await tools?.stop();
    await plane?.stop();
  });

  const apply = (name: string) => tools.kubectl(['apply', '--server-side', '-f', dist(name)]);

  test('herd.yaml is all that it takes, and a second time changes nothing', async () => {
    const objects = documents<Manifest>(await readFile(dist('herd'), 'utf8'));
    assert.equal((await apply('herd')).trim().split('\n').length, objects.length);
    const versions = () =>
      tools.kubectl(['get', '-f', dist('herd'), '-o', 'jsonpath={.items[*].metadata.resourceVersion}']);
    await eventually(async () => (await tools.kubectl(['api-resources'])).includes('superpeers'), 'the kinds');
    const before = await versions();
    await apply('herd');
    assert.equal(await versions(), before);
    operator = await tools.startOperator();
  });

  test('Pod Security admission takes the operator’s pod in its namespace', async () => {
    const pod = await podOfDeployment();
    const path = '/api/v1/namespaces/herd-system/pods?dryRun=All';
    assert.equal((await plane.raw('POST', path, pod)).code, 201);
    // It is enforced: with a little more it is refused.
    const privileged = { ...pod, spec: { ...pod.spec, hostNetwork: true } };
    assert.equal((await plane.raw('POST', path, privileged)).code, 403);
  });

  const podOfDeployment = async () => {
    const objects = documents<{ kind: string; spec: { template: Pod } }>(await readFile(dist('herd'), 'utf8'));
    const { metadata, spec } = objects.find(({ kind }) => kind === 'Deployment')!.spec.template;
    return { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'operator' }, spec };
  };
  interface Pod {
    readonly metadata: object;
    readonly spec: object;
  }

  test('samples.yaml is taken, by strict validation', async () => {
    await tools.kubectl(['apply', '--server-side', '--validate=strict', '-f', dist('samples')]);
  });

  test('the self-check passes with the rights of selfcheck.yaml while the operator is at work', async () => {
    await apply('selfcheck');
    const { code, said } = await tools.selfcheck(operator.port);
    assert.deepEqual(said, [
      'ok definition nodeslots.herd.network',
      'ok definition superpeers.herd.network',
      'ok definition zones.herd.network',
      'ok lease herd-system/herd-operator',
      'ok operator',
    ]);
    assert.equal(code, 0);
  });

  test('its rights are to read what it looks at, and nothing else', async () => {
    const account = 'system:serviceaccount:herd-system:herd-selfcheck';
    const may = (...what: string[]) =>
      tools.kubectl(['auth', 'can-i', ...what, '--as', account]).then(
        () => true,
        () => false,
      );
    const crds = 'customresourcedefinitions.apiextensions.k8s.io';
    assert.ok(await may('get', `${crds}/zones.herd.network`));
    assert.ok(await may('get', 'leases.coordination.k8s.io/herd-operator', '--namespace', 'herd-system'));
    for (const [verb, resource] of [
      ['list', crds],
      ['delete', `${crds}/zones.herd.network`],
      ['update', 'leases.coordination.k8s.io/herd-operator'],
      ['get', 'leases.coordination.k8s.io/other'],
      ['get', 'secrets'],
      ['list', 'zones.herd.network'],
    ])
      assert.equal(await may(verb!, resource!, '--namespace', 'herd-system'), false, `${verb} ${resource}`);
  });

  test('the self-check names definitions that are gone or old, a lease that stands still, an operator that is silent', async () => {
    operator.process.kill('SIGSTOP');
    await tools.kubectl(['delete', 'crd', 'superpeers.herd.network', '--timeout=30s']);
    const old = [
      { op: 'remove', path: '/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/machine' },
    ];
    await tools.kubectl(['patch', 'crd', 'nodeslots.herd.network', '--type=json', '--patch', JSON.stringify(old)]);
    const nobody = await freePort();
    const [here, elsewhere] = await Promise.all([tools.selfcheck(operator.port), tools.selfcheck(nobody, 'herd')]);
    assert.equal(here.code, 1);
    assert.match(here.said[1]!, /^FAILED definition superpeers.herd.network is not there/);
    assert.match(here.said[0]!, /^FAILED definition nodeslots.herd.network is of another release/);
    assert.match(here.said[2]!, /^FAILED lease herd-system\/herd-operator was not renewed within 17 s/);
    assert.match(here.said[3]!, /^FAILED operator cannot be asked: .*timeout/);
    assert.equal(here.said[4], 'ok definition zones.herd.network');
    // Where there is neither right nor Service.
    assert.equal(elsewhere.code, 1);
    const others = elsewhere.said.filter((line) => !line.includes('definition'));
    assert.match(others[0]!, /^FAILED lease herd\/herd-operator cannot be asked: .*forbidden/);
    assert.match(others[1]!, /^FAILED operator cannot be asked: .*ECONNREFUSED/);
  });
});
