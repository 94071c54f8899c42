import assert from 'node:assert/strict';
import test from 'node:test';
import { Pair } from '../../../sim/pair.ts';
import { Checker } from '../../../sim/scenario.ts';
import { Network, type SimClient } from '../../../sim/zones.ts';
import { assertTalk, call, endOf } from '../support/calls.ts';

/** Everybody takes what rings, for so many seconds. */
const answering = (network: Network, seconds: number) =>
  network.run(seconds, () => {
    for (const { machine, host } of network.clients) machine.answer(host.now);
    return false;
  });

test('a busy callee does not answer a second caller, and its call goes on', () => {
  const network = new Network('busy-1', [{ name: 'eu' }, { name: 'na' }, { name: 'sa' }]);
  const [first, callee, second] = ['eu', 'na', 'sa'].map((zone) => network.addClient(zone));
  assert(network.attach());
  assert.equal(call(network, first, callee), 'up');
  assert.equal(call(network, second, callee, 35), 'not-answered');
  assert.equal(first.machine.callState, 'talking');
  assert.equal(callee.machine.callState, 'talking');
  first.machine.hangUp();
  assert(network.run(5, () => callee.machine.callState === 'idle'));
  network.run(1);
  assertTalk(network, second, callee);
});

test('of two who call one callee at once, one talks and the other is not answered', () => {
  const network = new Network('two-callers-1', [{ name: 'eu' }, { name: 'na' }, { name: 'sa' }]);
  const [first, callee, second] = ['eu', 'na', 'sa'].map((zone) => network.addClient(zone));
  assert(network.attach());
  for (const { machine } of [first, second]) assert.equal(machine.place(network.world.now, callee.contact), undefined);
  answering(network, 35);
  const callers = [first, second];
  const talking = callers.filter(({ machine }) => machine.callState === 'talking');
  assert.equal(talking.length, 1);
  assert.equal(callee.machine.callState, 'talking');
  assert.equal(endOf(callers.find((caller) => caller !== talking[0])!), 'not-answered');
});

test('of two on one channel who call one callee at once, the other has no channel', () => {
  const network = new Network('two-callers-2', [{ name: 'eu' }, { name: 'na' }]);
  const [first, second, callee] = ['eu', 'eu', 'na'].map((zone) => network.addClient(zone));
  assert(network.attach());
  for (const { machine } of [first, second]) assert.equal(machine.place(network.world.now, callee.contact), undefined);
  answering(network, 6);
  const ends = [first, second].map((caller) => endOf(caller) ?? caller.machine.callState);
  assert.deepEqual(ends.sort(), ['no-channel', 'talking']);
});

test('two who call each other at once talk to each other, in the call of the lower key, and nobody is asked', () => {
  const network = new Network('crossed-1', [{ name: 'eu' }, { name: 'na' }]);
  const [one, two] = ['eu', 'na'].map((zone) => network.addClient(zone));
  assert(network.attach());
  assert.equal(one.machine.place(network.world.now, two.contact), undefined);
  assert.equal(two.machine.place(network.world.now, one.contact), undefined);
  assert(network.run(7, () => [one, two].every(({ machine }) => machine.callState === 'talking')));
  const isLower = one.identity.endToEnd.publicKey.compare(two.identity.endToEnd.publicKey) < 0;
  const incoming = [one, two].map(({ machine }) => {
    const kinds: (boolean | string)[] = [];
    for (let event = machine.poll(); event; event = machine.poll())
      if (event.kind !== 'attached') kinds.push(event.kind === 'call-up' ? event.incoming : event.kind);
    return kinds;
  });
  assert.deepEqual(incoming, [[!isLower], [isLower]]);
  one.machine.hangUp();
  assert(network.run(5, () => two.machine.callState === 'idle'));
  network.run(1);
  assertTalk(network, two, one);
});

test('nobody answers for a client that is not there', () => {
  const network = new Network('absent-1', [{ name: 'eu' }, { name: 'na' }]);
  const [caller, callee] = ['eu', 'na'].map((zone) => network.addClient(zone));
  callee.host.machine = undefined;
  assert(network.attach([caller]));
  assert.equal(call(network, caller, callee, 7), 'waits');
});

test('a call ends at the other side too when one hangs up, whichever it is', () => {
  const network = new Network('hang-up-1', [{ name: 'eu' }, { name: 'na' }]);
  const [caller, callee] = ['eu', 'na'].map((zone) => network.addClient(zone));
  assert(network.attach());
  const ends: [SimClient, SimClient][] = [
    [caller, callee],
    [callee, caller],
  ];
  for (const [who, other] of ends) {
    assert.equal(call(network, caller, callee), 'up');
    network.run(1);
    for (const client of [caller, callee]) endOf(client);
    who.machine.hangUp();
    assert(network.run(3, () => other.machine.callState === 'idle' && who.machine.callState === 'idle'));
    assert.deepEqual([endOf(who), endOf(other)], ['hung-up', 'peer-hung-up']);
    network.run(1);
  }
});

