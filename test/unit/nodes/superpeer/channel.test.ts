import assert from 'node:assert/strict';
import test from 'node:test';
import { Listener } from '../../../sim/talk.ts';
import { Network } from '../../../sim/zones.ts';
import { assertWhole, call, givenUp } from '../support/calls.ts';

test('twenty clients share a channel and one of them speaks: nothing that the others send garbles it', () => {
  const network = new Network('twenty-1', [{ name: 'eu' }, { name: 'na' }]);
  const many = Array.from({ length: 20 }, () => network.addClient('eu'));
  const callee = network.addClient('na');
  assert(network.attach(undefined, 60), 'all attach');
  assert.equal(network.mix('eu').machine.clients(), 20);
  const caller = many[7];
  const atCaller = new Listener(network.world);
  const atCallee = new Listener(network.world);
  caller.machine.voice = atCaller.voice;
  callee.machine.voice = atCallee.voice;
  const before = givenUp(network);
  assert.equal(call(network, caller, callee), 'up');
  network.run(5);
  for (const heard of [atCaller, atCallee]) assertWhole(heard, 225, givenUp(network) - before);
  const { drops } = network.mix('eu');
  assert.deepEqual([drops.get('coding_collision'), drops.get('bad_manifest'), drops.get('bad_tag')], [0, 0, 0]);
  for (const other of many) if (other !== caller) assert.equal(other.machine.callState, 'idle');
});

test('a twenty-first client finds no place and gets one when another has gone', () => {
  const network = new Network('twenty-2', [{ name: 'eu' }]);
  const many = Array.from({ length: 20 }, () => network.addClient('eu'));
  assert(network.attach(undefined, 60), 'all attach');
  const late = network.addClient('eu');
  assert.equal(network.attach([late], 10), false);
  many[3].host.machine = undefined;
  assert(network.attach([late], 30));
});

test('the speaker of a channel is refused to others, who are told at once', () => {
  const network = new Network('refused-1', [{ name: 'eu' }, { name: 'na', superpeers: 2 }]);
  const [one, two] = [network.addClient('eu'), network.addClient('eu')];
  const [callee, other] = [network.addClient('na', [1]), network.addClient('na', [2])];
  assert(network.attach());
  assert.equal(call(network, one, callee), 'up');
  assert.equal(call(network, two, other, 2), 'no-channel');
  assert.equal(one.machine.callState, 'talking');
  one.machine.hangUp();
  assert(network.run(5, () => one.machine.callState === 'idle'));
  network.run(1);
  assert.equal(call(network, two, other), 'up', 'the channel is free for it then');
});
