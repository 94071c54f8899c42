import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { type Endpoint, parseEndpoint } from '../../../../nodes/core/units.ts';
import { type DatagramIo, openNative, openUdp } from '../../../../nodes/host/udp.ts';
import { loadNative } from '../../../../nodes/native/load.ts';
import { buildNative, NATIVE_FOLDER } from '../support/native.ts';

/** One suite for both implementations: what the native one does differently is said where it is tested. */
const native = loadNative(buildNative(NATIVE_FOLDER));
const OPENERS = {
  native: async (port: number, drops: DropCounters) => openNative(native, port, drops),
  'node:dgram': openUdp,
};

const SLOT_BYTES = 1280;
const PATIENCE_MS = 2_000;

/** A free port of loopback, as the system names it. */
async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

interface Ends {
  readonly io: DatagramIo;
  readonly drops: DropCounters;
  readonly endpoint: Endpoint;
  readonly port: number;
  readonly peer: dgram.Socket;
  readonly peerEndpoint: Endpoint;
  readonly toPeer: Buffer[];
}

/** A socket of ours and one of node's on loopback. */
async function withEnds(open: typeof openUdp, use: (ends: Ends) => Promise<void>): Promise<void> {
  const port = await freePort();
  const drops = new DropCounters();
  const io = await open(port, drops);
  const peer = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(peer, 'listening');
  const toPeer: Buffer[] = [];
  peer.on('message', (bytes) => toPeer.push(bytes));
  const peerEndpoint = parseEndpoint(`127.0.0.1:${peer.address().port}`)!;
  try {
    await use({ io, drops, port, peer, peerEndpoint, toPeer, endpoint: parseEndpoint(`127.0.0.1:${port}`)! });
  } finally {
    io.close();
    peer.close();
  }
}

function put(ring: PacketRing, to: Endpoint, bytes: Buffer): void {
  bytes.copy(ring.bytes, ring.reserve());
  ring.push(to, bytes.length);
}

/** A ring that the socket fills from now on: what comes before the first drain has no place to go. */
async function drained(io: DatagramIo, slots: number): Promise<PacketRing> {
  const ring = new PacketRing(slots, SLOT_BYTES);
  await io.drain(ring);
  return ring;
}

const taken = (ring: PacketRing) =>
  Array.from({ length: ring.count }, (_, i) =>
    Buffer.from(ring.bytes.subarray(i * SLOT_BYTES, i * SLOT_BYTES + ring.lengths[i])).toString(),
  );

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    assert(Date.now() < deadline, 'nothing came in time');
    await sleep(2);
  }
}

async function send(peer: dgram.Socket, port: number, bytes: Buffer): Promise<void> {
  await new Promise((resolve) => peer.send(bytes, port, '127.0.0.1', resolve));
}

