import assert from 'node:assert/strict';
import test from 'node:test';
import { Network } from '../../../sim/zones.ts';

test('a channel that moves to another superpeer can be used there', () => {
  const network = new Network('moved', [{ name: 'eu', superpeers: 2 }]);
  network.moveChannels((channel) => channel);
  network.run(1);
  network.moveChannels((channel) => 3 - channel);
  const client = network.addClient('eu', [1]);
  assert(network.attach([client], 20));
});
