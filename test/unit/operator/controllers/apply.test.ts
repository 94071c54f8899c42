import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { Applier } from '../../../../operator/controllers/apply.ts';
import type { Caches } from '../../../../operator/controllers/caches.ts';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { type CustomResource, type Manifest, zones } from '../../../../operator/kube/types.ts';

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
