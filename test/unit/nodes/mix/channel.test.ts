import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MILLISECOND_US, SECOND_US } from '../../../../nodes/core/units.ts';
import { Channel, Client } from '../../../../nodes/mix/channel.ts';
import { GEOMETRY, GRANT, TICK_US } from '../../../../nodes/wire/constants.ts';

const SLOTS = 4;
const RELAY_BYTES = GEOMETRY.A.relay;

/** A channel with clients in its first slots. */
function channelOf(clients: number, now = 0): { channel: Channel; clients: Client[] } {
  const channel = new Channel(1, SLOTS, RELAY_BYTES);
  const made = Array.from({ length: clients }, () => join(channel, now));
  return { channel, clients: made };
}

function join(channel: Channel, now: number): Client {
  const slot = channel.freeSlot();
  const keys = { send: Buffer.alloc(32, slot + 1), receive: Buffer.alloc(32, slot + 101) };
  const client = new Client(now, slot, { rendezvousTag: 'r', circuit: slot, firstSequence: 10 }, keys, GEOMETRY.A.mix);
  channel.clients[slot] = client;
  return client;
}

/** Whom the next `ticks` control cells address, as slots. */
const addressed = (channel: Channel, ticks: number) => Array.from({ length: ticks }, () => channel.nextControl()?.slot);

test('a client that wants the channel gets it, keeps it while it wants, and gives it back', () => {
  const { channel, clients } = channelOf(2);
  const [one] = clients;
  channel.signalled(0, one, true);
  assert.equal(channel.holder, one);
  assert.equal(one.grant, GRANT.granted);
  channel.signalled(1, one, true);
  assert.equal(channel.holder, one);
  channel.signalled(2, one, false);
  assert.equal(channel.holder, undefined);
  assert.equal(one.grant, GRANT.idle);
});

test('a second client is refused, told once, and gets the channel when it asks after it is free', () => {
  const { channel, clients } = channelOf(2);
  const [one, two] = clients;
  channel.signalled(0, one, true);
  channel.signalled(0, two, true);
  assert.equal(channel.holder, one);
  assert.equal(two.grant, GRANT.refused);
  for (let tick = 0; tick < 12; tick += 1) channel.nextControl();
  channel.signalled(1, two, true);
  assert.equal(two.announce, 0, 'a repeated wish changes nothing');
  channel.signalled(2, two, false);
  assert.equal(two.grant, GRANT.idle);
  channel.signalled(3, one, false);
  channel.signalled(4, two, true);
  assert.equal(channel.holder, two);
});

test('a called client has the channel before it says so: its older "no" does not take it away', () => {
  const { channel, clients } = channelOf(1);
  const [callee] = clients;
  assert(channel.hold(0, callee, false));
  channel.signalled(1, callee, false);
  assert.equal(channel.holder, callee);
  channel.signalled(2, callee, true);
  channel.signalled(3, callee, false);
  assert.equal(channel.holder, undefined);
});

test('a holder that sends no cell for five seconds has lost the channel', () => {
  const { channel, clients } = channelOf(1);
  channel.hold(0, clients[0], true);
  channel.heard(SECOND_US);
  channel.expire(6 * SECOND_US);
  assert.equal(channel.holder, clients[0]);
  channel.expire(6 * SECOND_US + 1);
  assert.equal(channel.holder, undefined);
  assert.equal(clients[0].grant, GRANT.idle);
});

test('a holder that leaves frees the channel and its slot', () => {
  const { channel, clients } = channelOf(2);
  channel.hold(0, clients[0], true);
  channel.remove(clients[0]);
  assert.equal(channel.holder, undefined);
  assert.equal(channel.freeSlot(), 0);
  channel.remove(clients[1]);
  assert.equal(channel.freeSlot(), 0);
});

test('a full channel has no free slot', () => {
  const { channel, clients } = channelOf(SLOTS);
  assert.equal(channel.freeSlot(), -1);
  channel.remove(clients[2]);
  assert.equal(channel.freeSlot(), 2);
});

