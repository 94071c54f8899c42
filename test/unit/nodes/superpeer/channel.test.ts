import assert from 'node:assert/strict';
import test from 'node:test';
import { assertWhole, call, listener, speaker } from '../support/calls.ts';
import { Network } from '../support/network.ts';

test('twenty clients share a channel and one of them speaks: nothing that the others send garbles it', () => {
  const network = new Network('twenty-1', [{ name: 'eu' }, { name: 'na' }]);
  const many = Array.from({ length: 20 }, () => network.addClient('eu'));
  const callee = network.addClient('na');
  assert(network.attach(undefined, 60), 'all attach');
  assert.equal(network.mix('eu').clients(), 20);
  const caller = many[7];
  const atCaller = listener();
  const atCallee = listener();
  caller.machine.voice = { ...atCaller, next: speaker().next };
  callee.machine.voice = { ...atCallee, next: speaker().next };
  const before = network.givenUp();
  assert.equal(call(network, caller, callee), 'up');
  network.run(5);
  for (const { frames } of [atCaller, atCallee]) assertWhole(frames, 225, network.givenUp() - before);
  const { drops } = network.nodes.get('eu-mix-1')!;
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
