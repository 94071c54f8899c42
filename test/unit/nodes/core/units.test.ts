import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { endpointAddress, endpointPort, parseEndpoint } from '../../../../nodes/core/units.ts';

test('prints an endpoint as it was read', () => {
  const octet = fc.nat(255);
  fc.assert(
    fc.property(fc.tuple(octet, octet, octet, octet), fc.integer({ min: 1, max: 65535 }), (octets, port) => {
      const address = octets.join('.');
      const endpoint = parseEndpoint(`${address}:${port}`)!;
      assert.deepEqual([endpointAddress(endpoint), endpointPort(endpoint)], [address, port]);
    }),
  );
});

test('keeps the highest and the lowest endpoint apart from all others', () => {
  assert.equal(parseEndpoint('0.0.0.0:1'), 1);
  assert.equal(parseEndpoint('255.255.255.255:65535'), 2 ** 48 - 1);
  assert.notEqual(parseEndpoint('10.0.0.1:2'), parseEndpoint('10.0.0.2:1'));
});

const REFUSED = [
  /*  1 */ '',
  /*  2 */ '10.0.0.1',
  /*  3 */ '10.0.0.1:',
  /*  4 */ ':7000',
  /*  5 */ '10.0.0.1:0',
  /*  6 */ '10.0.0.1:65536',
  /*  7 */ '10.0.0.1:07000',
  /*  8 */ '10.0.0.1:+7',
  /*  9 */ '10.0.0.1:7e3',
  /* 10 */ '10.0.0.1:7000:1',
  /* 11 */ '10.0.0.256:7000',
  /* 12 */ '10.0.0:7000',
  /* 13 */ '10.0.0.0.1:7000',
  /* 14 */ '010.0.0.1:7000',
  /* 15 */ '0x0a.0.0.1:7000',
  /* 16 */ '-1.0.0.1:7000',
  /* 17 */ ' 10.0.0.1:7000',
  /* 18 */ '10.0.0.1:7000 ',
  /* 19 */ '10.0.0.1:7000\n',
  /* 20 */ '10..0.1:7000',
  /* 21 */ 'localhost:7000',
  /* 22 */ '[::1]:7000',
];

test('refuses what is not four octets, a colon and a port, row by row', () => {
  for (const [index, text] of REFUSED.entries())
    assert.equal(parseEndpoint(text), undefined, `row ${index + 1}: ${JSON.stringify(text)}`);
});
