import assert from 'node:assert/strict';
import test from 'node:test';
import { assertTalk, call } from '../support/calls.ts';
import { Network } from '../support/network.ts';

/** Two clients in each of two zones, attached. */
function attached(seed: string): Network {
  const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }]);
  for (const zone of ['eu', 'na', 'eu', 'na']) network.addClient(zone);
  assert(network.attach());
  return network;
}

for (const role of ['mix', 'rendezvous', 'superpeer']) {
  test(`after a restart of the callers’ ${role} clients attach again and can call`, () => {
    const network = attached(`restart-${role}-1`);
    const [caller, callee] = network.clients;
    network.restart(`eu-${role}-1`);
    assert(
      network.run(10, () => !caller.machine.attached),
      'its clients notice',
    );
    assert(network.attach(undefined, 30), 'all attach again');
    network.run(1);
    assertTalk(network, caller, callee);
    network.run(1);
    assertTalk(network, callee, caller);
  });

  test(`a restart of the ${role} in the middle of a call ends it at both sides, and both can call again`, () => {
    const network = attached(`restart-${role}-2`);
    const [caller, callee] = network.clients;
    assert.equal(call(network, caller, callee), 'up');
    network.run(1);
    network.restart(`eu-${role}-1`);
    const over = () => [caller, callee].every(({ machine }) => machine.callState === 'idle');
    assert(network.run(15, over), 'the call is over at both sides');
    assert(network.attach(undefined, 30), 'all attach again');
    network.run(6);
    assertTalk(network, callee, caller);
  });
}

test('the clients of the other zone stay attached through every restart', () => {
  const network = attached('restart-others-1');
  const others = network.clients.filter(({ zone }) => zone === 'na');
  let detached = 0;
  for (const role of ['mix', 'rendezvous', 'superpeer']) {
    network.restart(`eu-${role}-1`);
    network.run(8, () => {
      if (others.some(({ machine }) => !machine.attached)) detached += 1;
      return false;
    });
  }
  assert.equal(detached, 0);
});
