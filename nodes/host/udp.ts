import dgram from 'node:dgram';
import { setImmediate as turn } from 'node:timers/promises';
import type { DropCounters } from '../core/drop.ts';
import type { PacketRing } from '../core/ring.ts';
import { type Endpoint, endpointAddress, endpointPort, parseEndpoint } from '../core/units.ts';
import { type Native, native, nativeFailure } from '../native/load.ts';
import { log } from './log.ts';

/**
 * Datagrams in batches: `drain` fills a ring with all that has arrived, `flush` sends a ring.
 *
 * Between the two the thread sleeps and the kernel's buffer holds what comes, so nothing is done per arrival. There are
 * two implementations: the native one, a system call for 64 datagrams and no turn of the event loop (it returns no
 * promise), and one over node:dgram, for where the native one has not been built.
 */
export interface DatagramIo {
  drain(inbox: PacketRing): Promise<void> | undefined;
  flush(outbox: PacketRing): Promise<void> | undefined;
  close(): void;
}

/** What the native part says of a datagram that did not fit its slot. */
const TRUNCATED_LENGTH = 65_535;

/** Opens the port, natively where that part has been built; a node that goes on without it says so. */
export async function openDatagrams(port: number, drops: DropCounters): Promise<DatagramIo> {
  if (native) return openNative(native, port, drops);
  log('warn', 'slower without the native part', { reason: nativeFailure });
  return openUdp(port, drops);
}

/** What does not fit the ring waits in the kernel for the next drain. */
export function openNative(native: Native, port: number, drops: DropCounters): DatagramIo {
  const fd = native.openSocket(port, RECEIVE_BUFFER_BYTES);
  return {
    drain(inbox) {
      const { bytes, slotBytes, lengths, endpoints, count, capacity } = inbox;
      const end = native.receive(fd, bytes, slotBytes, lengths, endpoints, count, capacity);
      for (let i = count; i < end; i += 1) {
        if (lengths[i] === TRUNCATED_LENGTH) drops.add('truncated');
        else inbox.keep(i);
      }
      return undefined;
    },
    flush({ bytes, slotBytes, lengths, endpoints, count }) {
      native.send(fd, bytes, slotBytes, lengths, endpoints, 0, count);
      return undefined;
    },
    close: () => native.closeSocket(fd),
  };
}

/** A tick's worth of a thousand clients' datagrams, as the kernel counts them (768 bytes each for 300); it may grant less. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

const ADDRESSES_MAX = 65_536;

export async function openUdp(port: number, drops: DropCounters): Promise<DatagramIo> {
  const socket = dgram.createSocket({
    type: 'udp4',
    // Addresses are literal: asking a resolver would cost a turn of the loop per datagram.
    lookup: (address, _options, callback) => callback(null, address, 4),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, resolve);
  });
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  } catch {
    // A host that forbids it keeps its default, which serves a few hundred clients.
  }
  // A send error (no route just now) is a lost datagram, as on any path.
  socket.on('error', () => {});
  const addresses = new AddressCache();
  let into: PacketRing | undefined;
  let arrived = 0;
  socket.on('message', (bytes, { address, port: from }) => {
    arrived += 1;
    const offset = into?.reserve() ?? -1;
    if (!into || offset < 0) return drops.add('inbox_full');
    if (bytes.length > into.slotBytes) return drops.add('truncated');
    bytes.copy(into.bytes, offset);
    into.push(addresses.endpoint(address, from), bytes.length);
  });
  return {
    async drain(inbox) {
      into = inbox;
      let before: number;
      do {
        before = arrived;
        await turn();
      } while (arrived > before);
    },
    async flush(outbox) {
      for (let i = 0; i < outbox.count; i += 1) {
        const endpoint = outbox.endpoints[i]! as Endpoint;
        const offset = i * outbox.slotBytes;
        socket.send(outbox.bytes, offset, outbox.lengths[i]!, endpointPort(endpoint), addresses.text(endpoint));
      }
      // Sends that the kernel did not take at once still read the ring: one turn lets them finish.
      await turn();
    },
    close: () => socket.close(),
  };
}

/** node:dgram speaks of addresses as text; converting each packet's anew would cost more than the packet. */
class AddressCache {
  /** BOUNDED: ADDRESSES_MAX each, then emptied. */
  readonly #byText = new Map<string, number>();
  readonly #byNumber = new Map<number, string>();

  endpoint(address: string, port: number): Endpoint {
    let ip = this.#byText.get(address);
    if (ip === undefined) {
      if (this.#byText.size >= ADDRESSES_MAX) this.#byText.clear();
      ip = (parseEndpoint(`${address}:1`)! - 1) / 65536;
      this.#byText.set(address, ip);
    }
    return (ip * 65536 + port) as Endpoint;
  }

  text(endpoint: Endpoint): string {
    const ip = Math.floor(endpoint / 65536);
    let text = this.#byNumber.get(ip);
    if (text === undefined) {
      if (this.#byNumber.size >= ADDRESSES_MAX) this.#byNumber.clear();
      text = endpointAddress(endpoint);
      this.#byNumber.set(ip, text);
    }
    return text;
  }
}
