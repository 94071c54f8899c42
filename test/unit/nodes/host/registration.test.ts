import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Descriptor } from '../../../../nodes/config/descriptor.ts';
import type { RelayConfig } from '../../../../nodes/config/node.ts';
import { derivedSeeds, Identity, nodeKeys } from '../../../../nodes/crypto/keys.ts';
import { readAddress } from '../../../../nodes/host/address.ts';
import { Registration } from '../../../../nodes/host/registration.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'herd-address-'));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'address');

test('an address is what the file says, if it says one', () => {
  assert.equal(readAddress(path.join(folder, 'nothing')), undefined);
  const rows: [string, string | undefined][] = [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7\n', '203.0.113.7'],
    ['', undefined],
    ['203.0.113.7:21000', undefined],
    ['2001:db8::7', undefined],
    ['mix.example.net', undefined],
  ];
  for (const [text, address] of rows) {
    writeFileSync(file, text);
    assert.equal(readAddress(file), address, text);
  }
});

test('a node registers when it knows its address, and again as soon as it is another', async () => {
  const heard: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const { text } = JSON.parse(Buffer.concat(chunks).toString()) as { text: string };
    heard.push((JSON.parse(text) as Descriptor).endpoint);
    response.end(JSON.stringify({ result: 'accepted' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rootKey = Buffer.alloc(32).toString('base64');
  const config: RelayConfig = {
    role: 'mix',
    id: 'eu-eu-mix-0',
    zone: 'eu',
    directory: { url, rootKey },
    listen: { port: 21007 },
    metrics: { port: 21507 },
  };
  const seed = Buffer.alloc(32, 1);
  const stop = new AbortController();
  let address: string | undefined;
  const registration = new Registration(
    config,
    () => address,
    new Identity(seed),
    nodeKeys(derivedSeeds(seed)),
    () => true,
  );
  const renewing = registration.renew(stop.signal, () => undefined);
  const until = async (count: number) => {
    for (let waits = 0; heard.length < count && waits < 100; waits += 1) await sleep(50);
  };
  try {
    await sleep(600);
    assert.deepEqual(heard, []);
    address = '203.0.113.7';
    await until(1);
    assert.deepEqual(heard, ['203.0.113.7:21007']);
    address = '203.0.113.8';
    await until(2);
    assert.deepEqual(heard, ['203.0.113.7:21007', '203.0.113.8:21007']);
  } finally {
    stop.abort();
    await renewing;
    server.closeAllConnections();
    server.close();
  }
});
