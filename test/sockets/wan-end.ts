import { DropCounters } from '../../nodes/core/drop.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { parseEndpoint } from '../../nodes/core/units.ts';
import { nowUs } from '../../nodes/host/clock.ts';
import { openNative } from '../../nodes/host/udp.ts';
import { loadNative } from '../../nodes/native/load.ts';

/**
 * One end of wan.test.ts, in a region's network:
 *
 *   wan-end.ts NATIVE send PORT TO TICKS ROW      rows of ROW datagrams, one every 20 ms
 *   wan-end.ts NATIVE receive PORT COUNT          until COUNT have come or none for a while; prints what came as JSON
 */
export interface Arrival {
  /** Of the datagrams in the order of sending, from 0. */
  readonly number: number;
  readonly delayMs: number;
}

const BYTES = 304;
const TICK_MS = 20;
const POLL_MS = 0.2;
/** Longer than from the receiver's start to the sender's. */
const QUIET_MS = 3_000;

const [file, verb, port, ...rest] = process.argv.slice(2) as [string, string, string, ...string[]];
const io = openNative(loadNative(file), Number(port), new DropCounters());
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const sleepMs = (milliseconds: number) => Atomics.wait(sleeper, 0, 0, milliseconds);
const numbers = new DataView(new ArrayBuffer(12));
const bytes = new Uint8Array(numbers.buffer);

if (verb === 'send') {
  const [to, ticks, row] = [parseEndpoint(rest[0]!)!, Number(rest[1]), Number(rest[2])];
  const ring = new PacketRing(row, BYTES);
  for (let tick = 0; tick < ticks; tick += 1) {
    for (let i = 0; i < row; i += 1) {
      numbers.setUint32(0, tick * row + i);
      numbers.setFloat64(4, nowUs());
      ring.bytes.set(bytes, ring.reserve());
      ring.push(to, BYTES);
    }
    io.flush(ring);
    ring.clear();
    sleepMs(TICK_MS);
  }
} else {
  const ring = new PacketRing(1024, BYTES);
  const arrivals: Arrival[] = [];
  for (let last = nowUs(); arrivals.length < Number(rest[0]) && nowUs() - last < QUIET_MS * 1000; ) {
    sleepMs(POLL_MS);
    io.drain(ring);
    const now = nowUs();
    for (let i = 0; i < ring.count; i += 1) {
      bytes.set(ring.bytes.subarray(i * BYTES, i * BYTES + bytes.length));
      arrivals.push({ number: numbers.getUint32(0), delayMs: (now - numbers.getFloat64(4)) / 1000 });
      last = now;
    }
    ring.clear();
  }
  console.log(JSON.stringify(arrivals));
}
io.close();
