import assert from 'node:assert/strict';
import test from 'node:test';
import type { VoiceIo } from '../../nodes/client/call.ts';
import { MILLISECOND_US, SECOND_US } from '../../nodes/core/units.ts';
import { type PathQuality, World } from './world.ts';
import { addClient, makeZones, type SimClient } from './zones.ts';

const PATH: PathQuality = { delayUs: 45 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 };

/** Frame i of a recording is filled with a byte that names it, so that a frame out of place is seen. */
const recording = (): VoiceIo => {
  let frame = 0;
  return {
    next: (into) => {
      into.fill(frame % 251);
      frame += 1;
    },
    heard: () => {},
  };
};

function listener() {
  const frames = new Map<number, number>();
  const delaysMs: number[] = [];
  const roundTripsMs: number[] = [];
  const voice: VoiceIo = {
    next: (into) => into.fill(0xff),
    heard: (_now, counter, frame, timing) => {
      assert(
        frame.every((byte) => byte === frame[0]),
        'a frame arrives whole',
      );
      frames.set(counter, frame[0]!);
      delaysMs.push(timing.oneWayUs / MILLISECOND_US);
      if (timing.roundTripUs !== undefined) roundTripsMs.push(timing.roundTripUs / MILLISECOND_US);
    },
  };
  return { voice, frames, delaysMs, roundTripsMs };
}

function attach(world: World, clients: readonly SimClient[]): void {
  const attached = world.run(world.now + 20 * SECOND_US, () => clients.every(({ machine }) => machine.attached));
  assert(attached, 'all clients attach within 20 s');
}

test('a voice call crosses two zones, frame by frame, and both sides are free again after it', () => {
  const world = new World('call-1', () => PATH);
  const zones = makeZones(world, ['eu', 'na']);
  const caller = addClient(world, zones[0]!, 1);
  const callee = addClient(world, zones[1]!, 1);
  attach(world, [caller, callee]);
  const heard = listener();
  caller.machine.voice = heard.voice;
  callee.machine.voice = recording();
  assert.equal(caller.machine.place(world.now, callee.contact), undefined);
  assert(
    world.run(world.now + 5 * SECOND_US, () => caller.machine.callState === 'talking'),
    'set up within 5 s',
  );
  world.run(world.now + 10 * SECOND_US);
  assert(heard.frames.size > 450, `10 s bring about 475 frames, got ${heard.frames.size}`);
  const counters = [...heard.frames.keys()];
  assert.equal(Math.max(...counters) + 1, heard.frames.size, 'without loss no frame is missing');
  for (const [counter, byte] of heard.frames) assert.equal(byte, counter % 251);
  const median = heard.delaysMs.sort((a, b) => a - b)[Math.floor(heard.delaysMs.length / 2)]!;
  assert(median > 7 * 45 && median < 7 * 45 + 8 * 21, `seven hops of 45 ms and less than a tick each: ${median} ms`);
  const roundTrip = heard.roundTripsMs.sort((a, b) => a - b)[Math.floor(heard.roundTripsMs.length / 2)]!;
  assert(roundTrip > median * 1.5 && roundTrip < median * 2.5, `round trip ${roundTrip} ms, one way ${median} ms`);
  caller.machine.hangUp();
  const idle = () => caller.machine.callState === 'idle' && callee.machine.callState === 'idle';
  assert(world.run(world.now + 3 * SECOND_US, idle), 'both sides are idle after a hang-up');
  world.run(world.now + 2 * SECOND_US);
  assert.equal(callee.machine.place(world.now, caller.contact), undefined, 'the callee can call back');
  assert(world.run(world.now + 5 * SECOND_US, () => callee.machine.callState === 'talking'));
});

test('an observer of every link sees the same packets, lengths and times whether a call is on or not', () => {
  const watch = (withCall: boolean) => {
    const world = new World('observer-1', () => PATH);
    const zones = makeZones(world, ['eu', 'na']);
    const caller = addClient(world, zones[0]!, 1);
    const callee = addClient(world, zones[1]!, 1);
    attach(world, [caller, callee]);
    world.run(world.now + SECOND_US);
    const start = world.now;
    const seen: string[] = [];
    world.observe = ({ at, from, to, length }) => seen.push(`${at - start} ${from} ${to} ${length}`);
    let talked = false;
    if (withCall) assert.equal(caller.machine.place(world.now, callee.contact), undefined);
    world.run(world.now + 8 * SECOND_US, () => {
      talked ||= caller.machine.callState === 'talking';
      return false;
    });
    caller.machine.hangUp();
    world.run(world.now + 4 * SECOND_US);
    return { seen, talked };
  };
  const idle = watch(false);
  const active = watch(true);
  assert(active.talked && !idle.talked, 'one run has a call, the other has none');
  assert(idle.seen.length > 10_000, 'there is something to see');
  assert.deepEqual(active.seen, idle.seen);
});

