import assert from 'node:assert/strict';
import test from 'node:test';
import type { View } from '../../../nodes/config/consensus.ts';
import { SECOND_US } from '../../../nodes/core/units.ts';
import { DEFAULT_PARAMS, Network, type SimNode } from '../../sim/zones.ts';

/** Every consensus that the node is told of from now on, with when. */
function told(network: Network, { machine }: SimNode): { at: number; view: View }[] {
  const calls: { at: number; view: View }[] = [];
  const update = machine.update.bind(machine);
  machine.update = (now, view) => {
    calls.push({ at: network.world.now, view });
    update(now, view);
  };
  return calls;
}

const channelsOf = (view: View) => view.own.channels.map(({ id, superpeer, mix }) => [id, superpeer.id, mix.id]);

test('channels are numbered through the superpeers and dealt to the mixes', () => {
  const params = { clientsPerChannel: 50 };
  const network = new Network('plan', [
    { name: 'eu', mixes: 2, rendezvous: 3, superpeers: 2, channelsPerSuperpeer: 3, params },
    { name: 'na' },
  ]);
  const view = network.viewOf('eu');
  assert.deepEqual(channelsOf(view), [
    [1, 'eu-superpeer-1', 'eu-mix-1'],
    [2, 'eu-superpeer-1', 'eu-mix-2'],
    [3, 'eu-superpeer-1', 'eu-mix-1'],
    [4, 'eu-superpeer-2', 'eu-mix-2'],
    [5, 'eu-superpeer-2', 'eu-mix-1'],
    [6, 'eu-superpeer-2', 'eu-mix-2'],
  ]);
  assert.deepEqual(view.own.params, { ...DEFAULT_PARAMS, ...params });
  assert.equal(view.own.nodes.length, 7);
  assert.deepEqual(
    view.peers.map(({ zone }) => zone),
    ['na'],
  );
  assert.equal(network.hostsOf('eu').length, 7);
});

test('what the consensus announces of a node its members hear', () => {
  const network = new Network('announce', [{ name: 'eu' }]);
  const calls = told(network, network.rendezvous('eu'));
  network.announce('eu-mix-1', { boot: 7 });
  assert.deepEqual(
    calls.map(({ view }) => view.own.nodes.find(({ role }) => role === 'mix')?.boot),
    [7],
  );
});

test('six hundred clients have addresses of their own', () => {
  const network = new Network('crowd', [{ name: 'eu' }]);
  const clients = network.addClients('eu', 600);
  assert.equal(new Set(clients.map(({ host }) => host.endpoint)).size, 600);
  assert.equal(network.world.hosts.size, 603);
});

test('a killed node is named by the consensus until it is retired, and again when it is restarted', () => {
  const network = new Network('gone', [{ name: 'eu', superpeers: 2 }]);
  network.kill('eu-superpeer-2');
  assert.equal(channelsOf(network.viewOf('eu')).length, 2);
  network.retire('eu-superpeer-2');
  assert.deepEqual(channelsOf(network.viewOf('eu')), [[1, 'eu-superpeer-1', 'eu-mix-1']]);
  network.restart('eu-superpeer-2', SECOND_US);
  network.run(0.9);
  assert.equal(channelsOf(network.viewOf('eu')).length, 1);
  network.run(0.2);
  assert.equal(channelsOf(network.viewOf('eu')).length, 2);
  assert.equal(network.superpeer('eu', 2).described.boot, 2);
  assert(network.superpeer('eu', 2).host.machine);
});

test('members learn of a consensus within the time that directories are asked in, the newest last', () => {
  const network = new Network('late', [{ name: 'eu', mixes: 10 }]);
  network.learnWithinUs = 3 * SECOND_US;
  const calls = Array.from({ length: 10 }, (_, index) => told(network, network.mix('eu', index + 1)));
  const start = network.world.now;
  network.publish();
  network.run(1);
  network.publish();
  network.run(5);
  const moments = calls.flat().map(({ at }) => at - start);
  assert(Math.min(...moments) < SECOND_US && Math.max(...moments) > 2 * SECOND_US);
  assert(Math.max(...moments) <= 4 * SECOND_US + 1000);
  for (const perNode of calls) {
    const epochs = perNode.map(({ view }) => view.own.epoch);
    assert.equal(epochs.at(-1), 2);
    assert.deepEqual(epochs, [...new Set(epochs)].sort());
  }
});

test('a node that stands still learns when it goes on; one that is dead never', () => {
  const network = new Network('still', [{ name: 'eu', mixes: 2 }]);
  const [paused, dead] = [network.mix('eu', 1), network.mix('eu', 2)];
  const [byPaused, byDead] = [told(network, paused), told(network, dead)];
  network.world.pause(paused.host, 2 * SECOND_US);
  network.kill('eu-mix-2');
  network.publish();
  network.run(1);
  assert.equal(byPaused.length, 0);
  network.run(2);
  assert.equal(byPaused.length, 1);
  assert.equal(byDead.length, 0);
});

test('while a directory is down its zone hears nothing and is heard of as it was', () => {
  const network = new Network('down', [{ name: 'eu' }, { name: 'na' }]);
  const [eu, na] = [told(network, network.mix('eu')), told(network, network.mix('na'))];
  network.directoriesDown.add('eu');
  network.restart('eu-rendezvous-1');
  assert.deepEqual([eu.length, na.length], [0, 1]);
  const bootOf = (view: View) => view.peers[0]!.nodes.find(({ role }) => role === 'rendezvous')!.boot;
  assert.equal(bootOf(na[0]!.view), 1);
  network.directoriesDown.clear();
  network.publish();
  assert.deepEqual([eu.length, na.length], [1, 2]);
  assert.equal(bootOf(na[1]!.view), 2);
});

test('a client can be killed and restarted with its identity', () => {
  const network = new Network('client', [{ name: 'eu' }]);
  const client = network.addClient('eu');
  assert(network.attach());
  network.kill(client.id);
  network.run(1);
  network.restart(client.id);
  assert.equal(client.machine.attached, false);
  assert(network.attach([client]));
});
