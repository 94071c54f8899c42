/** A TCP proxy whose connections can be cut, as a network does: without a word at the level above. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface CuttingProxy {
  readonly port: number;
  /** @returns how many connections there were */
  cut(): number;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = connect(target, '127.0.0.1');
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        inner.destroy();
        outer.destroy();
      });
    }
    inner.pipe(outer).pipe(inner);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => {
    const connections = sockets.size / 2;
    for (const socket of sockets) socket.resetAndDestroy();
    return connections;
  };
  return {
    port: (server.address() as { port: number }).port,
    cut,
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
