import assert from 'node:assert/strict';
import test from 'node:test';
import { SECOND_US } from '../../../../nodes/core/units.ts';
import { Listener } from '../../../sim/talk.ts';
import { Network } from '../../../sim/zones.ts';
import { assertTalk, call } from '../support/calls.ts';

/** A rendezvous that drains is left, within a zone too, where caller and callee may have it in common. */
const IDS = ['eu-rendezvous-1', 'eu-rendezvous-2', 'eu-rendezvous-3'];

function zone(seed: string, rendezvous: number, attachmentsPerClient: number): Network {
  const params = { attachmentsPerClient, clientsPerChannel: 8 };
  const network = new Network(seed, [{ name: 'eu', rendezvous, superpeers: 6, params }]);
  network.learnWithinUs = 3 * SECOND_US;
  network.addClient('eu', [1, 2, 3]);
  network.addClient('eu', [4, 5, 6]);
  assert(network.attach());
  network.run(3);
  return network;
}

const circuitsOf = (network: Network, id: string) => network.rendezvous('eu', IDS.indexOf(id) + 1).machine.circuits();

for (const attachments of [1, 2, 3]) {
  test(`a call of k = ${attachments} outlives the replacement of every rendezvous of its zone, one after the other`, () => {
    for (const seed of ['one', 'two']) {
      const network = zone(seed, 3, attachments);
      const [caller, callee] = network.clients;
      const ears = [caller, callee].map(({ machine }) => {
        const ear = new Listener(network.world);
        machine.voice = ear.voice;
        return ear;
      });
      assert.equal(call(network, caller, callee), 'up');
      for (const id of IDS) {
        network.announce(id, { draining: true });
        assert(
          network.run(25, () => circuitsOf(network, id) === 0),
          `${seed}: ${circuitsOf(network, id)} circuits stay at ${id}`,
        );
        network.kill(id);
        network.run(5);
        network.restart(id);
        network.announce(id, { draining: false });
        network.run(15);
        for (const ear of ears) {
          assert(ear.longestGapMs() <= 40, `${seed}, ${id}: a gap of ${ear.longestGapMs()} ms`);
          assert(ear.lost <= 6, `${seed}, ${id}: ${ear.lost} frames lost`);
        }
      }
      caller.machine.hangUp();
      const idle = () => [caller, callee].every(({ machine }) => machine.callState === 'idle');
      assert(network.run(5, idle), 'a hang-up gets through');
      network.run(15);
      assert.deepEqual(network.rendezvous('eu').machine.holdings().legs, 0);
      assertTalk(network, callee, caller);
    }
  });
}

test('a call that rings while the rendezvous drain is answered over another', () => {
  const network = zone('rings', 2, 1);
  const [caller, callee] = network.clients;
  assert.equal(caller.machine.place(network.world.now, callee.contact), undefined);
  assert(network.run(5, () => callee.machine.callState === 'ringing'));
  const id = IDS.find(
    (candidate) => network.rendezvous('eu', IDS.indexOf(candidate) + 1).machine.holdings().calls > 0,
  )!;
  network.announce(id, { draining: true });
  assert(network.run(20, () => circuitsOf(network, id) === 0));
  network.kill(id);
  assert.equal(callee.machine.callState, 'ringing');
  assert(callee.machine.answer(network.world.now));
  assert(network.run(2, () => caller.machine.callState === 'talking'));
});

test('clients stay with the only rendezvous, though it drains, and call over it', () => {
  const network = zone('only', 1, 1);
  const [caller, callee] = network.clients;
  network.announce('eu-rendezvous-1', { draining: true });
  network.run(10);
  assert.equal(circuitsOf(network, 'eu-rendezvous-1'), 2);
  assertTalk(network, caller, callee);
});

test('half-circuits are made over a channel whose mix has gone for good since, and the standby one is its own now', () => {
  const params = { attachmentsPerClient: 1 };
  const network = new Network('own now', [{ name: 'eu', mixes: 2, rendezvous: 2, superpeers: 2, params }]);
  const client = network.addClient('eu', [1]);
  assert(network.attach());
  network.kill('eu-mix-1');
  assert(network.run(20, () => network.mix('eu', 2).machine.clients() === 1));
  network.run(5);
  network.deal('eu', [2]);
  const id = IDS.find((candidate) => network.nodes.has(candidate) && circuitsOf(network, candidate) > 0)!;
  network.announce(id, { draining: true });
  const other = IDS.find((candidate) => network.nodes.has(candidate) && candidate !== id)!;
  assert(network.run(10, () => circuitsOf(network, other) === 1));
  assert.equal(client.machine.attachments, 1);
});
