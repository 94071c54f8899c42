import assert from 'node:assert/strict';
import test from 'node:test';
import { Network } from '../../../sim/zones.ts';
import { call } from '../support/calls.ts';

/** What a rendezvous must forget when a node that it has circuits or legs with starts anew. */
const circuitsOf = (network: Network) => network.rendezvous('eu').machine.circuits();

test('after a restart of the caller’s rendezvous a call reaches whom it is placed to', () => {
  const network = new Network('caller side', [{ name: 'eu' }, { name: 'na', superpeers: 2 }]);
  const caller = network.addClient('eu');
  const first = network.addClient('na', [1]);
  const second = network.addClient('na', [2]);
  assert(network.attach());
  assert.equal(call(network, caller, first), 'up');
  network.run(1);
  network.restart('eu-rendezvous-1');
  caller.machine.hangUp();
  assert(network.run(10, () => caller.machine.callState === 'idle'));
  assert.equal(call(network, caller, second, 20), 'up');
});

test('after a restart of the callee’s rendezvous a new call outlives the old one’s end', () => {
  const network = new Network('callee side', [
    { name: 'eu', superpeers: 2 },
    { name: 'na', superpeers: 2 },
  ]);
  const caller = network.addClient('eu', [1]);
  const callee = network.addClient('na', [1]);
  const later = network.addClient('na', [2]);
  const other = network.addClient('eu', [2]);
  assert(network.attach());
  assert.equal(call(network, caller, callee), 'up');
  network.run(1);
  network.restart('na-rendezvous-1');
  assert(network.run(5, () => network.rendezvous('na').machine.circuits() === 2));
  assert.equal(call(network, other, later, 5), 'up');
  network.run(8);
  assert.equal(other.machine.callState, 'talking');
});

test('circuits of clients that left while their mix restarted do not stay', () => {
  const network = new Network('left', [{ name: 'eu' }]);
  for (let i = 0; i < 5; i += 1) network.addClient('eu');
  assert(network.attach());
  assert.equal(circuitsOf(network), 5);
  const [stays, ...leave] = network.clients;
  for (const { host } of leave) host.machine = undefined;
  network.restart('eu-mix-1');
  network.run(6);
  assert(network.attach([stays!], 30));
  network.run(60);
  assert.equal(circuitsOf(network), 1);
});
