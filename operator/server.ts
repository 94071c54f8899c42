/** /healthz, /readyz and /metrics over plain HTTP. */
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';

export interface Health {
  /** Before the caches are filled, and while the process shuts down, no. A standby is ready. */
  ready(): boolean;
  registry: Registry;
}

export function serveHealth({ ready, registry }: Health): Server {
  return createServer(async (request, response) => {
    const say = (code: number, body: string, type = 'text/plain') =>
      response.writeHead(code, { 'content-type': type }).end(body);
    // Alive is who can answer: the watches have their own watchdogs, and an unreachable API server is no reason to restart.
    if (request.url === '/healthz') return say(200, 'ok\n');
    if (request.url === '/readyz') return ready() ? say(200, 'ok\n') : say(503, 'not ready\n');
    if (request.url === '/metrics') return say(200, await registry.metrics(), registry.contentType);
    return say(404, 'not found\n');
  });
}
