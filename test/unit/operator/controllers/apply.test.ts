import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Applier } from '../../../../operator/controllers/apply.ts';
import type { Caches } from '../../../../operator/controllers/caches.ts';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { type CustomResource, keyOf, type Manifest, zones } from '../../../../operator/kube/types.ts';
import { homeLabel } from '../../../../operator/objects/labels.ts';

/** Only its statuses: a write is done on the server whether or not its answer comes. */
class Server {
  readonly writes: unknown[] = [];
  version = 5;
  answers = true;

  readonly applyStatus = async (_: unknown, { status }: Manifest & { status?: unknown }) => {
    this.writes.push(status);
    this.version++;
    if (!this.answers) throw new Error('the connection was cut');
    return { metadata: { resourceVersion: String(this.version) } };
  };
}

const shown = (resourceVersion: number, status: object) =>
  ({
    metadata: { name: 'eu', namespace: 'herd', uid: 'u', resourceVersion: String(resourceVersion) },
    status,
  }) as unknown as CustomResource;
const up = { state: 'up' };
const down = { state: 'down' };

suite('a status is written', () => {
  const start = () => {
    const server = new Server();
    return { server, applier: new Applier(server as unknown as KubeClient, {} as Caches, 'test') };
  };

  test('not when the cache shows the same', async () => {
    const { server, applier } = start();
    await applier.applyStatus(zones, shown(5, up), up);
    assert.deepEqual(server.writes, []);
  });

  test('when the cache shows the same, but from before our last write', async () => {
    const { server, applier } = start();
    await applier.applyStatus(zones, shown(5, up), down);
    await applier.applyStatus(zones, shown(5, up), up);
    await applier.applyStatus(zones, shown(7, up), up);
    assert.deepEqual(server.writes, [down, up]);
  });

  test('when nobody knows whether our last write was done', async () => {
    const { server, applier } = start();
    server.answers = false;
    await assert.rejects(applier.applyStatus(zones, shown(5, up), down));
    server.answers = true;
    await applier.applyStatus(zones, shown(5, up), up);
    assert.deepEqual(server.writes, [down, up]);
  });
});

test('a status that can wait is written when it has lasted, and what goes on so much later; news at once', async (t) => {
  let nowMs = 1_000;
  t.mock.method(performance, 'now', () => nowMs);
  const server = new Server();
  const applier = new Applier(server as unknown as KubeClient, {} as Caches, 'test');
  let seen = shown(5, down);
  const tell = async (status: object, isPassing: boolean) => {
    const written = server.writes.length;
    const waitMs = await applier.applyStatus(zones, seen, status, isPassing);
    if (server.writes.length > written) seen = shown(server.version, status);
    return [server.writes.length > written, waitMs];
  };
  assert.deepEqual(await tell({ state: 'a' }, true), [false, 5_000]);
  nowMs += 4_000;
  assert.deepEqual(await tell({ state: 'b' }, true), [false, 1_000], 'it waits since it first had something to say');
  nowMs += 1_000;
  assert.deepEqual(await tell({ state: 'b' }, true), [true, undefined]);
  assert.deepEqual(await tell({ state: 'c' }, true), [false, 15_000]);
  assert.deepEqual(await tell(up, false), [true, undefined], 'news');
  nowMs += 60_000;
  assert.deepEqual(await tell({ state: 'd' }, true), [false, 5_000]);
  nowMs += 4_000;
  assert.deepEqual(await tell(up, true), [false, undefined], 'it has become again what was told');
  nowMs += 4_000;
  assert.deepEqual(await tell({ state: 'e' }, true), [false, 5_000]);
});

suite('a slot in another cluster is applied', () => {
  const wanted = (home?: string): Manifest & { spec: object } => ({
    apiVersion: 'herd.network/v1alpha1',
    kind: 'NodeSlot',
    metadata: { name: 'eu-west-mix-0', namespace: 'herd', ...(home ? { labels: { [homeLabel]: home } } : {}) },
    spec: { role: 'mix' },
  });
  /** What is there, and how it is written. */
  const start = (...there: Manifest[]) => {
    const applied: unknown[] = [];
    const client = {
      apply: async (_: unknown, { metadata }: Manifest, manager: string, conflicts: string) =>
        applied.push([metadata.uid, manager, conflicts]),
    };
    const slots = new Map(there.map((one) => [keyOf(one), { ...one, metadata: { ...one.metadata, uid: 'u' } }]));
    const caches = { slots } as unknown as Caches;
    return { applied, applier: new Applier(client as unknown as KubeClient, caches, 'zone-a', 'yield') };
  };

  test('and yields to whoever made one that was not seen', async () => {
    const { applied, applier } = start();
    await applier.apply('a', [wanted('a')]);
    assert.deepEqual(applied, [[undefined, 'herd-zone-a', 'yield']]);
  });

  test('as the one that was seen, over what others changed in it, and once', async () => {
    const { applied, applier } = start(wanted('a'));
    await applier.apply('a', [wanted('a')]);
    await applier.apply('a', [wanted('a')]);
    assert.deepEqual(applied, [['u', 'herd-zone-a', 'win']]);
  });

  test('never when it is a Zone’s of another cluster, or of that one', async () => {
    for (const home of ['b', undefined]) {
      const { applied, applier } = start(wanted(home));
      await assert.rejects(applier.apply('a', [wanted('a')]), /NodeSlot\/eu-west-mix-0 belongs to/);
      assert.deepEqual(applied, []);
    }
    await assert.rejects(start(wanted('b')).applier.apply('a', [wanted()]), /belongs to a Zone elsewhere/);
  });
});
