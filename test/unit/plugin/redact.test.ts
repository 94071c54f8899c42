import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { Redactor } from '../../../plugin/report/redact.ts';

const text = (line: string) => new Redactor().text(line);

const rows: [what: string, line: string, becomes: string][] = [
  ['an address with its port', 'no route to 192.0.2.7:7000', 'no route to [ip 1]:7000'],
  ['the same address twice, another once', '192.0.2.7 192.0.2.8 192.0.2.7', '[ip 1] [ip 2] [ip 1]'],
  ['an IPv6 address in brackets', 'dial [2001:db8::7]:7000', 'dial [[ip 1]]:7000'],
  ['one after a colon', 'from:2001:db8::7: refused', 'from:[ip 1]: refused'],
  ['the name of a cloud’s machine', 'on ip-192-0-2-7.ec2.internal', 'on [ip 1].ec2.internal'],
  ['the same as name and address', 'ip-192-0-2-7 192.0.2.7', '[ip 1] [ip 1]'],
  ['the host of a URL', 'https://user:pass@directory.example:8080/v1', 'https://[host 1]:8080/v1'],
  ['the address of a URL', 'http://192.0.2.7:8080', 'http://[ip 1]:8080'],
  ['a public key', `key ${Buffer.alloc(32, 'aZ9').toString('base64')} ends`, 'key [key 1] ends'],
  ['a fingerprint in hex', `is ${'0a'.repeat(32)}.`, 'is [key 1].'],
  ['a PEM block', '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----', '[pem]'],
  ['a PEM block that is cut off', '-----BEGIN PRIVATE KEY-----\nabc', '[pem]'],
  ['a token', 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrIn0.c2ln', '[token]'],
  ['a credential in a header', 'Authorization: Bearer s3cret', 'Authorization: Bearer [token]'],
  [
    'times, names and digests stay',
    'at 2026-11-23T06:51:37Z eu-eu-mix-0 v1.37.2',
    'at 2026-11-23T06:51:37Z eu-eu-mix-0 v1.37.2',
  ],
  ['the digest of an image stays', `node@sha256:${'0a'.repeat(32)}`, `node@sha256:${'0a'.repeat(32)}`],
];
for (const [what, line, becomes] of rows) test(what, () => assert.equal(text(line), becomes));

test('no address is left, wherever it stands', () => {
  const around = fc.stringMatching(/^[ a-z=,:[\]"/-]{0,4}$/);
  fc.assert(
    fc.property(around, fc.ipV4(), around, (before, address, after) => {
      assert.ok(!text(`${before} ${address} ${after}`).includes(address));
    }),
  );
  fc.assert(
    fc.property(
      fc.ipV6().filter((address) => address.length > 6),
      (address) => {
        assert.ok(!text(`from ${address} to [${address}]:7000`).includes(address), text(`from ${address}`));
      },
    ),
  );
});

test('no key is left, in base64 and base64url, with and without what fills it', () => {
  for (let i = 0; i < 200; i++) {
    const key = randomBytes(32 + (i % 3));
    for (const form of [key.toString('base64'), key.toString('base64url'), key.toString('hex')])
      assert.ok(!text(`{"seed":"${form}"}`).includes(form), form);
  }
});

test('data keeps its shape; what repeats it goes, and what others have given pods', () => {
  const data = {
    metadata: {
      managedFields: [{}],
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', a: '192.0.2.7' },
    },
    env: [
      { name: 'HERD_NODE_IMAGE', value: 'node:1' },
      { name: 'AWS_SECRET', value: 'hunter2' },
      { name: 'POD_IP', valueFrom: {} },
    ],
    count: 3,
    none: null,
  };
  assert.deepEqual(new Redactor().data(data), {
    metadata: { annotations: { a: '[ip 1]' } },
    env: [
      { name: 'HERD_NODE_IMAGE', value: 'node:1' },
      { name: 'AWS_SECRET', value: '[left out]' },
      { name: 'POD_IP' },
    ],
    count: 3,
    none: null,
  });
});
