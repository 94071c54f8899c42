import assert from 'node:assert/strict';
import test from 'node:test';
import { regionAddresses, rootLink } from '../../../../lab/wan/addresses.ts';

test('regions get networks of their own in their order', () => {
  assert.deepEqual(regionAddresses(3), {
    subnet: '10.74.0.0/16',
    router: '10.74.0.1',
    node: '10.74.0.2',
    pods: '10.74.16.0/24',
  });
});

test('the link to the machine takes the first network that no route uses', () => {
  const routes = ['default', '10.69.7.0/30', '10.69.8.0/30', '192.168.1.0/24'];
  assert.deepEqual(rootLink(7, routes), { root: '10.69.9.1', host: '10.69.9.2' });
});

test('the search for a free network goes on from the start after the last', () => {
  assert.deepEqual(rootLink(255, ['10.69.255.0/30']), { root: '10.69.0.1', host: '10.69.0.2' });
});

test('a network whose number begins with the same digit counts as another', () => {
  assert.deepEqual(rootLink(1, ['10.69.10.0/30']), { root: '10.69.1.1', host: '10.69.1.2' });
});

test('a machine that uses all networks is told so', () => {
  const all = Array.from({ length: 256 }, (_, n) => `10.69.${n}.0/30`);
  assert.throws(() => rootLink(0, all), /in use/);
});
