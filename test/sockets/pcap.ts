import { closeSync, openSync, readSync } from 'node:fs';
import type { Micros } from '../../nodes/core/units.ts';

/**
 * Reads what tcpdump wrote (draft-ietf-opsawg-pcap): little-endian, instants in ns or µs, Ethernet frames, of which the
 * UDP datagrams over IPv4 are told and everything else is left out. 42 bytes of a frame are enough.
 */
export interface Datagram {
  at: Micros;
  fromPort: number;
  toPort: number;
  /** Of the UDP payload. */
  bytes: number;
}

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const NANOSECONDS = 0xa1b23c4d;
const MICROSECONDS = 0xa1b2c3d4;
const LINKTYPE_ETHERNET = 1;
const ETHERNET_BYTES = 14;
const IPV4 = 0x0800;
const UDP = 17;
const UDP_BYTES = 8;
const CHUNK_BYTES = 1 << 24;

/**
 * Tells every datagram, in the order of the file; the object is the same each time. A record that is cut off at the end
 * is left out: the capture was stopped in it.
 * @throws {Error} for a file that is no such capture.
 */
export function readPcap(file: string, tell: (datagram: Readonly<Datagram>) => void): void {
  const fd = openSync(file, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    let filled = readSync(fd, chunk, 0, CHUNK_BYTES, null);
    const magic = filled >= FILE_HEADER_BYTES ? chunk.readUInt32LE(0) : 0;
    if (magic !== NANOSECONDS && magic !== MICROSECONDS) throw new Error(`${file} is no pcap file of this machine`);
    if (chunk.readUInt32LE(20) !== LINKTYPE_ETHERNET) throw new Error(`${file} holds no Ethernet frames`);
    const perMicrosecond = magic === NANOSECONDS ? 1000 : 1;
    const datagram = { at: 0, fromPort: 0, toPort: 0, bytes: 0 };
    let at = FILE_HEADER_BYTES;
    for (;;) {
      while (at + RECORD_HEADER_BYTES <= filled) {
        const end = at + RECORD_HEADER_BYTES + chunk.readUInt32LE(at + 8);
        if (end > filled) break;
        datagram.at = chunk.readUInt32LE(at) * 1e6 + chunk.readUInt32LE(at + 4) / perMicrosecond;
        if (parse(chunk.subarray(at + RECORD_HEADER_BYTES, end), datagram)) tell(datagram);
        at = end;
      }
      chunk.copyWithin(0, at, filled);
      filled -= at;
      at = 0;
      const more = readSync(fd, chunk, filled, CHUNK_BYTES - filled, null);
      if (more === 0) return;
      filled += more;
    }
  } finally {
    closeSync(fd);
  }
}

function parse(frame: Buffer, into: Datagram): boolean {
  if (frame.length < ETHERNET_BYTES + 20 + UDP_BYTES || frame.readUInt16BE(12) !== IPV4) return false;
  const udp = ETHERNET_BYTES + (frame[ETHERNET_BYTES]! & 15) * 4;
  if (frame[ETHERNET_BYTES + 9] !== UDP || frame.length < udp + UDP_BYTES) return false;
  into.fromPort = frame.readUInt16BE(udp);
  into.toPort = frame.readUInt16BE(udp + 2);
  into.bytes = frame.readUInt16BE(udp + 4) - UDP_BYTES;
  return true;
}
