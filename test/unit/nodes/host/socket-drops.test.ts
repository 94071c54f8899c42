import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { socketDrops } from '../../../../nodes/host/socket-drops.ts';

test('reads the last column of the line of the port, and of no other', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'herd-'));
  const file = path.join(folder, 'udp');
  const line = (slot: number, local: string, drops: number) =>
    `  ${slot}: ${local} 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 ${drops}`;
  writeFileSync(
    file,
    [
      '  sl  local_address …',
      line(1, '00000000:1B59', 5),
      line(2, '1B58A8C0:0035', 6),
      line(3, '00000000:1B58', 7),
    ].join('\n'),
  );
  try {
    assert.deepEqual([socketDrops(7000, file), socketDrops(7001, file), socketDrops(7002, file)], [7, 5, 0]);
    assert.equal(socketDrops(7000, path.join(folder, 'none')), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the kernel counts what did not fit a socket’s buffer', { skip: process.platform !== 'linux' }, async () => {
  const socket = dgram.createSocket('udp4');
  const sender = dgram.createSocket('udp4');
  try {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.setRecvBufferSize(2048);
    const { port } = socket.address();
    assert.equal(socketDrops(port), 0);
    // One turn of the event loop in which nobody reads: what is sent in it has to wait in the buffer.
    const sent = Array.from(
      { length: 200 },
      () => new Promise((done) => sender.send(Buffer.alloc(1000), port, '127.0.0.1', done)),
    );
    await Promise.all(sent);
    for (let wait = 0; wait < 50 && socketDrops(port) === 0; wait += 1) await sleep(10);
    assert(socketDrops(port) > 0);
  } finally {
    socket.close();
    sender.close();
  }
});
