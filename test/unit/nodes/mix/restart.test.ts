import assert from 'node:assert/strict';
import test from 'node:test';
import { Listener } from '../../../sim/talk.ts';
import { Network } from '../../../sim/zones.ts';
import { assertTalk, call } from '../support/calls.ts';

/** Two clients in each of two zones, attached. */
function attached(seed: string): Network {
  const network = new Network(seed, [{ name: 'eu' }, { name: 'na' }]);
  for (const zone of ['eu', 'na', 'eu', 'na']) network.addClient(zone);
  assert(network.attach());
  return network;
}

for (const role of ['mix', 'rendezvous', 'superpeer']) {
  test(`after a restart of the callers’ ${role} clients are attached again and can call`, () => {
    const network = attached(`restart-${role}-1`);
    const [caller, callee] = network.clients;
    network.restart(`eu-${role}-1`);
    // Of a mix's restart the superpeer tells: there is a new session before the old one is given up. Of a rendezvous'
    // the mix tells: there is a new half-circuit, and the attachment stays.
    const noticed = network.run(10, () => !caller.machine.attached);
    assert.equal(noticed, role === 'superpeer', 'its clients notice');
    assert(network.attach(undefined, 30), 'all are attached again');
    network.run(1);
    assertTalk(network, caller, callee);
    network.run(1);
    assertTalk(network, callee, caller);
  });

  test(`a call outlives a restart of the only ${role} of its caller’s zone`, () => {
    const network = attached(`restart-${role}-2`);
    const [caller, callee] = network.clients;
    const listeners = [caller, callee].map(({ machine }) => {
      const listener = new Listener(network.world);
      machine.voice = listener.voice;
      return listener;
    });
    assert.equal(call(network, caller, callee), 'up');
    network.run(1);
    const since = network.world.now;
    network.restart(`eu-${role}-1`);
    network.run(8);
    // Three seconds until the only attachment, or circuit, is given up; then everything is made anew.
    for (const listener of listeners) assert((listener.resumedAfterMs(since) ?? Number.POSITIVE_INFINITY) < 6000);
    caller.machine.hangUp();
    const over = () => [caller, callee].every(({ machine }) => machine.callState === 'idle');
    assert(network.run(3, over), 'a hang-up still gets through');
    network.run(1);
    assertTalk(network, callee, caller);
  });
}

test('a circuit that a restarted rendezvous gives the number of a lost one is not destroyed with that', () => {
  const network = new Network('numbers', [{ name: 'eu' }]);
  network.addClients('eu', 8);
  assert(network.attach());
  // All lose their circuits, and come back in another order.
  network.restart('eu-rendezvous-1');
  network.run(6);
  assert.equal(network.mix('eu').machine.holdings().circuits, 8);
});

test('what a rendezvous has not heard of, because the link was dead then, it is told of later', () => {
  const network = new Network('not heard', [{ name: 'eu' }]);
  const clients = network.addClients('eu', 6);
  assert(network.attach());
  const [mix, rendezvous] = [network.mix('eu'), network.rendezvous('eu')];
  const heal = network.world.partition([mix.host], [rendezvous.host]);
  for (const { id } of clients.slice(2)) network.kill(id);
  network.run(12);
  assert.deepEqual([mix.machine.holdings().circuits, rendezvous.machine.circuits()], [2, 6]);
  heal();
  network.run(6);
  assert.deepEqual([mix.machine.holdings().circuits, rendezvous.machine.circuits()], [2, 2]);
});

for (const role of ['mix', 'rendezvous'] as const) {
  test(`clients that are back before the other end has heard of the ${role}’s restart keep their circuits`, () => {
    const network = new Network(`late news ${role}`, [{ name: 'eu', superpeers: 4 }]);
    for (const channel of [1, 2, 3, 4]) network.addClient('eu', [channel]);
    assert(network.attach());
    // The restarted node and everybody else hear at once, but the other end of the circuits.
    const restarted = network[role]('eu');
    const other = network[role === 'mix' ? 'rendezvous' : 'mix']('eu');
    const { machine } = other;
    const { update } = machine;
    let news: (() => void) | undefined;
    machine.update = (now, view) => {
      news = () => update.call(machine, now, view);
    };
    network.restart(restarted.id);
    // One who comes in between.
    network.run(4);
    network.addClient('eu', [1]);
    network.run(8);
    const holdings = () => [network.mix('eu').machine.holdings().circuits, network.rendezvous('eu').machine.circuits()];
    news?.();
    network.run(6);
    assert.deepEqual(holdings(), [5, 5]);
    // And what both ends have is the same: every client can be called.
    for (const client of network.clients.slice(1, 4)) {
      assertTalk(network, network.clients[0], client);
      network.run(1);
    }
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
