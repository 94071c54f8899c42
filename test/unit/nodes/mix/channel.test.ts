import assert from 'node:assert/strict';
import test from 'node:test';
import { SECOND_US } from '../../../../nodes/core/units.ts';
import { GENERATION_BITS, GENERATION_LATE } from '../../../../nodes/crypto/generations.ts';
import { ReplayWindow } from '../../../../nodes/crypto/replay.ts';
import { Allocation } from '../../../../nodes/mix/allocation.ts';
import { Attachment, Channel } from '../../../../nodes/mix/channel.ts';
import { Session } from '../../../../nodes/mix/session.ts';
import { GEOMETRY, GRANT_REFUSED, TICK_US } from '../../../../nodes/wire/constants.ts';

const NOW = 1_800_000_000 * SECOND_US;
const SLOTS = 4;
const allocation = () => new Allocation({ mode: 'augment', random: () => 0.5, changed: () => {} });

function channelOf(lines = allocation(), id = 1): Channel {
  return new Channel(NOW, id, lines.newLine(id), 5, SLOTS, GEOMETRY.A.mixPlain);
}

/** What Mix does with one that is attached. */
function join(channel: Channel, session = new Session(NOW, `session ${channel.freeSlot()}`), number = 0, first = 10) {
  const slot = channel.freeSlot();
  const keys = { send: Buffer.alloc(32, slot + 1), receive: Buffer.alloc(32, slot + 101) };
  const attachment = new Attachment(NOW, { session, number, channel, slot }, first, keys, GEOMETRY.A.mix);
  channel.attachments[slot] = attachment;
  session.attachments[number] = attachment;
  session.party.places[number] = { line: channel.line, heardAt: NOW, hears: true };
  return attachment;
}

/** Whom the next `ticks` control cells address, as slots. */
const addressed = (channel: Channel, ticks: number) => Array.from({ length: ticks }, () => channel.nextControl()?.slot);

test('a full channel has no free slot, and the one that was left first is given first', () => {
  const channel = channelOf();
  const many = Array.from({ length: SLOTS }, () => join(channel));
  assert.equal(channel.freeSlot(), -1);
  for (const [after, slot] of [2, 0, 3].entries()) {
    channel.attachments[many[slot].slot] = undefined;
    channel.emptySince[many[slot].slot] = NOW + after;
  }
  assert.equal(channel.freeSlot(), many[2].slot);
});

test('control cells go round all clients, a changed state three times before that', () => {
  const channel = channelOf();
  const clients = [join(channel), join(channel), join(channel)];
  assert.deepEqual(new Set(addressed(channel, 3)), new Set([0, 1, 2]));
  clients[1].session.announce();
  assert.deepEqual(addressed(channel, 3), [1, 1, 1]);
  assert.deepEqual(new Set(addressed(channel, 3)), new Set([0, 1, 2]));
});

test('a changed state is told on all attachments of a session, under one higher number', () => {
  const lines = allocation();
  const channels = [channelOf(lines, 1), channelOf(lines, 2)];
  const session = new Session(NOW, 'two');
  for (const channel of channels) join(channel);
  for (const [number, channel] of channels.entries()) join(channel, session, number);
  const { told } = session;
  session.announce();
  assert.equal(session.told, told + 1);
  for (const channel of channels) assert.deepEqual(addressed(channel, 3), [1, 1, 1]);
});

test('in a channel without clients, or one that is abandoned, nobody is addressed', () => {
  const channel = channelOf();
  assert.equal(channel.isEmpty, true);
  assert.equal(channel.nextControl(), undefined);
  join(channel).session.announce();
  assert.equal(channel.isEmpty, false);
  channel.isAbandoned = true;
  assert.equal(channel.nextControl(), undefined);
});

test('the speaker is who may speak, also for as long as the line drains from him, and nobody after', () => {
  const lines = allocation();
  const channel = channelOf(lines);
  const [, two] = [join(channel), join(channel)];
  const { party } = two.session;
  assert.equal(channel.speaker(), undefined);
  lines.want(NOW, party, true);
  assert.equal(channel.speaker(), two);
  lines.want(NOW, party, false);
  assert.equal(channel.speaker(), two);
  for (let round = 0; round < 10; round += 1) lines.round(NOW, channel.line, false);
  assert.equal(channel.speaker(), undefined);
});