test('who hangs up while nothing gets through is free all the same', () => {
  const network = new Network('unsaid-1', [{ name: 'eu' }, { name: 'na' }]);
  const [caller, callee] = ['eu', 'na'].map((zone) => network.addClient(zone));
  assert(network.attach());
  assert.equal(call(network, caller, callee), 'up');
  network.kill('eu-superpeer-1');
  network.run(4);
  caller.machine.hangUp();
  assert(network.run(3, () => caller.machine.callState === 'idle'));
});

test('a client that vanishes is missed within ten seconds, and the other can call again', () => {
  const network = new Network('vanish-1', [{ name: 'eu' }, { name: 'na' }, { name: 'sa' }]);
  const [caller, callee, third] = ['eu', 'na', 'sa'].map((zone) => network.addClient(zone));
  assert(network.attach());
  assert.equal(call(network, caller, callee), 'up');
  callee.host.machine = undefined;
  assert(network.run(11, () => caller.machine.callState === 'idle'));
  assert.equal(endOf(caller), 'lost');
  network.run(6);
  assertTalk(network, caller, third);
});

test('a callee whom the caller looked for elsewhere is heard, and hears, where he comes back', () => {
  // With one attachment he has one rendezvous: over the other the caller asks in vain.
  for (const seconds of [1.3, 1.6]) {
    const check = new Checker();
    const pair = new Pair(`back-${seconds}`, check, { attachments: 1 });
    pair.begin(true);
    const { network, callee } = pair;
    const since = network.world.now;
    const nodes = [...network.nodes.values()].map(({ host }) => host);
    const heal = network.world.partition([callee.host], nodes);
    network.run(seconds);
    heal();
    network.run(4);
    assert(pair.resumedAfterMs(since) <= 2000, `cut off for ${seconds} s: ${pair.resumedAfterMs(since)} ms`);
    pair.end(`cut off for ${seconds} s`);
    assert.deepEqual(check.violations, []);
  }
});

/** A zone with two channels, so that two of its clients can talk to each other, and clients on either. */
function local(seed: string, rendezvous: number): Network {
  const network = new Network(seed, [{ name: 'eu', superpeers: 2, rendezvous }]);
  for (const channel of [1, 2, 1, 2, 1, 2]) network.addClient('eu', [channel]);
  assert(network.attach());
  return network;
}

test('caller and callee of one zone meet at their one rendezvous', () => {
  const network = local('local-1', 1);
  const [caller, callee] = network.clients;
  assertTalk(network, caller, callee);
  network.run(1);
  assertTalk(network, callee, caller);
});

test('caller and callee of one zone talk whichever of its rendezvous each of them has', () => {
  const network = local('local-2', 3);
  const [one, two, three, four, five, six] = network.clients;
  for (const [caller, callee] of [
    [one, two],
    [three, four],
    [five, six],
    [two, three],
    [four, five],
  ]) {
    assertTalk(network, caller, callee);
    network.run(1);
  }
});

test('at their one rendezvous a busy callee is busy as well', () => {
  const network = new Network('local-3', [{ name: 'eu', superpeers: 3 }]);
  const [first, callee, second] = [1, 2, 3].map((channel) => network.addClient('eu', [channel]));
  assert(network.attach());
  assert.equal(call(network, first, callee), 'up');
  assert.equal(call(network, second, callee, 7), 'waits');
  assert.equal(first.machine.callState, 'talking');
  second.machine.hangUp();
  first.machine.hangUp();
  assert(network.run(5, () => callee.machine.callState === 'idle'));
  network.run(1);
  assertTalk(network, second, callee);
});

test('two on one channel cannot talk to each other: the callee has no channel of its own', () => {
  const network = new Network('local-4', [{ name: 'eu' }]);
  const [caller, callee] = [network.addClient('eu'), network.addClient('eu')];
  assert(network.attach());
  assert.equal(call(network, caller, callee, 7), 'waits');
  assert.equal(callee.machine.callState, 'idle');
});

test('nobody calls himself', () => {
  const network = new Network('self-1', [{ name: 'eu' }]);
  const client = network.addClient('eu');
  assert(network.attach());
  assert.equal(call(network, client, client, 7), 'waits');
});