test('control cells go round all clients, a changed grant three times before that', () => {
  const { channel, clients } = channelOf(3);
  assert.deepEqual(new Set(addressed(channel, 3)), new Set([0, 1, 2]));
  channel.tell(clients[1], GRANT.granted);
  assert.deepEqual(addressed(channel, 3), [1, 1, 1]);
  assert.deepEqual(new Set(addressed(channel, 3)), new Set([0, 1, 2]));
});

test('an abandoned client is addressed no more, however much it has to be told', () => {
  const { channel, clients } = channelOf(2);
  channel.tell(clients[0], GRANT.granted);
  clients[0].abandoned = true;
  assert.deepEqual(new Set(addressed(channel, 6)), new Set([1]));
  clients[1].abandoned = true;
  assert.equal(channel.nextControl(), undefined);
});

test('cells for the holder come out in order, and the oldest makes room', () => {
  const { channel, clients } = channelOf(1);
  channel.hold(0, clients[0], true);
  let queued = 1;
  while (!channel.queueDown(Buffer.alloc(RELAY_BYTES, queued))) queued += 1;
  const into = Buffer.alloc(RELAY_BYTES + 3);
  const taken: number[] = [];
  while (channel.takeDown(into, 3)) taken.push(into[3]);
  assert.deepEqual(
    taken,
    Array.from({ length: queued - 1 }, (_, i) => i + 2),
  );
});

test('cells of a call that has ended are not sent to the next holder', () => {
  const { channel, clients } = channelOf(2);
  channel.hold(0, clients[0], true);
  channel.queueDown(Buffer.alloc(RELAY_BYTES, 1));
  channel.release();
  channel.hold(0, clients[1], true);
  assert.equal(channel.takeDown(Buffer.alloc(RELAY_BYTES), 0), false);
});

type Event =
  | { kind: 'signal'; who: number; wants: boolean }
  | { kind: 'ring' | 'leave'; who: number }
  | { kind: 'heard' | 'join' | 'control' | 'release' }
  | { kind: 'wait'; us: number };

const who = fc.nat(SLOTS - 1);
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('signal' as const), who, wants: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('ring' as const, 'leave' as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('heard' as const, 'join' as const, 'control' as const, 'release' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      us: fc.constantFrom(TICK_US, 300 * MILLISECOND_US, 2 * SECOND_US, 6 * SECOND_US),
    }),
  },
);

test('whatever happens, at most one client has the channel, it is attached, and it alone has been told so', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200, size: 'max' }), (events) => {
      const { channel } = channelOf(SLOTS);
      let now = 0;
      for (const happened of events) {
        const client = 'who' in happened ? channel.clients[happened.who] : undefined;
        const before = channel.holder;
        if (happened.kind === 'wait') {
          now += happened.us;
          channel.expire(now);
        } else if (happened.kind === 'heard') channel.heard(now);
        else if (happened.kind === 'release') channel.release();
        else if (happened.kind === 'control') channel.nextControl();
        else if (happened.kind === 'join' && channel.freeSlot() >= 0) join(channel, now);
        else if (client && happened.kind === 'signal') channel.signalled(now, client, happened.wants);
        else if (client && happened.kind === 'ring') {
          const taken = channel.hold(now, client, false);
          assert.equal(taken, before === undefined || before === client);
        } else if (client && happened.kind === 'leave') channel.remove(client);
        const granted = channel.clients.filter((one) => one?.grant === GRANT.granted);
        assert.deepEqual(granted, channel.holder ? [channel.holder] : []);
        if (before && channel.holder) assert.equal(channel.holder, before, 'nobody is put in the place of a holder');
      }
      now += 6 * SECOND_US;
      channel.expire(now);
      assert.equal(channel.holder, undefined, 'silence frees it in the end');
    }),
    { numRuns: 200 },
  );
});