test('a client is told on which of its attachments it may speak, that it is refused, and which circuits stand', () => {
  const lines = allocation();
  const [one, two] = [channelOf(lines, 1), channelOf(lines, 2)];
  const session = new Session(NOW, 'k = 2');
  for (const [number, channel] of [one, two].entries()) join(channel, session, number);
  const other = join(one).session;
  assert.deepEqual([session.grant, session.circuitMask, session.leadsTo(() => false)], [0, 0, undefined]);
  lines.want(NOW, other.party, true);
  lines.want(NOW, session.party, true);
  assert.equal(session.grant, 0b10);
  const third = join(two).session;
  lines.want(NOW, third.party, true);
  assert.equal(third.grant, GRANT_REFUSED);
  const spoken = new ReplayWindow();
  const circuit = { spoken, stands: true, madeAt: NOW };
  session.circuits[1] = { ...circuit, rendezvousTag: 'aa', id: 1 };
  session.circuits[0] = { ...circuit, rendezvousTag: 'bb', id: 2, stands: false };
  assert.deepEqual([session.circuitMask, session.leadsTo(() => false)], [0b10, 'aa']);
  session.circuits[0] = { ...circuit, rendezvousTag: 'bb', id: 3 };
  session.circuits[4] = { ...circuit, rendezvousTag: 'cc', id: 4 };
  assert.deepEqual([session.circuitMask, session.leadsTo((tag) => tag === 'bb')], [0b10011, 'cc']);
  assert.equal(
    session.leadsTo(() => true),
    'bb',
    'where all drain, the first',
  );
});

test('a session is empty when its last attachment has gone', () => {
  const session = new Session(NOW, 'gone');
  assert.equal(session.isEmpty, true);
  join(channelOf(), session, 1);
  assert.equal(session.isEmpty, false);
  session.attachments[1] = undefined;
  assert.equal(session.isEmpty, true);
});

test('a session that begins after a restart of the mix tells of newer states than the one before', () => {
  const before = new Session(NOW, 'before');
  for (let change = 0; change < 5; change += 1) before.announce();
  assert(new Session(NOW + 10 * SECOND_US, 'after').told > before.told);
});

test('keys that rest follow those that are used: an idle client’s first word opens after any number of generations', () => {
  const generation = 2 ** GENERATION_BITS;
  const attachment = join(channelOf(), undefined, 0, generation - 3);
  const ups = [attachment.coding, attachment.cellReceive, attachment.signal, attachment.audit];
  for (const sequence of [generation + GENERATION_LATE, 2 * generation, 3 * generation + 7]) {
    attachment.commitUp(sequence);
    assert.equal(attachment.sequence, sequence);
    for (const keys of ups) assert(keys.at(sequence + 1), `s = ${sequence + 1}`);
  }
  attachment.commitUp(3 * generation);
  assert.equal(attachment.sequence, 3 * generation + 7, 'an older one does not set it back');
  for (const keys of ups) assert.equal(keys.at(generation), undefined, 'and what is two generations old is erased');
  attachment.commitDown(2 * generation);
  for (const keys of [attachment.cellSend, attachment.control]) assert(keys.at(2 * generation + 1));
});

test('media is steady when it has gone down for 300 ms with no two ticks in a row without', () => {
  const channel = channelOf();
  const speak = (from: number, ticks: number, every = 1) => {
    for (let tick = 0; tick < ticks; tick += every) channel.spokenDown(NOW + (from + tick) * TICK_US);
  };
  const isSteadyAt = (tick: number) => channel.isSteady(NOW + tick * TICK_US);
  assert.equal(isSteadyAt(0), false);
  speak(0, 15);
  assert.equal(isSteadyAt(14), false);
  speak(15, 1);
  assert.equal(isSteadyAt(15), true);
  assert.equal(isSteadyAt(17), false, 'two ticks without');
  speak(18, 16);
  assert.equal(isSteadyAt(33), true);
  speak(40, 16, 2);
  assert.equal(isSteadyAt(54), false, 'every other tick is a pause');
});
