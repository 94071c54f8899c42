/**
 * Stands between one operator and the API server: tells what was asked, and makes the operator die in the middle of it.
 * Upholds: the request at which it dies is done on the server, its answer is not read, and from then on no request of this
 * operator reaches the server, whatever its client tries.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { Agent, type Dispatcher } from 'undici';
import type { Cluster } from '../../../operator/kube/cluster.ts';

/** What RBAC is asked for by one request. */
export interface Permission {
  readonly group: string;
  /** With its subresource, if there is one: zones/status. */
  readonly resource: string;
  readonly verb: string;
  readonly namespace: string | undefined;
}

export interface Gate {
  /** The API server as this operator sees it. */
  readonly cluster: Cluster;
  /** Where the same server is behind TLS, if the gate has what proves it. */
  readonly tlsPort: number | undefined;
  /** Mutating requests that succeeded so far, as method and resource: PATCH herd.network/zones/status. */
  readonly mutations: readonly string[];
  /** Dies at the nth such request that succeeds from now on. */
  dieAt(mutation: string, nth: number): void;
  /** From now on what changes something is done but its answer is lost, the first time that it is asked. */
  loseAnswers(): void;
  readonly died: Promise<void>;
  close(): Promise<void>;
}

export interface GateOptions {
  /** Is told what each request took. */
  readonly onRequest: (permissions: Permission[]) => void;
  /** Without them it is like an older server: whoever wants to know all there is has to list. */
  readonly watchLists: boolean;
  readonly tls?: { readonly cert: string; readonly key: string };
}

export async function startGate(target: Cluster, { onRequest, watchLists, tls }: GateOptions): Promise<Gate> {
  const upstream = new Agent({ connect: { ...target.tls } });
  const death = Promise.withResolvers<void>();
  /** BOUNDED: by what one operator asks for in one test. */
  const mutations: string[] = [];
  let fatal: { mutation: string; left: number } | undefined;
  let dead = false;
  /** Requests whose answers were lost. BOUNDED: by what one operator asks for in one test. */
  let lost: Set<string> | undefined;
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch(() => response.destroy());
  };
  const servers: Server[] = [createServer(listener), ...(tls ? [createTlsServer(tls, listener)] : [])];
  const ports: number[] = [];
  for (const server of servers) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    ports.push((server.address() as { port: number }).port);
  }

  return {
    cluster: {
      server: `http://127.0.0.1:${ports[0]}`,
      tls: {},
      headers: target.headers,
    },
    tlsPort: ports[1],
    mutations,
    dieAt: (mutation, nth) => {
      fatal = { mutation, left: nth };
    },
    loseAnswers: () => {
      lost = new Set();
    },
    died: death.promise,
    async close() {
      dead = true;
      await Promise.all([...servers.map(shut), upstream.destroy()]);
    },
  };

  async function handle(request: IncomingMessage, response: ServerResponse) {
    if (!watchLists && request.url!.includes('sendInitialEvents=')) return void response.writeHead(422).end('{}');
    const answer = await forward(request, response);
    const permissions = permissionsOf(request.method!, request.url!, answer.statusCode);
    onRequest(permissions);
    if (request.method === 'GET') {
      response.writeHead(answer.statusCode, headersOf(answer)).flushHeaders();
      return pipeline(answer.body, response);
    }
    const body = await answer.body.text();
    if (answer.statusCode < 300) done(`${request.method} ${permissions[0]!.group}/${permissions[0]!.resource}`);
    if (dead || loses(`${request.method} ${request.url}`)) return response.destroy();
    response.writeHead(answer.statusCode, headersOf(answer)).end(body);
  }

  function done(mutation: string) {
    mutations.push(mutation);
    if (mutation === fatal?.mutation && --fatal.left === 0) die();
  }

  function loses(what: string): boolean {
    if (!lost || lost.has(what)) return false;
    lost.add(what);
    return true;
  }

  async function forward(request: IncomingMessage, response: ServerResponse): Promise<Dispatcher.ResponseData> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const { host, connection, 'transfer-encoding': encoding, ...headers } = request.headers;
    const body = await text(request);
    if (dead) throw new Error('the operator is dead');
    return upstream.request({
      origin: target.server,
      path: request.url!,
      method: request.method as Dispatcher.HttpMethod,
      headers,
      body: body === '' ? null : body,
      signal: gone.signal,
      bodyTimeout: 0,
    });
  }

  function die() {
    dead = true;
    for (const server of servers) server.closeAllConnections();
    death.resolve();
  }
}

/** Length and encoding are this hop's own. */
function headersOf({ headers }: Dispatcher.ResponseData) {
  const { connection, 'content-length': length, 'transfer-encoding': encoding, ...rest } = headers;
  return rest;
}

async function shut(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** @param code 201 tells of a patch that it has created, which takes the permission to create too */
export function permissionsOf(method: string, url: string, code: number): Permission[] {
  const { pathname, searchParams } = new URL(url, 'http://localhost');
  const [root, ...rest] = pathname.slice(1).split('/').map(decodeURIComponent);
  const group = root === 'api' ? '' : rest.shift()!;
  rest.shift();
  const namespace = rest[0] === 'namespaces' && rest.length > 2 ? rest.splice(0, 2)[1] : undefined;
  const [plural, name, subresource] = rest;
  const resource = subresource ? `${plural}/${subresource}` : plural!;
  const verbs = verbsOf(method, name !== undefined, searchParams.has('watch'), code);
  return verbs.map((verb) => ({ group, resource, verb, namespace }));
}

function verbsOf(method: string, named: boolean, watch: boolean, code: number): string[] {
  if (method === 'GET') return [named ? 'get' : watch ? 'watch' : 'list'];
  if (method === 'PATCH') return code === 201 ? ['create', 'patch'] : ['patch'];
  if (method === 'POST') return ['create'];
  if (method === 'PUT') return ['update'];
  return [named ? 'delete' : 'deletecollection'];
}
