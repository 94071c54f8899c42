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

test('a channel that goes to another mix goes on for who has no other to go to, and ends after half a minute', () => {
  const network = new Network('left', [{ name: 'eu', mixes: 2, superpeers: 2 }]);
  network.deal('eu', [1]);
  const client = network.addClient('eu', [1]);
  assert(network.attach());
  const clientsOf = (mix: number) => network.mix('eu', mix).machine.clients();
  assert.equal(network.deal('eu', [2]), 2);
  network.run(29);
  assert.deepEqual([clientsOf(1), clientsOf(2), client.machine.attachments], [1, 0, 1]);
  network.run(2);
  assert.equal(clientsOf(1), 0);
  assert(network.run(15, () => clientsOf(2) === 1 && client.machine.attached));
});
