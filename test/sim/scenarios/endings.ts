import type { CallEnd } from '../../../nodes/client/signalling.ts';
import { printContact } from '../../../nodes/config/contact.ts';
import { SECOND_US } from '../../../nodes/core/units.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, Listener, setUp } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Case 5 of network.md 6: calls that do not come up, and calls that end. */
const RING_WAIT_S = 30;
/** After it a caller's mix has had his "no more", and ten rounds more. */
const RELEASED_S = 2;
/** The longest pause between two calls that nobody takes (mix/allocation.ts), and a ring. */
const WELCOME_S = 12;
/** The five seconds after which a channel without cells is free, and ten rounds. */
const VANISHED_S = 5.5;

/** A channel for everybody, so that no call fails for want of one. */
function everybodyAlone(seed: string): Network {
  const plan = { superpeers: 12, params: { clientsPerChannel: 1, meshCellsPerTick: 8 } };
  return new Network(
    seed,
    [
      { name: 'eu', ...plan },
      { name: 'na', ...plan },
    ],
    () => NEAR,
  );
}

/** Notes how the client's calls end. */
class Ends {
  readonly reasons: CallEnd[] = [];
  rings = 0;
  readonly #client: SimClient;

  constructor(client: SimClient) {
    this.#client = client;
  }

  poll(): void {
    const { machine } = this.#client;
    for (let event = machine.poll(); event; event = machine.poll()) {
      if (event.kind === 'call-ended') this.reasons.push(event.reason);
      if (event.kind === 'ringing') this.rings += 1;
    }
  }
}

function ringing(network: Network, caller: SimClient, callee: SimClient, check: Checker): void {
  const refused = caller.machine.place(caller.host.now, callee.contact);
  const rings = network.run(3, () => callee.machine.callState === 'ringing');
  check.expect(!refused && rings, `${callee.id} does not ring for ${caller.id}`);
}

function unanswered(seed: string, check: Checker): void {
  const network = everybodyAlone(seed);
  const { world } = network;
  const reasons = ['declines', 'blocks', 'is busy', 'is offline', 'never was'];
  const callers = network.addClients('eu', reasons.length);
  const callees = network.addClients('na', reasons.length);
  const [third, fourth] = [network.addClient('eu'), network.addClient('eu')];
  attachAll(network, check);
  const [declining, blocking, busy, offline] = callees;
  setUp(network, third, busy!, check);
  const keyOf = (client: SimClient) => client.identity.endToEnd.publicKey.toString('hex');
  blocking!.machine.block(new Set([keyOf(callers[1]!)]));
  network.kill(offline!.id);
  const nobody = printContact('na', callers[0]!.identity.publicKey);
  const diaries = callers.map((caller) => new Ends(caller));
  const blocked = new Ends(blocking!);
  const start = world.now;
  const ended = callers.map(() => 0);
  for (const [index, caller] of callers.entries()) {
    const contact = index === 4 ? nobody : callees[index]!.contact;
    check.expect(
      !caller.machine.place(caller.host.now, contact),
      `who calls somebody who ${reasons[index]} is refused`,
    );
  }
  network.run(RING_WAIT_S + 5, () => {
    if (declining!.machine.callState === 'ringing') declining!.machine.hangUp();
    for (const [index, diary] of diaries.entries()) {
      diary.poll();
      if (diary.reasons.length > 0) ended[index] ||= world.now - start;
    }
    blocked.poll();
    return ended.every((at) => at > 0);
  });
  for (const [index, what] of reasons.entries()) {
    const { reasons: ends } = diaries[index]!;
    check.expect(ends.join() === 'not-answered', `somebody who ${what}: the caller hears ${ends.join()}`);
  }
  const spread = (Math.max(...ended) - Math.min(...ended)) / SECOND_US;
  check.expect(spread < 1, `not all callers give up at the same time: ${ended.map((at) => at / SECOND_US).join()} s`);
  check.expect(blocked.rings === 0, 'a blocked caller rings');
  check.expect(
    third.machine.callState === 'talking' && busy!.machine.callState === 'talking',
    'the busy one lost his call',
  );
  // Whoever was called in vain can be called, and callers call, as before.
  network.run(RELEASED_S);
  getsThrough(network, callers[0]!, declining!, check);
  getsThrough(network, fourth, blocking!, check);
}

/** Like setUp, but with the patience that it takes while another rings. */
function getsThrough(network: Network, caller: SimClient, callee: SimClient, check: Checker): number {
  const start = network.world.now;
  const refused = caller.machine.place(caller.host.now, callee.contact);
  const up = network.run(
    WELCOME_S,
    () => callee.machine.answer(callee.host.now) || caller.machine.callState === 'talking',
  );
  const talking = network.run(1, () => caller.machine.callState === 'talking');
  const afterS = (network.world.now - start) / SECOND_US;
  check.expect(!refused && up && talking, `${caller.id} does not get through to ${callee.id} in ${afterS} s`);
  return afterS;
}

