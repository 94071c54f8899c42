import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { PacketRing } from '../../../../nodes/core/ring.ts';
import { endpointPort, parseEndpoint } from '../../../../nodes/core/units.ts';
import { Detour, openTunnel, serveTunnels, Unframer } from '../../../../nodes/host/tunnel.ts';
import { DATAGRAM_BYTES_MAX } from '../../../../nodes/wire/constants.ts';

const framed = (datagrams: readonly Uint8Array[]) =>
  Buffer.concat(
    datagrams.flatMap((datagram) => [Buffer.from([datagram.length >> 8, datagram.length & 255]), datagram]),
  );

test('a stream gives the datagrams that were put in, however it is cut', () => {
  const datagram = fc.uint8Array({ minLength: 1, maxLength: DATAGRAM_BYTES_MAX });
  fc.assert(
    fc.property(fc.array(datagram, { maxLength: 8 }), fc.array(fc.nat(4000), { maxLength: 20 }), (datagrams, cuts) => {
      const stream = framed(datagrams);
      const places = [0, ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b), stream.length];
      const unframer = new Unframer();
      const taken: Buffer[] = [];
      for (let i = 1; i < places.length; i += 1) {
        assert(unframer.push(stream.subarray(places[i - 1], places[i]), (one) => taken.push(Buffer.from(one))));
      }
      assert.deepEqual(
        taken,
        datagrams.map((one) => Buffer.from(one)),
      );
    }),
  );
});

test('hostile bytes end the stream at the first length that no datagram has', () => {
  for (const length of [0, DATAGRAM_BYTES_MAX + 1, 65_535]) {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(length);
    assert.equal(
      new Unframer().push(bytes, () => assert.fail('no datagram')),
      false,
    );
  }
});

/** A UDP socket on loopback that sends everything back. */
async function echo(): Promise<{ socket: dgram.Socket; port: number }> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, port: socket.address().port };
}

test('datagrams go there and back over TCP, whole, and a tunnel that ends says so', async () => {
  const { socket: superpeer, port } = await echo();
  const server = await serveTunnels(port, 2);
  const plane = dgram.createSocket('udp4');
  plane.bind(0, '127.0.0.1');
  await once(plane, 'listening');
  let closed = 0;
  const endpoint = parseEndpoint(`127.0.0.1:${port}`)!;
  const tunnel = await openTunnel(endpoint, plane.address().port, () => {
    closed += 1;
  });
  try {
    assert(tunnel);
    for (const size of [1, 300, DATAGRAM_BYTES_MAX]) {
      const sent = Buffer.alloc(size, size & 255);
      const answer = once(plane, 'message');
      plane.send(sent, endpointPort(tunnel.local), '127.0.0.1');
      assert.deepEqual((await answer)[0], sent);
    }
    tunnel.close();
    assert.equal(closed, 1);
  } finally {
    tunnel?.close();
    plane.close();
    superpeer.close();
    server.close();
  }
});

test('no more tunnels than allowed, and none where nobody listens', async () => {
  const { socket, port } = await echo();
  const server = await serveTunnels(port, 1);
  const streams = [net.connect(port, '127.0.0.1'), net.connect(port, '127.0.0.1')];
  try {
    const ended = streams.map((stream) =>
      once(
        stream.on('error', () => {}),
        'close',
      ),
    );
    await Promise.race(ended);
    assert.equal(streams.filter(({ destroyed }) => destroyed).length, 1);
  } finally {
    for (const stream of streams) stream.destroy();
    server.close();
    socket.close();
  }
  assert.equal(await openTunnel(parseEndpoint(`127.0.0.1:${port}`)!, 9, () => assert.fail('never opened')), undefined);
});

test('a detour hides the tunnel from the machine, both ways', () => {
  const superpeer = parseEndpoint('10.0.0.1:7000')!;
  const other = parseEndpoint('10.0.0.2:7000')!;
  const local = parseEndpoint('127.0.0.1:5555')!;
  const sent: number[] = [];
  const detour = new Detour({
    drain: (inbox) => {
      inbox.push(local, 10);
      inbox.push(other, 10);
      return undefined;
    },
    flush: (outbox) => {
      sent.push(...outbox.endpoints.subarray(0, outbox.count));
      return undefined;
    },
    close: () => {},
  });
  detour.set([[superpeer, local]]);
  const ring = new PacketRing(4, 1280);
  detour.drain(ring);
  assert.deepEqual([...ring.endpoints.subarray(0, 2)], [superpeer, other]);
  ring.clear();
  ring.push(superpeer, 10);
  ring.push(other, 10);
  detour.flush(ring);
  assert.deepEqual(sent, [local, other]);
});