test('loss on the path loses those frames and no others', () => {
  const world = new World('loss-1', () => ({ ...PATH, loss: 0.005 }));
  const zones = makeZones(world, ['eu', 'na']);
  const caller = addClient(world, zones[0]!, 1);
  const callee = addClient(world, zones[1]!, 1);
  const bystanders = [2, 3, 4, 5, 6].map((index) => addClient(world, zones[1]!, index));
  attach(world, [caller, callee, ...bystanders]);
  const heard = listener();
  caller.machine.voice = heard.voice;
  callee.machine.voice = recording();
  assert.equal(caller.machine.place(world.now, callee.contact), undefined);
  assert(world.run(world.now + 5 * SECOND_US, () => caller.machine.callState === 'talking'));
  world.run(world.now + 30 * SECOND_US);
  const expected = Math.max(...heard.frames.keys()) + 1;
  const lossRatio = 1 - heard.frames.size / expected;
  // Seven hops at 0.5 % lose 3.4 %. Were the five bystanders' losses to garble rounds, it would be about 6 %.
  assert(lossRatio > 0.01 && lossRatio < 0.05, `loss ${lossRatio}`);
  for (const [counter, byte] of heard.frames) assert.equal(byte, counter % 251);
});

test('hostile datagrams to every node change nothing but drop counters', () => {
  const world = new World('noise-1', () => PATH);
  const zones = makeZones(world, ['eu', 'na']);
  const caller = addClient(world, zones[0]!, 1);
  const callee = addClient(world, zones[1]!, 1);
  attach(world, [caller, callee]);
  const heard = listener();
  caller.machine.voice = heard.voice;
  callee.machine.voice = recording();
  assert.equal(caller.machine.place(world.now, callee.contact), undefined);
  assert(world.run(world.now + 5 * SECOND_US, () => caller.machine.callState === 'talking'));
  // Copies of real datagrams, cut short or with a flipped bit or as they were, and noise, from a real address.
  const captured: Buffer[] = [];
  world.tamper = (_from, _to, bytes) => {
    if (captured.length < 300 && world.random.next() < 0.3) captured.push(Buffer.from(bytes));
    return bytes;
  };
  world.run(world.now + SECOND_US);
  const nodes = zones.flatMap(({ mix, rendezvous, superpeer }) => [mix, rendezvous, superpeer]);
  const before = nodes.map(({ drops }) => drops.total());
  let sent = 0;
  for (const bytes of captured) {
    const flipped = Buffer.from(bytes);
    const bit = Math.floor(world.random.next() * bytes.length * 8);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const noise = Buffer.alloc(Math.floor(world.random.next() * 400));
    world.random.fill(noise);
    const cut = bytes.subarray(0, Math.floor(world.random.next() * bytes.length));
    for (const { host } of nodes) {
      for (const hostile of [flipped, noise, cut, bytes])
        world.inject(caller.host.endpoint, host.endpoint, Buffer.from(hostile));
    }
    sent += 4 * nodes.length;
    world.run(world.now + 20 * MILLISECOND_US);
  }
  world.run(world.now + 2 * SECOND_US);
  const dropped = nodes.reduce((sum, { drops }, index) => sum + drops.total() - before[index]!, 0);
  assert(
    dropped >= sent * 0.98,
    `${dropped} of ${sent} were dropped by name (a copied handshake may open a session nobody uses)`,
  );
  assert.equal(caller.machine.callState, 'talking');
  const missing = Math.max(...heard.frames.keys()) + 1 - heard.frames.size;
  // A queue may give up a standing cell whoever sends noise; nothing else may be missing.
  const givenUp = nodes.reduce((sum, { drops }) => sum + drops.get('queue_standing'), 0);
  assert(missing <= givenUp, `no frame of the call was lost to it: ${missing} missing, ${givenUp} given up by queues`);
});