/** While one rings who was declined, another gets through, and who declined can call. */
function declinedRingsOn(seed: string, check: Checker): number {
  const network = everybodyAlone(seed);
  const { world } = network;
  const [unwanted, wanted] = network.addClients('eu', 2);
  const [callee, friend] = network.addClients('na', 2);
  attachAll(network, check);
  ringing(network, unwanted!, callee!, check);
  callee!.machine.hangUp();
  network.run(1.5 + world.random.next());
  const upS = getsThrough(network, wanted!, callee!, check);
  callee!.machine.hangUp();
  network.run(RELEASED_S);
  check.expect(unwanted!.machine.callState === 'calling', `the declined caller is ${unwanted!.machine.callState}`);
  setUp(network, callee!, friend!, check);
  return upS;
}

function cancelled(seed: string, check: Checker): void {
  const network = everybodyAlone(seed);
  const caller = network.addClient('eu');
  const callee = network.addClient('na');
  attachAll(network, check);
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const diary = new Ends(callee);
    diary.poll();
    ringing(network, caller, callee, check);
    diary.poll();
    diary.reasons.length = 0;
    network.run(network.world.random.next());
    caller.machine.hangUp();
    const quiet = network.run(3, () => callee.machine.callState === 'idle');
    diary.poll();
    check.expect(quiet && diary.reasons.join() === 'cancelled', `a cancelled call ends as ${diary.reasons.join()}`);
    network.run(network.world.random.next());
    check.expect(callee.machine.callState === 'idle', 'a cancelled call rings again');
    network.run(1, () => caller.machine.callState === 'idle');
  }
  setUp(network, caller, callee, check);
}

/** Calls that follow one another as fast as fingers are; how long the slowest took. */
function redialled(seed: string, check: Checker): number {
  const network = everybodyAlone(seed);
  const ends = [network.addClient('eu'), network.addClient('na')];
  attachAll(network, check);
  let worstMs = 0;
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const [caller, callee] = network.world.random.next() < 0.5 ? ends : [...ends].reverse();
    const hears = [new Listener(network.world), new Listener(network.world)];
    caller!.machine.voice = hears[0]!.voice;
    callee!.machine.voice = hears[1]!.voice;
    worstMs = Math.max(worstMs, setUp(network, caller!, callee!, check) ?? Number.POSITIVE_INFINITY);
    network.run(1);
    check.expect(
      hears.every(({ frames }) => frames.size > 20),
      `after redial ${attempt} not both hear the other`,
    );
    network.world.random.pick(ends).machine.hangUp();
    network.run(3, () => ends.every(({ machine }) => machine.callState === 'idle'));
    network.run(network.world.random.next() * 0.3);
  }
  return worstMs / 1000;
}

/** A client is gone in the middle of a call; how long its channel stays taken, and the other's. */
function vanished(seed: string, check: Checker): { own: number; peers: number } {
  const network = everybodyAlone(seed);
  const caller = network.addClient('eu');
  const callee = network.addClient('na');
  attachAll(network, check);
  setUp(network, caller, callee, check);
  network.run(1);
  network.kill(caller.id);
  const start = network.world.now;
  const freeAfter = (zone: string) => {
    network.run(20, () => {
      const { held, draining } = network.mix(zone).machine.holdings();
      return held + draining === 0;
    });
    return (network.world.now - start) / SECOND_US;
  };
  const own = freeAfter('eu');
  check.expect(own < VANISHED_S, `the channel of a client that vanished is free after ${own} s`);
  const peers = freeAfter('na');
  // Ten seconds of silence, END for half a second, and the release.
  check.expect(peers < 13, `the channel of its peer is free after ${peers} s`);
  check.expect(callee.machine.callState === 'idle', `the peer is ${callee.machine.callState}`);
  return { own, peers };
}

export const endings: Scenario = {
  name: 'endings',
  property:
    'Who calls somebody who declines, has blocked him, is busy, offline or nobody hears the same, nothing, until he gives ' +
    'up, and keeps no other from getting through. A cancelled call stops ringing. Calls can follow one another at once. ' +
    'The channel of a client that vanishes in a call is free within five seconds and ten rounds.',
  set: 'short',
  minutes: 1,
  run: (seed) => {
    const check = new Checker();
    unanswered(seed, check);
    const besideDeclinedS = declinedRingsOn(seed, check);
    cancelled(seed, check);
    const slowestRedialS = redialled(seed, check);
    const { own, peers } = vanished(seed, check);
    return {
      violations: check.violations,
      facts: { besideDeclinedS, slowestRedialS, ownFreeS: own, peersFreeS: peers },
    };
  },
};
