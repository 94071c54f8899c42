import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** The little HTTP that daemons speak: a table of routes, bounded bodies, no surprises for who is not expected. */
export type Handler = (request: IncomingMessage, response: ServerResponse, parts: string[]) => Promise<void> | void;

export interface Route {
  readonly method: 'GET' | 'POST';
  /** Path segments; one that starts with `:` matches anything and is handed on in `parts`, in order. */
  readonly path: string;
  readonly handler: Handler;
}

export function serveHttp(port: number, address: string, routes: readonly Route[]): Promise<Server> {
  const server = createServer((request, response) => {
    void dispatch(routes, request, response).catch(() => {
      if (!response.headersSent) reply(response, 500, { error: 'internal error' });
      else response.destroy();
    });
  });
  server.requestTimeout = 10_000;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve(server));
  });
}

async function dispatch(routes: readonly Route[], request: IncomingMessage, response: ServerResponse): Promise<void> {
  const segments = (request.url ?? '/').split('?')[0]!.split('/');
  for (const route of routes) {
    const wanted = route.path.split('/');
    if (route.method !== request.method || wanted.length !== segments.length) continue;
    if (!wanted.every((segment, index) => segment.startsWith(':') || segment === segments[index])) continue;
    return route.handler(
      request,
      response,
      segments.filter((_segment, index) => wanted[index]!.startsWith(':')),
    );
  }
  reply(response, 404, { error: 'no such path' });
}

export function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** The body as JSON; undefined if it is larger than `limit` bytes or no JSON. */
export async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}