for (const [name, open] of Object.entries(OPENERS)) {
  test(`${name}: drains all that has come, in order, with whom it is from`, () =>
    withEnds(open, async ({ io, drops, port, peer, peerEndpoint }) => {
      const inbox = await drained(io, 64);
      const texts = Array.from({ length: 40 }, (_, i) => `datagram ${i}`);
      for (const text of texts) await send(peer, port, Buffer.from(text));
      await until(async () => {
        await io.drain(inbox);
        return inbox.count === texts.length;
      });
      assert.deepEqual(taken(inbox), texts);
      assert.deepEqual(new Set(inbox.endpoints.subarray(0, inbox.count)), new Set([peerEndpoint]));
      assert.equal(drops.total(), 0);
    }));

  test(`${name}: comes back from a drain when nothing has come`, () =>
    withEnds(open, async ({ io }) => {
      assert.equal((await drained(io, 4)).count, 0);
    }));

  test(`${name}: a datagram larger than a slot is dropped as truncated, an empty one and a full one are taken`, () =>
    withEnds(open, async ({ io, drops, port, peer }) => {
      const inbox = await drained(io, 8);
      for (const length of [SLOT_BYTES + 1, 0, 9000, SLOT_BYTES]) await send(peer, port, Buffer.alloc(length, 0x61));
      await until(async () => {
        await io.drain(inbox);
        return inbox.count === 2;
      });
      assert.deepEqual([...inbox.lengths.subarray(0, 2)], [0, SLOT_BYTES]);
      assert.equal(drops.get('truncated'), 2);
      assert.equal(drops.total(), 2);
    }));

  test(`${name}: what a full ring cannot take is dropped by name or waits, and the ring is not overrun`, () =>
    withEnds(open, async ({ io, drops, port, peer }) => {
      const inbox = await drained(io, 3);
      for (let i = 0; i < 10; i += 1) await send(peer, port, Buffer.from(`datagram ${i}`));
      const first = ['datagram 0', 'datagram 1', 'datagram 2'];
      await until(async () => {
        await io.drain(inbox);
        return inbox.count === 3 && (name === 'native' || drops.get('inbox_full') === 7);
      });
      assert.deepEqual(taken(inbox), first);
      if (name !== 'native') return;
      // The native one leaves the rest in the kernel for the next drain.
      inbox.clear();
      await io.drain(inbox);
      assert.deepEqual(taken(inbox), ['datagram 3', 'datagram 4', 'datagram 5']);
      assert.equal(drops.total(), 0);
    }));

  test(`${name}: flushes a ring to where each datagram goes, from the port that it listens on`, () =>
    withEnds(open, async ({ io, peer, peerEndpoint, toPeer, port }) => {
      const outbox = new PacketRing(64, SLOT_BYTES);
      const texts = Array.from({ length: 50 }, (_, i) => `datagram ${i}`);
      const from = new Set<number>();
      peer.on('message', (_bytes, remote) => from.add(remote.port));
      for (const text of texts) put(outbox, peerEndpoint, Buffer.from(text));
      put(outbox, peerEndpoint, Buffer.alloc(SLOT_BYTES, 0x7a));
      await io.flush(outbox);
      await until(() => toPeer.length === texts.length + 1);
      assert.deepEqual(toPeer.slice(0, -1).map(String), texts);
      assert.equal(toPeer.at(-1)!.length, SLOT_BYTES);
      assert.deepEqual(from, new Set([port]));
    }));

  test(`${name}: rows of one length to one endpoint arrive one by one, in their order, whatever is among them`, () =>
    withEnds(open, async ({ io, peerEndpoint, toPeer }) => {
      await withEnds(open, async ({ peerEndpoint: otherEndpoint, toPeer: toOther }) => {
        const outbox = new PacketRing(256, SLOT_BYTES);
        const lengths = [
          ...Array<number>(70).fill(300),
          0,
          0,
          ...Array<number>(3).fill(SLOT_BYTES),
          299,
          300,
          300,
          301,
        ];
        const expected = new Map<Buffer[], Buffer[]>([
          [toPeer, []],
          [toOther, []],
        ]);
        for (const [index, length] of [...lengths, ...lengths].entries()) {
          const bytes = Buffer.alloc(length, index);
          const ours = index < 73 || index % 3 > 0;
          put(outbox, ours ? peerEndpoint : otherEndpoint, bytes);
          expected.get(ours ? toPeer : toOther)!.push(bytes);
        }
        await io.flush(outbox);
        await until(() => toPeer.length + toOther.length === outbox.count);
        for (const [got, sent] of expected) assert.deepEqual(got, sent);
      });
    }));

  test(`${name}: what cannot be sent is a lost datagram and harms no other`, () =>
    withEnds(open, async ({ io, peerEndpoint, toPeer }) => {
      const outbox = new PacketRing(8, SLOT_BYTES);
      put(outbox, parseEndpoint('255.255.255.255:9')!, Buffer.from('to everybody'));
      put(outbox, parseEndpoint('255.255.255.255:9')!, Buffer.from('to everybody'));
      put(outbox, parseEndpoint('127.0.0.1:9')!, Buffer.from('to nobody'));
      put(outbox, peerEndpoint, Buffer.from('to the peer'));
      await io.flush(outbox);
      await until(() => toPeer.length === 1);
      assert.equal(String(toPeer[0]), 'to the peer');
    }));

  test(`${name}: two of them talk to each other, and a port is not shared`, () =>
    withEnds(open, async ({ io, endpoint, port }) => {
      const otherPort = await freePort();
      const other = await open(otherPort, new DropCounters());
      try {
        const outbox = new PacketRing(1, SLOT_BYTES);
        const inbox = await drained(io, 1);
        put(outbox, endpoint, Buffer.from('hello'));
        await other.flush(outbox);
        await until(async () => {
          await io.drain(inbox);
          return inbox.count === 1;
        });
        assert.equal(inbox.endpoints[0], parseEndpoint(`127.0.0.1:${otherPort}`));
        await assert.rejects(open(port, new DropCounters()), { code: 'EADDRINUSE' });
      } finally {
        other.close();
      }
    }));
}
