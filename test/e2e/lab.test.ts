import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kubectl } from '../../lab/calls/client.ts';
import type { CallRow } from '../../lab/calls/row.ts';
import { describeLeftovers, findLeftovers } from '../../lab/host/leftovers.ts';
import { kubectlRunner, run } from '../../lab/kubernetes/kubectl.ts';

/**
 * The whole of `npm start`, as a person runs it: a real Kubernetes comes up, twelve calls cross it, it is looked at and
 * disturbed with kubectl, and after Ctrl-C nothing of it is left.
 */
const skip = process.env.HERD_KUBERNETES_BIN ? false : 'needs a machine that can run the local cluster';
const root = path.join(import.meta.dirname, '..', '..');
const UP_TIMEOUT_MS = 300_000;

let lab: ChildProcess;
let printed = '';
let folder: string;
let kubectl: Kubectl;
let runId: string;

async function until<T>(what: string, timeoutMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(500)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`${what}: not within ${timeoutMs / 1000} s\n${printed.slice(-3000)}`);
}

const get = async (...args: string[]) => JSON.parse(await run(kubectl, ['get', '-n', 'herd', '-o', 'json', ...args]));

interface Status {
  status?: { conditions?: { type: string; status: string; reason: string; message: string }[] };
}
const condition = (item: Status, type: string) => item.status?.conditions?.find((c) => c.type === type);

