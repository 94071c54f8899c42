import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Daemon, Deployment } from './deployment.ts';

/** The real daemons are told to end, and the directory is told of another roster, under calls that do not notice. */
interface Recorded {
  readonly frames: { readonly expected: number; readonly received: number };
}

const READY_MS = 60_000;
/** A superpeer and a mix miss a client only 10 s after it has left, and it leaves within 10 s of the news. */
const SECONDS = 36;
const UNDISTURBED_MS = 4_000;
const GRACE_MS = 45_000;
const FRAMES_LOST_MAX = 3;
/**
 * On a machine that is late everybody loses frames, drained or not: on two processors with a load of 15, one for every 24
 * to 55 late slots of all daemons together. Where there are none the test is strict.
 */
const LATE_SLOTS_PER_FRAME = 20;
const PLACES = 'herd_node_places_taken';
const LATE_SLOTS = 'herd_node_late_slots_total';

async function until(what: string, limitMs: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + limitMs;
  for (;;) {
    // What does not answer yet does not hold yet.
    const held = await Promise.resolve()
      .then(holds)
      .catch(() => false);
    if (held) return;
    if (Date.now() > end) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await sleep(250);
  }
}

describe('draining daemons', { skip: process.getuid?.() !== 0 && 'needs root for a network namespace' }, () => {
  const deployment = new Deployment();
  const params = { attachmentsPerClient: 3 };
  let contact = '';

  before(async () => {
    const plan = { name: 'eu', mixes: 2, rendezvous: 2, superpeers: 4, channelsPerSuperpeer: 2, params };
    await deployment.start([plan], AbortSignal.timeout(120_000));
    for (const id of ['anna', 'bert']) {
      deployment.startClient(id, deployment.zones[0]!);
      const status = () => deployment.control<{ attached: boolean; contact: string }>(id, 'status');
      await until(`${id} attached`, READY_MS, async () => (await status()).attached);
      contact = (await status()).contact;
    }
    await sleep(3_000);
  });
  after(() => deployment.stop());

  /** The one of that role that lives and has the most of the two clients. */
  const busiest = (role: Daemon['role']): Daemon => {
    const places = (daemon: Daemon) => deployment.metric(daemon, PLACES);
    const alive = deployment.daemons.filter((daemon) => daemon.role === role && daemon.child.exitCode === null);
    return alive.sort((a, b) => places(b) - places(a))[0]!;
  };

  /** Slots that daemons which are still there have sent late since the start. */
  const lateSlots = () => {
    const ticking = deployment.daemons.filter(({ role, child }) => role !== 'directory' && child.exitCode === null);
    return ticking.reduce((sum, daemon) => sum + deployment.metric(daemon, LATE_SLOTS), 0);
  };

  test('another superpeer is in the view, and serves, without a restart of the directory', async () => {
    const [zone] = deployment.zones;
    const directory = deployment.daemon('eu-directory');
    let zones: unknown;
    deployment.configure('eu', (config) => {
      zones = config.zones;
      Object.assign(config, { zones: 'none' });
    });
    await until('the directory says that it cannot take it', 5_000, () =>
      /not taken/.test(deployment.log('eu-directory')),
    );
    assert.equal(deployment.view(zone!).peers.length, 0, 'it serves what it had');
    deployment.configure('eu', (config) => Object.assign(config, { zones }));
    deployment.addSuperpeer('eu-superpeer-5', zone!);
    const listed = () => JSON.parse(deployment.view(zone!).own.consensus) as { channels: { superpeer: string }[] };
    const serves = () => listed().channels.some(({ superpeer }) => superpeer === 'eu-superpeer-5');
    await until('eu-superpeer-5 has a channel', READY_MS, serves);
    assert.equal(directory.child.exitCode, null);
  });

  test('the verdict of a mix on a superpeer that lies is in the report that the operator reads, and the superpeer in no consensus', async () => {
    const [zone] = deployment.zones;
    deployment.addSuperpeer('eu-superpeer-6', zone!, 'liar.ts');
    const found = () => deployment.report(zone!).get('eu-superpeer-6');
    await until('eu-superpeer-6 is expelled', READY_MS, () => found()?.expelled !== undefined);
    assert.equal(found()?.expelled, 'sum');
    assert.equal(
      deployment.nodes('eu').some(({ id }) => id === 'eu-superpeer-6'),
      false,
    );
    const others = [...deployment.report(zone!)].filter(([id]) => id !== 'eu-superpeer-6');
    assert(others.length > 8 && others.every(([, { expelled, registered }]) => registered && expelled === undefined));
    assert.match(deployment.log('eu-directory'), /a mix has expelled a superpeer/);
  });

  for (const role of ['mix', 'superpeer', 'rendezvous'] as const) {
    test(`a ${role} that gets SIGTERM ends by itself when it is empty, and a call over it goes on`, async (context) => {
      const idle = async () => (await deployment.control<{ call: string }>('anna', 'status')).call === 'idle';
      await until('the call before is over', 5_000, idle);
      const file = path.join(deployment.folder, `${role}.wav`);
      const words = ['call', contact, '--seconds', String(SECONDS), '--record', file];
      const recording = deployment.control<Recorded>('anna', ...words);
      await sleep(UNDISTURBED_MS);
      const daemon = busiest(role);
      assert(deployment.metric(daemon, PLACES) > 0);
      const lateBefore = lateSlots() - deployment.metric(daemon, LATE_SLOTS);
      const since = Date.now();
      const exit = once(daemon.child, 'exit', { signal: AbortSignal.timeout(GRACE_MS) });
      daemon.child.kill('SIGTERM');
      const report = () => deployment.report(deployment.zones[0]!).get(daemon.id)!;
      await until('the directory knows', 5_000, () => report().draining && report().empty === false);
      assert.deepEqual(await exit, [0, null]);
      const seconds = (Date.now() - since) / 1000;
      assert(seconds * 1000 < GRACE_MS - 5_000, `it ended after ${seconds} s, because its time was over`);
      const { frames } = await recording;
      const lost = frames.expected - frames.received;
      const late = lateSlots() - lateBefore;
      context.diagnostic(`ended after ${seconds.toFixed(1)} s, ${lost} of ${frames.expected} lost, ${late} slots late`);
      assert(lost <= FRAMES_LOST_MAX + late / LATE_SLOTS_PER_FRAME, `${lost} frames lost, ${late} slots late`);
    });
  }

  test('a second SIGTERM ends a node at once', async () => {
    const daemon = busiest('mix');
    assert(deployment.metric(daemon, PLACES) > 0);
    daemon.child.kill('SIGTERM');
    await until('it drains', 5_000, () => /draining/.test(deployment.log(daemon.id)));
    const exit = once(daemon.child, 'exit', { signal: AbortSignal.timeout(2_000) });
    daemon.child.kill('SIGTERM');
    assert.deepEqual(await exit, [0, null]);
  });
});
