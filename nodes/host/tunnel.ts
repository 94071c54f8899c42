import dgram from 'node:dgram';
import net from 'node:net';
import { type Endpoint, endpointAddress, endpointPort, parseEndpoint } from '../core/units.ts';
import { DATAGRAM_BYTES_MAX } from '../wire/constants.ts';
import type { DatagramIo } from './udp.ts';

/**
 * Datagrams over TCP, for clients whose network lets no UDP through (network.md 6, case 23): each datagram as a length
 * of 2 bytes and its bytes. The machines know nothing of it. A lost segment holds up all that follow, so calls over it
 * sound worse, and the client says so.
 *
 * Only the link layer's datagrams travel here, which need no protection of their own; the same constant rate as over
 * UDP, since nothing is sent but what a tick has sent.
 */
const LENGTH_BYTES = 2;
const LOOPBACK = '127.0.0.1';
const CONNECT_MS = 5_000;
/** A tunnel without a datagram for this long is a client that has gone. */
const IDLE_MS = 30_000;
/** BOUNDED: bytes that wait for a congested peer; a second of a client's rate. Beyond it datagrams are lost, as they would be on a full path. */
const BACKLOG_BYTES_MAX = 32_768;

/** Cuts a stream of bytes into datagrams; false from the first length that no datagram has. */
export class Unframer {
  #rest = Buffer.alloc(0);

  /** BOUNDED: keeps less than one datagram. */
  push(bytes: Buffer, take: (datagram: Buffer) => void): boolean {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (rest.length >= LENGTH_BYTES) {
      const length = rest.readUInt16BE(0);
      if (length === 0 || length > DATAGRAM_BYTES_MAX) return false;
      if (rest.length < LENGTH_BYTES + length) break;
      take(rest.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      rest = rest.subarray(LENGTH_BYTES + length);
    }
    this.#rest = Buffer.from(rest);
    return true;
  }
}

/** Joins a TCP connection and a UDP socket that is connected to `port` on this machine, until either ends. */
function join(stream: net.Socket, port: number): void {
  const socket = dgram.createSocket('udp4');
  const unframer = new Unframer();
  const end = () => {
    stream.destroy();
    socket.removeAllListeners('message');
    try {
      socket.close();
    } catch {
      // It was closed already: both sides end together.
    }
  };
  stream.setNoDelay(true);
  stream.setTimeout(IDLE_MS, end);
  stream.once('error', end);
  stream.once('close', end);
  socket.once('error', end);
  socket.bind(0, LOOPBACK, () => {
    socket.connect(port, LOOPBACK, () => {
      socket.on('message', (datagram) => write(stream, datagram));
      stream.on('data', (bytes: Buffer) => {
        if (!unframer.push(bytes, (datagram) => socket.send(Buffer.from(datagram)))) end();
      });
    });
  });
}

function write(stream: net.Socket, datagram: Buffer): void {
  if (stream.writableLength > BACKLOG_BYTES_MAX || datagram.length > DATAGRAM_BYTES_MAX) return;
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(datagram.length);
  stream.write(Buffer.concat([length, datagram]));
}

/** Takes tunnels on the TCP port of the same number as the plane's UDP port. BOUNDED: `tunnelsMax` at once. */
export function serveTunnels(port: number, tunnelsMax: number): Promise<net.Server> {
  const server = net.createServer((stream) => join(stream, port));
  server.maxConnections = tunnelsMax;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '0.0.0.0', () => resolve(server));
  });
}

export interface Tunnel {
  /** Where to send what is meant for the other end. */
  readonly local: Endpoint;
  readonly close: () => void;
}

/** Opens a tunnel to a superpeer for the plane that listens on `planePort`; undefined when it cannot be had. */
export async function openTunnel(to: Endpoint, planePort: number, closed: () => void): Promise<Tunnel | undefined> {
  const stream = net.connect({ host: endpointAddress(to), port: endpointPort(to) });
  const socket = dgram.createSocket('udp4');
  const unframer = new Unframer();
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    stream.destroy();
    socket.close();
    closed();
  };
  const connected = new Promise<boolean>((resolve) => {
    stream.setTimeout(CONNECT_MS, () => resolve(false));
    stream.once('connect', () => resolve(true));
    stream.once('error', () => resolve(false));
  });
  const bound = new Promise<boolean>((resolve) => {
    socket.once('error', () => resolve(false));
    socket.bind(0, LOOPBACK, () => resolve(true));
  });
  if (!(await connected) || !(await bound)) {
    open = false;
    stream.destroy();
    socket.close();
    return undefined;
  }
  stream.setNoDelay(true);
  stream.setTimeout(IDLE_MS, close);
  stream.on('error', close);
  stream.once('close', close);
  socket.on('error', close);
  socket.on('message', (datagram) => write(stream, datagram));
  stream.on('data', (bytes: Buffer) => {
    if (open && !unframer.push(bytes, (datagram) => socket.send(Buffer.from(datagram), planePort, LOOPBACK))) close();
  });
  return { local: parseEndpoint(`${LOOPBACK}:${socket.address().port}`)!, close };
}

/** Sends what is meant for some endpoints elsewhere, and lets what comes from there seem to come from them. */
export class Detour implements DatagramIo {
  readonly #io: DatagramIo;
  #out = new Map<number, Endpoint>();
  #back = new Map<number, Endpoint>();

  constructor(io: DatagramIo) {
    this.#io = io;
  }

  /** Pairs of where to and by way of whom. BOUNDED: by the consensus' superpeers. */
  set(routes: readonly (readonly [Endpoint, Endpoint])[]): void {
    this.#out = new Map(routes);
    this.#back = new Map(routes.map(([to, by]) => [by, to]));
  }

  drain(inbox: Parameters<DatagramIo['drain']>[0]): Promise<void> | undefined {
    const draining = this.#io.drain(inbox);
    const restore = () => replace(inbox, this.#back);
    return draining ? draining.then(restore) : restore();
  }

  flush(outbox: Parameters<DatagramIo['flush']>[0]): Promise<void> | undefined {
    replace(outbox, this.#out);
    return this.#io.flush(outbox);
  }

  close(): void {
    this.#io.close();
  }
}

function replace(
  ring: { readonly count: number; readonly endpoints: Float64Array },
  by: Map<number, Endpoint>,
): undefined {
  if (by.size === 0) return;
  for (let i = 0; i < ring.count; i += 1) ring.endpoints[i] = by.get(ring.endpoints[i]!) ?? ring.endpoints[i]!;
}