before(async () => {
  if (skip) return;
  folder = await mkdtemp(path.join(tmpdir(), 'herd-e2e-'));
  lab = spawn(process.execPath, ['lab/main.ts', '--report', path.join(folder, 'report.json')], { cwd: root });
  for (const stream of [lab.stdout!, lab.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
  }
  await until('the lab is up after its calls', UP_TIMEOUT_MS, async () => {
    if (lab.exitCode !== null) throw new Error(`npm start ended with ${lab.exitCode}:\n${printed.slice(-3000)}`);
    return printed.includes('Herd is up.') || undefined;
  });
  const [, kubeconfig, program] = /KUBECONFIG=(\S+) (\S+)/.exec(printed)!;
  runId = /herd-([0-9a-f]{4})/.exec(kubeconfig!)![1]!;
  kubectl = kubectlRunner(program!, ['--kubeconfig', kubeconfig!]);
});

after(async () => {
  if (skip) return;
  if (lab.exitCode === null) {
    lab.kill('SIGINT');
    await Promise.race([new Promise((resolve) => lab.once('close', resolve)), sleep(30_000)]);
  }
  await rm(folder, { recursive: true, force: true });
});

test('twelve calls cross six hops each: the recording that was played is the one that was heard', {
  skip,
}, async () => {
  const report = JSON.parse(await readFile(path.join(folder, 'report.json'), 'utf8')) as {
    versions: Record<string, string>;
    calls: CallRow[];
  };
  assert.match(report.versions.kubernetes!, /^v1\.(3[4-9])\./);
  for (const name of ['containerd', 'node', 'commit']) assert(report.versions[name], name);
  assert.equal(report.calls.length, 12);
  for (const call of report.calls) {
    const name = `${call.from} calls ${call.to}`;
    assert.equal(call.outcome, 'measured', `${name}: ${call.outcome === 'failed' ? call.reason : ''}`);
    if (call.outcome !== 'measured') continue;
    // The bar of 1 % is the experiment's (npm start says so). Here other tests and a busy machine may take some frames;
    // that the right voice arrives at all is what silence, noise or a short cut could not pass.
    assert(call.segmentalSnrDb > 15, `${name}: segmental SNR ${call.segmentalSnrDb} dB`);
    assert(call.addedMs > 30, `${name}: six hops take their time, it took ${call.addedMs} ms more than none`);
  }
});

test('kubectl get zones shows what an operator asks first', { skip }, async () => {
  const text = await run(kubectl, ['get', 'zones,superpeers', '-A']);
  for (const column of ['READY', 'MIXES', 'RENDEZVOUS', 'SUPERPEERS', 'EPOCH', 'AGE'])
    assert.match(text, new RegExp(column));
  for (const zone of ['eu', 'na', 'sa', 'au'])
    assert.match(text, new RegExp(`zone.herd.network/${zone} +True +1/1 +1/1 +1/1 +[0-9]+`));
});

test('a deleted mix pod comes back and its clients attach again', { skip }, async () => {
  const uid = (await get('pod', 'eu-eu-mix-0-0')).metadata.uid as string;
  await run(kubectl, ['delete', 'pod', '-n', 'herd', 'eu-eu-mix-0-0']);
  // It drains first, but its only client has no other mix to go to: the grace runs out.
  await until('a new eu-eu-mix-0-0 is Ready', 150_000, async () => {
    const pods = (await get('pods')).items as (Status & { metadata: { name: string; uid: string } })[];
    const pod = pods.find(({ metadata }) => metadata.name === 'eu-eu-mix-0-0');
    return pod && pod.metadata.uid !== uid && condition(pod, 'Ready')?.status === 'True' ? pod : undefined;
  });
  // The old mix is gone: attached now means attached to the new one, once the client has noticed.
  await sleep(5_000);
  await until('the client of eu is attached', 60_000, async () => {
    const status = await run(kubectl, [
      'exec',
      '-n',
      'herd',
      'client-eu',
      '-c',
      'client',
      '--',
      'node',
      'nodes/client/ctl.ts',
      'status',
    ]);
    return (JSON.parse(status) as { attached: boolean }).attached || undefined;
  });
});

test('a truncated or random datagram is dropped and counted, and changes nothing', { skip }, async () => {
  const { status, spec } = await get('pod', 'na-na-mix-0-0');
  const ip = status.podIP as string;
  const port = (name: string) =>
    (spec.containers[0].ports as { name: string; containerPort: number }[]).find((p) => p.name === name)!.containerPort;
  const inClient = (script: string) =>
    run(kubectl, ['exec', '-n', 'herd', 'client-na', '-c', 'client', '--', 'node', '-e', script]);
  const drops = async () => {
    const metrics = await inClient(
      `fetch('http://${ip}:${port('metrics')}/metrics').then((r) => r.text()).then((t) => console.log(t))`,
    );
    const lines = [
      ...metrics.matchAll(
        /^herd_node_drops_total\{reason="(truncated|unknown_kind|unknown_session|bad_handshake)".*\} (\d+)$/gm,
      ),
    ];
    assert.equal(lines.length, 4);
    return lines.reduce((sum, [, , count]) => sum + Number(count), 0);
  };
  const before = await drops();
  await inClient(`
    const socket = require('node:dgram').createSocket('udp4');
    const { randomBytes } = require('node:crypto');
    const sends = [];
    for (let i = 0; i < 200; i += 1) {
      const bytes = randomBytes(i % 300);
      if (bytes.length > 0 && i % 2) bytes[0] = 1 + (i % 4);
      sends.push(new Promise((done) => socket.send(bytes, ${port('cells')}, '${ip}', done)));
    }
    Promise.all(sends).then(() => socket.close());`);
  await sleep(1_000);
  const counted = (await drops()) - before;
  assert(counted >= 195, `200 were sent, ${counted} were counted`);
  assert.equal(condition(await get('pod', 'na-na-mix-0-0'), 'Ready')?.status, 'True');
});

test('a bad Zone is refused by the API server with the fields named, a Superpeer of no zone says so', {
  skip,
}, async () => {
  const zone = (spec: object) =>
    JSON.stringify({
      apiVersion: 'herd.network/v1alpha1',
      kind: 'Zone',
      metadata: { name: 'bad', namespace: 'herd' },
      spec,
    });
  const { code, stderr } = await kubectl(['apply', '-f', '-'], {
    input: zone({
      provider: 'p',
      jurisdiction: 'EU',
      regions: [{ name: 'eu' }],
      clientsPerChannel: 1000,
      profile: 'C',
    }),
  });
  assert.notEqual(code, 0);
  assert.match(stderr, /spec\.clientsPerChannel/);
  assert.match(stderr, /spec\.profile/);
  const superpeer = {
    apiVersion: 'herd.network/v1alpha1',
    kind: 'Superpeer',
    metadata: { name: 'orphan', namespace: 'herd' },
    spec: { zoneRef: 'nowhere', managed: { region: 'eu' } },
  };
  await run(kubectl, ['apply', '-f', '-'], JSON.stringify(superpeer));
  const found = await until('the superpeer has a condition', 30_000, async () =>
    condition(await get('superpeer', 'orphan'), 'ZoneFound'),
  );
  assert.equal(found.status, 'False');
  assert.match(found.message, /nowhere/);
  await run(kubectl, ['delete', 'superpeer', '-n', 'herd', 'orphan']);
});

test('kubectl delete zone leaves nothing of it', { skip }, async () => {
  await run(kubectl, ['delete', 'zone', '-n', 'herd', 'sa', '--wait=false']);
  await until('everything of zone sa is gone', 240_000, async () => {
    const kinds = 'nodeslots,pods,statefulsets,services,secrets,configmaps,poddisruptionbudgets,zones';
    const items = (await get(kinds)).items as { kind: string; metadata: { name: string } }[];
    // Its superpeer is a resource of its own and stays, as does the client.
    const left = items.filter(({ metadata: { name } }) =>
      /^sa(-sa-mix|-sa-rendezvous|-mix|-rendezvous|-superpeer|-directory|-root|$)/.test(name),
    );
    return left.length === 0 || undefined;
  });
});

test('Ctrl-C takes everything down and leaves nothing behind', { skip }, async () => {
  lab.kill('SIGINT');
  await until('the lab has ended', 60_000, async () => (lab.exitCode === null ? undefined : true));
  assert.deepEqual(describeLeftovers(await findLeftovers(runId)), []);
});
