/** The client's retries, against a server that fails on purpose. What a real API server does is in test/kube. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import test from 'node:test';
import { type ClientOptions, endsInitial, KubeClient } from '../../../../operator/kube/client.ts';
import { ApiError } from '../../../../operator/kube/errors.ts';
import { configMaps, pods, secrets } from '../../../../operator/kube/types.ts';

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
  options: ClientOptions & { headers?: (anew: boolean) => Record<string, string>; below?: string } = {},
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answers.shift()!(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const headers = async (anew: boolean) => options.headers?.(anew) ?? {};
  const client = new KubeClient(
    { server: `http://127.0.0.1:${port}${options.below ?? ''}`, tls: {}, headers },
    { random: () => 0, ...options },
  );
  try {
    await body(client, asked);
  } finally {
    await client.close();
    server.closeAllConnections();
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
    assert.deepEqual(asked, ['PATCH /api/v1/namespaces/n/configmaps/a?fieldManager=m&force=true']);
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
      await assert.rejects(client.apply(configMaps, map, 'm'), /may not write/);
      await client.get(configMaps, 'n', 'a');
      assert.deepEqual(asked, ['GET /api/v1/namespaces/n/configmaps/a']);
    },
    { writeMsLeft: () => undefined },
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

test('a write is fenced again when it is repeated: the leave may have ended meanwhile', () => {
  let leave = 2;
  const writeMsLeft = () => (leave-- > 0 ? 60_000 : undefined);
  return against(
    [status(500), status(500)],
    async (client, asked) => {
      await assert.rejects(client.apply(configMaps, map, 'm'), /may not write/);
      assert.equal(asked.length, 2);
    },
    { writeMsLeft },
  );
});

test('a write is waited for no longer than the leave lasts, and the server is told so', () =>
  against(
    [() => {}],
    async (client, asked) => {
      const started = performance.now();
      await assert.rejects(client.create(configMaps, map), { name: 'TimeoutError' });
      assert.ok(performance.now() - started < 2_000);
      assert.deepEqual(asked, ['POST /api/v1/namespaces/n/configmaps?timeout=100ms']);
    },
    { writeMsLeft: () => 100.7 },
  ));

test('an answer that was read after the leave had ended is not believed', () =>
  against(
    [
      (_, response) => {
        response.writeHead(201).end(JSON.stringify(map));
        // What a stopped process sees: the answer is there, and so late that the timer is due too.
        setImmediate(() => {
          const until = performance.now() + 300;
          while (performance.now() < until);
        });
      },
    ],
    (client) => assert.rejects(client.create(configMaps, map), /leave to write ended|aborted due to timeout/),
    { writeMsLeft: () => 200 },
  ));

test('a credential that is refused is read again, once, and the request repeated', () => {
  const readAnew: boolean[] = [];
  const seen: (string | undefined)[] = [];
  const wants =
    (token: string): Answer =>
    (request, response) => {
      seen.push(request.headers.authorization);
      const known = request.headers.authorization === token;
      (known ? ok(map) : status(401))(request, response);
    };
  const headers = (anew: boolean) => {
    readAnew.push(anew);
    return { authorization: anew ? 'new' : 'old' };
  };
  return against(
    [wants('new'), wants('new'), wants('newer'), wants('newer')],
    async (client) => {
      assert.deepEqual(await client.create(configMaps, map), map);
      assert.deepEqual(
        [readAnew, seen],
        [
          [false, true],
          ['old', 'new'],
        ],
      );
      await assert.rejects(client.get(configMaps, 'n', 'a'), (e) => e instanceof ApiError && e.code === 401);
      assert.equal(seen.length, 4);
    },
    { headers },
  );
});

test('an answer that does not end is given up', () =>
  against(
    [
      (_, response) => void response.writeHead(200).write('{'),
      (_, response) => void response.writeHead(200).write('{'),
    ],
    async (client, asked) => {
      await assert.rejects(client.create(configMaps, map), /no whole answer within 200 ms/);
      assert.equal(asked.length, 1);
    },
    { requestMsMax: 200 },
  ));

test('conflicts are won only for what is ours', () =>
  against([ok(map), ok(map), ok(map)], async (client, asked) => {
    await client.apply(pods, map, 'm', 'yield');
    await client.applyStatus(pods, map, 'm', 'yield');
    await client.applyStatus(pods, map, 'm');
    assert.deepEqual(asked, [
      'PATCH /api/v1/namespaces/n/pods/a?fieldManager=m&force=false',
      'PATCH /api/v1/namespaces/n/pods/a/status?fieldManager=m&force=false',
      'PATCH /api/v1/namespaces/n/pods/a/status?fieldManager=m&force=true',
    ]);
  }));

test('a watch from no version asks for all there is first, and knows its end', () =>
  against(
    [
      (_, response) => {
        const end = { 'k8s.io/initial-events-end': 'true' };
        const bookmark = (annotations: object) =>
          `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { annotations } } })}\n`;
        response.writeHead(200).end(bookmark({}) + bookmark(end));
      },
    ],
    async (client, asked) => {
      const signal = new AbortController().signal;
      const from = { resourceVersion: undefined, timeoutSeconds: 300, silenceMsMax: 5_000, signal };
      const ends: boolean[] = [];
      for await (const event of client.watch(configMaps, {}, from)) ends.push(endsInitial(event));
      assert.deepEqual(ends, [false, true]);
      assert.deepEqual(asked, [
        'GET /api/v1/configmaps?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=300',
      ]);
    },
  ));

test('a server may be below a path, with or without a slash at its end', async () => {
  for (const below of ['/clusters/a', '/clusters/a/']) {
    const body = async (client: KubeClient, asked: string[]) => {
      await client.get(configMaps, 'n', 'a');
      assert.deepEqual(asked, ['GET /clusters/a/api/v1/namespaces/n/configmaps/a']);
    };
    await against([ok(map)], body, { below });
  }
});

test('what is no object is read as it came, with the date of whoever answered, and asked for once', async () => {
  const answer: Answer = (_, response) =>
    response.writeHead(200, { date: 'Thu, 01 Jan 2026 00:00:05 GMT' }).end('a 1\n');
  await against([answer], async (client) => {
    assert.deepEqual(await client.read('/x'), { text: 'a 1\n', dateMs: Date.parse('2026-01-01T00:00:05Z') });
  });
  await against([status(503)], async (client, asked) => {
    await assert.rejects(client.read('/x'), new ApiError(503, 'Test', 'says 503'));
    assert.equal(asked.length, 1);
  });
});

test('an answer that does not end is given up', () =>
  against([(_, response) => void response.writeHead(200).end(Buffer.alloc((8 << 20) + 1))], (client) =>
    assert.rejects(client.read('/x'), /longer than 8388608 bytes/),
  ));

test('a trial says so to the server', () =>
  against([ok(map)], async (client, asked) => {
    await client.dryRun(configMaps, map, 'm');
    assert.match(asked[0]!, /fieldManager=m&force=true&dryRun=All$/);
  }));

test('who asks is who the options say', () =>
  against(
    [
      (request, response) => {
        response.writeHead(200).end(JSON.stringify({ agent: request.headers['user-agent'] }));
      },
    ],
    async (client) => {
      assert.deepEqual(await client.get(configMaps, 'n', 'a'), { agent: 'somebody' });
    },
    { userAgent: 'somebody' },
  ));
