/** The client's retries, against a server that fails on purpose. What a real API server does is in test/kube. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import test from 'node:test';
import { KubeClient } from '../../../../operator/kube/client.ts';
import { ApiError } from '../../../../operator/kube/errors.ts';
import { configMaps, secrets } from '../../../../operator/kube/types.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end(JSON.stringify({ code, reason: 'Test', message: `says ${code}` }));
const ok =
  (body: object): Answer =>
  (_, response) =>
    response.writeHead(200).end(JSON.stringify(body));

async function against(
  answers: Answer[],
  body: (client: KubeClient, asked: string[]) => Promise<void>,
  writeMsLeft = () => 60_000,
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answers.shift()!(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const cluster = { server: `http://127.0.0.1:${port}`, tls: {}, headers: async () => ({}) };
  const client = new KubeClient(cluster, { random: () => 0, writeMsLeft });
  try {
    await body(client, asked);
  } finally {
    await client.close();
    server.close();
  }
}
const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'n' } };

test('a request that was refused for load is sent again after what Retry-After asks', () =>
  against([status(429, { 'retry-after': '1' }), ok(map)], async (client, asked) => {
    const started = performance.now();
    await client.create(secrets, map);
    assert.ok(performance.now() - started >= 1000);
    assert.equal(asked.length, 2);
  }));

test('a read is repeated after a server error, a create is not: it may have been done', async () => {
  await against([status(500), (r) => r.socket.destroy(), ok(map)], async (client, asked) => {
    assert.deepEqual(await client.get(configMaps, 'n', 'a'), map);
    assert.equal(asked.length, 3);
  });
  await against([status(500)], (client) =>
    assert.rejects(client.create(secrets, map), new ApiError(500, 'Test', 'says 500')),
  );
});

test('an error that would come again is thrown at once, typed', () =>
  against([status(422)], async (client, asked) => {
    await assert.rejects(
      client.apply(configMaps, map, 'm'),
      (e) => e instanceof ApiError && e.code === 422 && e.reason === 'Test',
    );
    assert.deepEqual(asked, ['PATCH /api/v1/namespaces/n/configmaps/a?fieldManager=m&force=true&timeout=10000ms']);
  }));

test('a list is read to its last page', () =>
  against(
    [
      ok({ metadata: { resourceVersion: '5', continue: 'next' }, items: [{ n: 1 }] }),
      ok({ metadata: { resourceVersion: '5' }, items: [{ n: 2 }] }),
    ],
    async (client, asked) => {
      const list = await client.list(configMaps, { labelSelector: 'a=b' });
      assert.deepEqual(list, { items: [{ n: 1 }, { n: 2 }], resourceVersion: '5' });
      assert.equal(asked[1], 'GET /api/v1/configmaps?limit=500&labelSelector=a%3Db&continue=next');
    },
  ));

test('absent is undefined for get and success for delete', () =>
  against([status(404), status(404)], async (client) => {
    assert.equal(await client.get(configMaps, 'n', 'a'), undefined);
    await client.delete(configMaps, 'n', 'a');
  }));

test('a write that may not be is not sent, a read is', () =>
  against(
    [ok(map)],
    async (client, asked) => {
      await assert.rejects(client.apply(configMaps, map, 'm'), /not the leader/);
      await client.get(configMaps, 'n', 'a');
      assert.deepEqual(asked, ['GET /api/v1/namespaces/n/configmaps/a']);
    },
    () => {
      throw new Error('not the leader');
    },
  ));

test('a watch yields whole events however the bytes are cut, and throws an ERROR event with its code', () =>
  against(
    [
      async (_, response) => {
        response.writeHead(200);
        const bytes = Buffer.from(
          `${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'é' } } })}\n` +
            `${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired', message: 'too old' } })}\n`,
        );
        for (const byte of bytes) {
          response.write(Buffer.of(byte));
          await new Promise((resolve) => setImmediate(resolve));
        }
        response.end();
      },
    ],
    async (client) => {
      const from = {
        resourceVersion: '1',
        timeoutSeconds: 300,
        silenceMsMax: 5_000,
        signal: new AbortController().signal,
      };
      const names: string[] = [];
      await assert.rejects(
        async () => {
          for await (const event of client.watch(configMaps, {}, from)) names.push(event.object.metadata.name);
        },
        (e) => e instanceof ApiError && e.code === 410,
      );
      assert.deepEqual(names, ['é']);
    },
  ));

test('a watch on which no byte comes is given up', () =>
  against([(_, response) => void response.writeHead(200).flushHeaders()], async (client) => {
    const from = { resourceVersion: '1', timeoutSeconds: 300, silenceMsMax: 50, signal: new AbortController().signal };
    await assert.rejects(client.watch(configMaps, {}, from).next(), /silent for 50 ms/);
  }));
