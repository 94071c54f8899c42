/** The operator's process: it takes the lease, serves its probes and metrics, and gives the lease back. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test, { after, before, suite } from 'node:test';
import { leases } from '../../operator/kube/types.ts';
import { type ControlPlane, eventually, freePort, skip, startControlPlane } from './support/control-plane.ts';
import { install } from './support/install.ts';
import { namespace } from './support/samples.ts';

suite('operator/main.ts', { skip }, () => {
  let plane: ControlPlane;
  const processes: ChildProcess[] = [];
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    await install(plane.admin, namespace);
  });
  after(async () => {
    for (const process of processes) process.kill('SIGKILL');
    await plane?.stop();
  });

  const start = (name: string, port: number) => {
    const args = ['operator/main.ts', '--port', String(port), '--kubeconfig', plane.operatorKubeconfig];
    const env = {
      PATH: process.env.PATH,
      HERD_NODE_IMAGE: 'herd.local/node:test',
      POD_NAMESPACE: 'herd-system',
      POD_NAME: name,
    };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
    processes.push(child);
    return child;
  };
  const holder = async () => (await plane.admin.get(leases, 'herd-system', 'herd-operator'))?.spec?.holderIdentity;
  const metrics = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const isReady = (port: number) =>
    eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, 'readiness');

  test('one of two leads, and on SIGTERM the other takes over without waiting for the lease to run out', async () => {
    const [portA, portB] = [await freePort(), await freePort()];
    const a = start('a', portA);
    await eventually(async () => (await holder()) === 'a', 'the lease of a');
    await isReady(portA);
    start('b', portB);
    await isReady(portB);
    await eventually(async () => /^herd_operator_leader 1$/m.test(await metrics(portA)), 'a that leads');
    assert.match(await metrics(portB), /^herd_operator_leader 0$/m);
    assert.match(await metrics(portA), /^herd_operator_kube_requests_total\{verb="watch",code="200"\} \d+$/m);
    a.kill('SIGTERM');
    const [code] = await once(a, 'exit');
    assert.equal(code, 0);
    // A lease runs for 15 s.
    await eventually(async () => (await holder()) === 'b', 'the lease of b', 6_000);
  });

  test('a leader whose lease another holds stops with 1', async () => {
    const b = processes.at(-1)!;
    const lease = (await plane.admin.get(leases, 'herd-system', 'herd-operator'))!;
    const spec = { ...lease.spec, holderIdentity: 'thief', leaseDurationSeconds: 3600 };
    const exited = once(b, 'exit');
    // b may renew in between: then the version has moved on.
    await eventually(async () => {
      const { metadata } = (await plane.admin.get(leases, 'herd-system', 'herd-operator'))!;
      return plane.admin.update(leases, { ...lease, metadata, spec });
    }, 'the theft');
    const [code] = await exited;
    assert.equal(code, 1);
  });
});
