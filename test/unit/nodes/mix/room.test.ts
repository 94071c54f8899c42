import assert from 'node:assert/strict';
import test from 'node:test';
import { Network } from '../../../sim/zones.ts';

const CALLS = 12;
const ROOM = 2;

test('a mix takes as many calls to each rendezvous as the link to it carries, whatever it carries to others', () => {
  const plan = { superpeers: 2, channelsPerSuperpeer: CALLS / 2 };
  const network = new Network('room', [
    { name: 'eu', rendezvous: 2, ...plan, params: { meshCellsPerTick: ROOM } },
    { name: 'na', ...plan, params: { meshCellsPerTick: CALLS } },
  ]);
  // A channel for each, so that channels are not what is short.
  const pairs = Array.from({ length: CALLS }, (_, index) => {
    const caller = network.addClient('eu', [index + 1]);
    return { caller, callee: network.addClient('na', [index + 1]) };
  });
  assert(network.attach());
  for (const { caller, callee } of pairs) caller.machine.place(caller.host.now, callee.contact);
  network.run(8, () => {
    for (const { callee } of pairs) if (callee.machine.callState === 'ringing') callee.machine.answer(callee.host.now);
    return false;
  });
  const carried = [1, 2].map((number) => network.rendezvous('eu', number).machine.holdings().calls);
  assert.deepEqual(carried, [ROOM, ROOM]);
  assert.equal(pairs.filter(({ caller }) => caller.machine.callState === 'talking').length, 2 * ROOM);
  assert.equal(network.mix('eu').machine.holdings().held, 2 * ROOM);
});
