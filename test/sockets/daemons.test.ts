import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Deployment } from './deployment.ts';

/** The real daemons on real sockets: calls over what fails, and without UDP. */
interface Status {
  readonly attached: boolean;
  readonly transport: 'udp' | 'tcp';
  readonly contact: string;
  readonly call: string;
}
interface Recorded {
  readonly setupMs: number;
  readonly lossRatio: number;
}

const ATTACH_MS = 60_000;
const SECONDS = 12;
/** A call is let run this long before something is killed under it. */
const UNDISTURBED_MS = 4_000;
/** Two seconds without sound, and what a busy machine loses besides. */
const LOSS_MAX = 3 / SECONDS;
/** What a busy machine loses. */
const LOSS_MAX_UNDISTURBED = 0.1;

const params = { attachmentsPerClient: 3 };

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + ATTACH_MS;
  while (!(await holds().catch(() => false))) {
    if (Date.now() > end) throw new Error(`not within ${ATTACH_MS / 1000} s: ${what}`);
    await sleep(500);
  }
}

describe('daemons on sockets', { skip: process.getuid?.() !== 0 && 'needs root for a network namespace' }, () => {
  const deployment = new Deployment();
  let contact = '';
  const status = (id: string) => deployment.control<Status>(id, 'status');
  const attached = (id: string) => until(`${id} attached`, async () => (await status(id)).attached);
  const record = (caller: string, seconds: number) => {
    const file = path.join(deployment.folder, `${caller}.wav`);
    return deployment.control<Recorded>(caller, 'call', contact, '--seconds', String(seconds), '--record', file);
  };

  before(async () => {
    const plan = { name: 'eu', mixes: 2, rendezvous: 2, superpeers: 4, channelsPerSuperpeer: 2, params };
    await deployment.start([plan], AbortSignal.timeout(120_000));
    for (const id of ['anna', 'bert']) deployment.startClient(id, deployment.zones[0]!);
    for (const id of ['anna', 'bert']) await attached(id);
    contact = (await status('bert')).contact;
    // All three attachments, and not only the first.
    await sleep(3_000);
  });
  after(() => deployment.stop());

  test('a client that UDP does not reach calls over TCP, and says so', async (context) => {
    const carl = deployment.startClient('carl', deployment.zones[0]!);
    const rules = deployment.daemons
      .filter(({ role }) => role === 'superpeer')
      .flatMap(({ port }) => [
        `add rule inet herd output udp sport ${carl.port} udp dport ${port} drop`,
        `add rule inet herd output udp sport ${port} udp dport ${carl.port} drop`,
      ]);
    deployment.output('nft', ['add table inet herd']);
    deployment.output('nft', ['add chain inet herd output { type filter hook output priority 0; }']);
    for (const rule of rules) deployment.output('nft', rule.split(' '));
    await attached('carl');
    assert.equal((await status('carl')).transport, 'tcp');
    assert.equal((await status('anna')).transport, 'udp');
    const { lossRatio: loss } = await record('carl', 3);
    context.diagnostic(`lost ${(loss * 100).toFixed(1)} %`);
    assert(loss < LOSS_MAX, `lost ${loss}`);
  });

  test('all nodes and the directory change their keys under a call, and who comes then meets the new ones', async (context) => {
    const numbers = (id: string) =>
      [...deployment.metrics(id).matchAll(/^herd_\w+_key_number\{.*\} (\d+)$/gm)].map(([, number]) => Number(number));
    const relays = deployment.daemons.filter(({ role }) => role !== 'client' && role !== 'directory');
    const listed = (keys: number) => async () => {
      const nodes = deployment.nodes('eu');
      const counts = nodes.flatMap(({ linkKeys, circuitKeys }) => [linkKeys.length, circuitKeys.length]);
      return nodes.length === relays.length && counts.every((count) => count === keys);
    };
    const before = deployment.nodes('eu');
    const recording = record('anna', 2 * SECONDS);
    await sleep(UNDISTURBED_MS);
    deployment.addKeys(2);
    await until('every node has two keys in the consensus', listed(2));
    for (const { linkKeys } of deployment.nodes('eu')) {
      const [first, second] = linkKeys;
      assert.equal(first!.from, 0);
      assert(second!.from > Date.now() + 900_000 && second!.from <= Date.now() + 1_800_000, `${second!.from}`);
    }
    for (const { id } of relays) assert.deepEqual(numbers(id), [2, 2], id);
    assert.deepEqual(numbers('eu-directory'), [1], 'its new key signs after the next epoch');
    deployment.dropKeys(1);
    await until('no node has its old key in the consensus', listed(1));
    assert.deepEqual(numbers('eu-directory'), [2], 'of its only key it makes use at once');
    const old = new Set(
      before.flatMap(({ linkKeys, circuitKeys }) => [...linkKeys, ...circuitKeys]).map(({ key }) => key),
    );
    for (const { linkKeys, circuitKeys } of deployment.nodes('eu'))
      for (const { key } of [...linkKeys, ...circuitKeys]) assert(!old.has(key), 'a new key');
    deployment.startClient('dora', deployment.zones[0]!);
    await attached('dora');
    const { lossRatio: loss } = await recording;
    context.diagnostic(`lost ${(loss * 100).toFixed(1)} %`);
    assert(loss < LOSS_MAX_UNDISTURBED, `lost ${loss}`);
  });

  for (const role of ['superpeer', 'mix', 'rendezvous'] as const) {
    test(`a call goes on when a ${role} is killed`, async (context) => {
      await attached('anna');
      await attached('bert');
      const recording = record('anna', SECONDS);
      await sleep(UNDISTURBED_MS);
      deployment.daemon(`eu-${role}-1`).child.kill('SIGKILL');
      const { lossRatio: loss } = await recording;
      context.diagnostic(`lost ${(loss * 100).toFixed(1)} %`);
      assert(loss < LOSS_MAX, `lost ${loss}`);
    });
  }
});
