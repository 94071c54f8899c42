/**
 * The delay between two clients without any Herd between them, which the lab compares each call with: what the paper
 * took from `ping` for Drac. A server returns every datagram as it came; a prober halves the round trip.
 *
 *     node direct-echo.ts serve PORT
 *     node direct-echo.ts probe HOST PORT COUNT     prints {"oneWayMs": 45.1, "sent": 20, "received": 20}
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const PROBE_INTERVAL_MS = 50;
/** Three times the longest round trip on Earth's surface that still carries a call. */
const LAST_ANSWER_WAIT_MS = 1000;
const PROBE_COUNT_MAX = 1000;

export interface DirectDelay {
  /** Half the median round trip, ms. */
  readonly oneWayMs: number;
  readonly sent: number;
  readonly received: number;
}

/**
 * Answers on this UDP port until the socket is closed; port 0 takes a free one. It sends to nobody but the sender and
 * no more than it got, so it cannot be used to amplify.
 */
export async function serve(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind(port);
  await once(socket, 'listening');
  return socket;
}

/**
 * Sends `count` probes and waits for their echoes.
 * @throws {Error} if nothing listens there or no echo came.
 */
export async function probe(host: string, port: number, count: number): Promise<DirectDelay> {
  const socket = createSocket('udp4');
  try {
    socket.connect(port, host);
    await once(socket, 'connect');
    const roundTripsMs = await echoes(socket, count).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ECONNREFUSED' ? new Error(`nothing listens on UDP port ${port} of ${host}`) : error;
    });
    if (roundTripsMs.length === 0) throw new Error(`none of ${count} probes to ${host}:${port} came back`);
    return { oneWayMs: median(roundTripsMs) / 2, sent: count, received: roundTripsMs.length };
  } finally {
    socket.close();
  }
}

/** The round trips of the probes that came back, ms. A probe is its number; the time that it left stays here. */
async function echoes(socket: Socket, count: number): Promise<number[]> {
  const leftAtMs = new Map<number, number>(); // BOUNDED: by count
  const roundTripsMs: number[] = [];
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (bytes) => {
      const number = bytes.length === 4 ? bytes.readUInt32BE() : -1;
      const leftMs = leftAtMs.get(number);
      if (leftMs === undefined) return; // a duplicate, or none of ours
      leftAtMs.delete(number);
      roundTripsMs.push(performance.now() - leftMs);
      if (roundTripsMs.length === count) resolve();
    });
  });
  const stop = new AbortController();
  const sending = async () => {
    for (let number = 0; number < count; number++) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(number);
      leftAtMs.set(number, performance.now());
      socket.send(bytes);
      await sleep(PROBE_INTERVAL_MS, undefined, { signal: stop.signal });
    }
    await sleep(LAST_ANSWER_WAIT_MS, undefined, { signal: stop.signal });
  };
  try {
    await Promise.race([done, sending()]);
  } finally {
    stop.abort();
  }
  return roundTripsMs;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The whole number that an argument spells, or a sentence that says what it should be. */
function wholeNumber(name: string, text: string | undefined, max: number): number | string {
  const value = Number(text);
  const fits = text !== undefined && Number.isInteger(value) && value >= 1 && value <= max;
  return fits ? value : `${name} must be a whole number from 1 to ${max}, not ${text ?? 'missing'}`;
}

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command === 'serve' && args.length === 1) {
    const port = wholeNumber('PORT', args[0], 65535);
    if (typeof port === 'string') throw new Error(port);
    const socket = await serve(port);
    process.once('SIGTERM', () => socket.close());
  } else if (command === 'probe' && args.length === 3) {
    const port = wholeNumber('PORT', args[1], 65535);
    const count = wholeNumber('COUNT', args[2], PROBE_COUNT_MAX);
    if (typeof port === 'string' || typeof count === 'string') {
      throw new Error([port, count].filter((value) => typeof value === 'string').join('; '));
    }
    console.log(JSON.stringify(await probe(args[0], port, count)));
  } else {
    throw new Error('usage: direct-echo.ts serve PORT | probe HOST PORT COUNT');
  }
}

if (import.meta.main) {
  main(process.argv.slice(2)).catch((error: Error) => {
    console.error(error.message);
    process.exit(1);
  });
}
