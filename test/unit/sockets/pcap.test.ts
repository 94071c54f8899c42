import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { type Datagram, readPcap } from '../../sockets/pcap.ts';

/** draft-ietf-opsawg-pcap, section 4: magic, version 2.4, two zeros, snap length, link type. */
function header(magic: number, linkType = 1): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt16LE(2, 4);
  bytes.writeUInt16LE(4, 6);
  bytes.writeUInt32LE(42, 16);
  bytes.writeUInt32LE(linkType, 20);
  return bytes;
}

/** Section 5: seconds, fraction, captured and original length; then an Ethernet frame, cut off behind its UDP header. */
function record(seconds: number, fraction: number, { protocol = 17, etherType = 0x0800, bytes = 300 } = {}): Buffer {
  const frame = Buffer.alloc(42);
  frame.writeUInt16BE(etherType, 12);
  frame[14] = 0x45;
  frame[23] = protocol;
  frame.writeUInt16BE(30_001, 34);
  frame.writeUInt16BE(20_005, 36);
  frame.writeUInt16BE(bytes + 8, 38);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(seconds, 0);
  head.writeUInt32LE(fraction, 4);
  head.writeUInt32LE(frame.length, 8);
  head.writeUInt32LE(bytes + 42, 12);
  return Buffer.concat([head, frame]);
}

function read(...parts: Buffer[]): Datagram[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'herd-pcap-'));
  try {
    const file = path.join(folder, 'capture');
    writeFileSync(file, Buffer.concat(parts));
    const all: Datagram[] = [];
    readPcap(file, (datagram) => all.push({ ...datagram }));
    return all;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const NANOSECONDS = 0xa1b23c4d;
const MICROSECONDS = 0xa1b2c3d4;

test('tells instants in µs, with their fraction, ports and the length of what UDP carries', () => {
  const datagram = { at: 1_700_000_000_123_456.8, fromPort: 30_001, toPort: 20_005, bytes: 300 };
  assert.deepEqual(read(header(NANOSECONDS), record(1_700_000_000, 123_456_800)), [datagram]);
  assert.deepEqual(read(header(MICROSECONDS), record(1_700_000_000, 123_456)), [
    { ...datagram, at: 1_700_000_000_123_456 },
  ]);
});

test('leaves out what is no UDP over IPv4 and a record that was cut off', () => {
  const parts = [
    record(1, 0, { protocol: 6 }),
    record(2, 0, { etherType: 0x86dd }),
    record(3, 0),
    record(4, 0).subarray(0, 50),
  ];
  assert.deepEqual(
    read(header(NANOSECONDS), ...parts).map(({ at }) => at),
    [3e6],
  );
});

test('reads files larger than its buffer', () => {
  const count = 400_000;
  const all = Buffer.alloc(58 * count);
  for (let i = 0; i < count; i += 1) record(i, 0).copy(all, 58 * i);
  const told = read(header(NANOSECONDS), all);
  assert.equal(told.length, count);
  assert.ok(told.every(({ at }, i) => at === i * 1e6));
});

test('refuses what is no capture', () => {
  assert.throws(() => read(Buffer.from('nothing of the kind, at all')), /no pcap/);
  assert.throws(() => read(header(NANOSECONDS, 113)), /no Ethernet/);
  assert.throws(() => read(Buffer.alloc(0)), /no pcap/);
});
