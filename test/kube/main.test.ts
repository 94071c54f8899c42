/** The operator's process: it takes the lease, serves its probes and metrics, and gives the lease back. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import test, { after, before, suite } from 'node:test';
import { leases, services, zones } from '../../operator/kube/types.ts';
import { promtool, withoutPromtool } from '../unit/monitoring/promtool.ts';
import { type ControlPlane, eventually, freePort, skip, startControlPlane } from './support/control-plane.ts';
import { type Asked, type FaultyServer, startFaultyServer } from './support/faults.ts';
import { apply, install } from './support/install.ts';
import { namespace, zone } from './support/samples.ts';

suite('operator/main.ts', { skip }, () => {
  let plane: ControlPlane;
  /** Where b and d find the API server. */
  let slow: FaultyServer;
  const processes: ChildProcess[] = [];
  let portC: number;
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    slow = await startFaultyServer(plane);
    await install(plane.admin, namespace);
  });
  after(async () => {
    for (const process of processes) process.kill('SIGKILL');
    await slow?.close();
    await plane?.stop();
  });

  const start = async (name: string, port: number, serverPort = plane.port) => {
    const kubeconfig = await plane.operatorKubeconfig(serverPort);
    const args = ['operator/main.ts', '--port', String(port), '--kubeconfig', kubeconfig];
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
  /** Also of one that has ended already, as after a test that failed. */
  const ended = async (child: ChildProcess): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  };
  const holder = async () => (await plane.admin.get(leases, 'herd-system', 'herd-operator'))?.spec?.holderIdentity;
  const metrics = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const isReady = (port: number) =>
    eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, 'readiness');

  test('one of two leads, and on SIGTERM the other takes over without waiting for the lease to run out', async () => {
    const [portA, portB] = [await freePort(), await freePort()];
    const a = await start('a', portA);
    await eventually(async () => (await holder()) === 'a', 'the lease of a');
    await isReady(portA);
    await start('b', portB, slow.port);
    await isReady(portB);
    await eventually(async () => /^herd_operator_leader 1$/m.test(await metrics(portA)), 'a that leads');
    assert.match(await metrics(portB), /^herd_operator_leader 0$/m);
    assert.match(
      await metrics(portA),
      /^herd_operator_kube_requests_total\{verb="watch",resource="zones",code="200"\} \d+$/m,
    );
    a.kill('SIGTERM');
    const code = await ended(a);
    assert.equal(code, 0);
    // A lease runs for 15 s.
    await eventually(async () => (await holder()) === 'b', 'the lease of b', 6_000);
  });

  const isWrite = ({ method, url }: Asked) => method !== 'GET' && !url.pathname.includes('/leases');

  test('a leader that stood still for longer than its lease writes nothing when it goes on, and leaves with 1', async () => {
    const b = processes.at(-1)!;
    portC = await freePort();
    await start('c', portC);
    await isReady(portC);
    b.kill('SIGSTOP');
    await eventually(async () => (await holder()) === 'c', 'the lease of c');
    // Enough to do for whoever thinks to lead.
    await apply(plane.admin, zone('late'));
    await eventually(() => plane.admin.get(services, namespace, 'late-directory'), 'what c makes of it');
    slow.asked.length = 0;
    b.kill('SIGCONT');
    const code = await ended(b);
    assert.equal(code, 1);
    assert.deepEqual(slow.asked.filter(isWrite), []);
  });

  test('tells what it has done, in the words that Prometheus asks for', async () => {
    const succeeded = /^herd_operator_reconcile_last_success_timestamp_seconds\{controller="zone"\}/m;
    await eventually(async () => succeeded.test(await metrics(portC)), 'a reconcile that succeeds');
    const text = await metrics(portC);
    const value = (name: string) => Number(new RegExp(`^herd_operator_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    assert(value('workqueue_adds_total\\{controller="zone"\\}') > 0);
    assert(value('workqueue_queue_duration_seconds_count\\{controller="zone"\\}') > 0);
    const ageSeconds = Date.now() / 1000 - value('reconcile_last_success_timestamp_seconds\\{controller="zone"\\}');
    assert(ageSeconds >= 0 && ageSeconds < 600, `${ageSeconds}`);
    assert.match(text, /^herd_build_info\{version="[^"]+"\} 1$/m);
    if (!withoutPromtool) assert.equal(promtool(['check', 'metrics'], text), '');
  });

  test('on SIGTERM it is not ready any more, ends what it was doing, and only then gives the lease back', async () => {
    const c = processes.at(-1)!;
    c.kill('SIGTERM');
    await ended(c);
    const portD = await freePort();
    const d = await start('d', portD, slow.port);
    await eventually(async () => /^herd_operator_leader 1$/m.test(await metrics(portD)), 'd that leads');
    // Every write takes a while, and a zone that appears takes many.
    slow.fault = (asked) => (isWrite(asked) ? { kind: 'slow', bytes: 200, everyMs: 30 } : undefined);
    slow.asked.length = 0;
    await apply(plane.admin, zone('last', { regions: [{ name: 'last', mixes: { replicas: 3 } }] }));
    await eventually(() => slow.asked.some(isWrite), 'the first write');
    d.kill('SIGTERM');
    await eventually(async () => (await fetch(`http://127.0.0.1:${portD}/readyz`)).status === 503, 'no readiness');
    const code = await ended(d);
    assert.equal(code, 0);
    assert.equal(await holder(), '');
    const released = slow.asked.findLastIndex(
      ({ method, url }) => method === 'PUT' && url.pathname.includes('/leases'),
    );
    const writes = slow.asked.flatMap((asked, i) => (isWrite(asked) ? [i] : []));
    assert.ok(writes.length > 3, 'the reconcile went on');
    assert.ok(writes.every((i) => i < released));
    const status = (await plane.admin.get(zones, namespace, 'last'))!.status as { observedGeneration: number };
    assert.equal(status.observedGeneration, 1, 'to its end');
    slow.fault = () => undefined;
    const portE = await freePort();
    await start('e', portE);
    await eventually(async () => (await holder()) === 'e', 'the lease of e');
  });

  test('a leader whose lease another holds stops with 1', async () => {
    const e = processes.at(-1)!;
    const lease = (await plane.admin.get(leases, 'herd-system', 'herd-operator'))!;
    const spec = { ...lease.spec, holderIdentity: 'thief', leaseDurationSeconds: 3600 };
    // It may renew in between: then the version has moved on.
    await eventually(async () => {
      const { metadata } = (await plane.admin.get(leases, 'herd-system', 'herd-operator'))!;
      return plane.admin.update(leases, { ...lease, metadata, spec });
    }, 'the theft');
    const code = await ended(e);
    assert.equal(code, 1);
  });
});
