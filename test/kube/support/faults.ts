/**
 * Stands in for an API server, with its own certificate, and does to requests what networks, proxies and overloaded
 * servers do. What it does not touch goes to the server and back as it is.
 */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, request as askServer, createServer } from 'node:https';
import type { Duplex } from 'node:stream';

export type Fault =
  /** The server is not asked; this is the answer. */
  | { kind: 'answer'; code: number; headers?: Record<string, string>; body?: object }
  /** A watch of this one event, which then ends. */
  | { kind: 'event'; event: object }
  /** The connection is reset after so many bytes of the server's answer. */
  | { kind: 'cut'; bytes: number }
  /** After so many bytes of the server's answer nothing comes any more, not even an end. */
  | { kind: 'hang'; bytes: number }
  /** The server's answer comes in pieces. */
  | { kind: 'slow'; bytes: number; everyMs: number }
  /** The server is asked for pages of so many. */
  | { kind: 'pages'; size: number }
  /** The server did what was asked, and its answer is lost. */
  | { kind: 'lose' };

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly token: string;
}

export interface FaultyServer {
  readonly port: number;
  /** All requests, in the order in which they came. */
  readonly asked: Asked[];
  /** What happens to a request; undefined: nothing. */
  fault: (asked: Asked) => Fault | undefined;
  /** Ends every connection, with no word at the level above. */
  cut(): void;
  close(): Promise<void>;
}

export interface ServerBehind {
  readonly port: number;
  readonly tls: { readonly cert: string; readonly key: string };
}

export async function startFaultyServer({ port, tls }: ServerBehind): Promise<FaultyServer> {
  const agent = new Agent({ keepAlive: true, ca: tls.cert });
  const sockets = new Set<Duplex>();
  const server = createServer(tls, (request, response) => {
    const url = new URL(request.url!, 'https://server');
    const asked = { method: request.method!, url, token: request.headers.authorization ?? '' };
    faulty.asked.push(asked);
    const fault = faulty.fault(asked);
    if (fault?.kind === 'answer') return answer(response, fault.code, fault.headers ?? {}, fault.body ?? {});
    if (fault?.kind === 'event') return void response.writeHead(200).end(`${JSON.stringify(fault.event)}\n`);
    const { method, headers } = request;
    const path = fault?.kind === 'pages' ? limited(url, fault.size) : request.url!;
    const behind = askServer({ agent, host: '127.0.0.1', port, method: method!, path, headers });
    behind.on('response', (from) => void forward(from, response, fault));
    behind.on('error', () => response.destroy());
    response.on('close', () => behind.destroy());
    request.pipe(behind);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const faulty: FaultyServer = {
    port: (server.address() as { port: number }).port,
    asked: [],
    fault: () => undefined,
    cut,
    async close() {
      cut();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return faulty;
}

function limited(url: URL, size: number): string {
  url.searchParams.set('limit', `${size}`);
  return url.pathname + url.search;
}

function answer(response: ServerResponse, code: number, headers: Record<string, string>, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

async function forward(from: IncomingMessage, to: ServerResponse, fault: Fault | undefined): Promise<void> {
  try {
    // The length is not ours to promise.
    const { 'content-length': _, ...headers } = from.headers;
    if (fault?.kind !== 'lose') to.writeHead(from.statusCode!, headers).flushHeaders();
    let sent = 0;
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (fault?.kind === 'cut' || fault?.kind === 'hang') {
        to.write(chunk.subarray(0, Math.max(0, fault.bytes - sent)));
        sent += chunk.length;
        if (sent < fault.bytes) continue;
        if (fault.kind === 'cut') return void to.destroy();
        return;
      }
      if (fault?.kind === 'slow') {
        for (let i = 0; i < chunk.length && !to.destroyed; i += fault.bytes) {
          to.write(chunk.subarray(i, i + fault.bytes));
          await new Promise((resolve) => setTimeout(resolve, fault.everyMs));
        }
      } else if (fault?.kind !== 'lose') to.write(chunk);
    }
    if (fault?.kind === 'lose') to.destroy();
    else if (fault?.kind !== 'hang') to.end();
  } catch {
    to.destroy();
  }
}
