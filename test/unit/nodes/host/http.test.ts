import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { type Route, readJson, reply, serveHttp } from '../../../../nodes/host/http.ts';

const LIMIT = 64;
const ROUTES: Route[] = [
  { method: 'GET', path: '/v1/zones/:zone/view', handler: (_request, response, parts) => reply(response, 200, parts) },
  { method: 'GET', path: '/fails', handler: () => Promise.reject(new Error('a secret of the inside')) },
  {
    method: 'GET',
    path: '/fails-late',
    handler: (_request, response) => {
      response.writeHead(200).write('half');
      return Promise.reject(new Error('late'));
    },
  },
];

async function serving(routes: Route[], use: (url: string) => Promise<void>): Promise<void> {
  const server: Server = await serveHttp(0, '127.0.0.1', routes);
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}

test('hands the parts of the path that a route leaves open to its handler, and no query', () =>
  serving(ROUTES, async (url) => {
    const response = await fetch(`${url}/v1/zones/eu/view?x=1`);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.deepEqual(await response.json(), ['eu']);
  }));

test('knows no other path and no other method', () =>
  serving(ROUTES, async (url) => {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/v1/zones/eu'],
      ['GET', '/v1/zones/eu/view/'],
      ['GET', '//v1/zones/eu/view'],
      ['POST', '/v1/zones/eu/view'],
      ['DELETE', '/v1/zones/eu/view'],
    ]) {
      const response = await fetch(`${url}${path}`, { method });
      assert.equal(response.status, 404, `${method} ${path}`);
    }
  }));

test('an error of a handler is a 500 that says nothing about it, and the server goes on', () =>
  serving(ROUTES, async (url) => {
    const response = await fetch(`${url}/fails`);
    assert.equal(response.status, 500);
    assert.deepEqual(await response.json(), { error: 'internal error' });
    await assert.rejects(fetch(`${url}/fails-late`).then((half) => half.text()));
    assert.equal((await fetch(`${url}/v1/zones/eu/view`)).status, 200);
  }));

test('a port that is taken is an error of the start', () =>
  serving([], async (url) => {
    await assert.rejects(serveHttp(Number(new URL(url).port), '127.0.0.1', []), { code: 'EADDRINUSE' });
  }));

/** What readJson makes of each body that is sent. */
async function bodies(send: (url: string) => Promise<void>): Promise<unknown[]> {
  const seen: unknown[] = [];
  const route: Route = {
    method: 'POST',
    path: '/',
    handler: async (request, response) => {
      seen.push(await readJson(request, LIMIT));
      reply(response, 200, {});
    },
  };
  await serving([route], send);
  return seen;
}

const post = (url: string, body: string) => fetch(url, { method: 'POST', body });

test('reads a body as JSON, up to the limit and not a byte beyond it', async () => {
  const fits = JSON.stringify('x'.repeat(LIMIT - 2));
  const seen = await bodies(async (url) => {
    for (const body of ['{"a":[1]}', fits]) await post(url, body);
    await post(url, JSON.stringify('x'.repeat(LIMIT - 1))).catch(() => {});
  });
  assert.deepEqual(seen, [{ a: [1] }, JSON.parse(fits), undefined]);
});

test('what is no JSON is undefined', async () => {
  const seen = await bodies(async (url) => {
    for (const body of ['', '{', 'nothing', '\xff']) await post(url, body);
  });
  assert.deepEqual(seen, [undefined, undefined, undefined, undefined]);
});

test('takes no more of an endless body than the limit, whatever length it claims', async () => {
  let sent = 0;
  const seen = await bodies(async (url) => {
    const outgoing = httpRequest(url, { method: 'POST' });
    const over = new Promise<void>((resolve) => {
      outgoing.on('error', () => resolve());
      outgoing.on('response', (response) => response.resume().on('close', resolve));
    });
    const timer = setInterval(() => {
      sent += 1;
      outgoing.write(Buffer.alloc(LIMIT / 4, 0x20));
    }, 5);
    await over;
    clearInterval(timer);
    outgoing.destroy();
  });
  assert.deepEqual(seen, [undefined]);
  assert(sent >= 4, 'it was sent in parts');
});
