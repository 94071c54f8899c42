import type { VoiceIo } from '../../../nodes/client/call.ts';
import { SECOND_US } from '../../../nodes/core/units.ts';
import { Pair, type PairPlan } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { type Listener, setUp } from '../talk.ts';
import type { SimClient } from '../zones.ts';

/** For each that drains: one that waits while SETUP goes first, and one for which RING makes a queue too long. */
const FRAMES_MAX = 2;
/** As the daemons ask their directories; those of the other zone hear of it up to 5 s later. */
const LEARN_WITHIN_US = 8 * SECOND_US;
/** News within 8 s, then all half-circuits in turn within 4 s, and 12 s in which the ones before still stand. */
const LEFT_AFTER_SECONDS = 25;

/** In the middle of it. */
const CALL_AFTER_SECONDS = 4;

interface Case {
  readonly plan: PairPlan;
  readonly drains: (caller: string, callee: string) => readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  callers: { plan: {}, drains: (caller) => [caller] },
  callees: { plan: {}, drains: (_caller, callee) => [callee] },
  both: { plan: {}, drains: (caller, callee) => [caller, callee] },
  callersOfOne: { plan: { attachments: 1, choices: 2 }, drains: (caller) => [caller] },
  calleesOfOne: { plan: { attachments: 1, choices: 2 }, drains: (_caller, callee) => [callee] },
  bothOfOne: { plan: { attachments: 1, choices: 2 }, drains: (caller, callee) => [caller, callee] },
};

/** Frames that have not come to one of the two, or that the other had to keep back because something else went first. */
class Count {
  readonly #speaker: SimClient;
  readonly #ear: Listener;
  readonly #ticks: number;
  readonly #lost: number;
  #spoken = 0;

  constructor(speaker: SimClient, ear: Listener) {
    this.#speaker = speaker;
    this.#ear = ear;
    this.#ticks = speaker.host.ticks;
    this.#lost = ear.lost;
    const { voice } = speaker.machine;
    const next: VoiceIo['next'] = (into) => {
      this.#spoken += 1;
      voice.next(into);
    };
    speaker.machine.voice = { next, heard: voice.heard };
  }

  get frames(): number {
    return this.#speaker.host.ticks - this.#ticks - this.#spoken + this.#ear.lost - this.#lost;
  }
}

export const drainRendezvous: Scenario = {
  name: 'drain-rendezvous',
  property:
    'A rendezvous that drains, of the caller, the callee or both, is left by all clients within 25 seconds; calls over ' +
    'it go on over another and lose no more than two frames in each direction for each of them, those counted that wait ' +
    'while SETUP goes first; who is called meanwhile answers; its end is not noticed.',
  set: 'short',
  minutes: 0.5,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    for (const [name, { plan, drains }] of Object.entries(CASES)) {
      const pair = new Pair(`${seed} ${name}`, check, { bystanders: 2, ...plan });
      const { network, caller, callee } = pair;
      // On the channels that the two do not use: nobody is refused for want of one.
      const friends = [network.addClient('eu', callee.channels), network.addClient('na', caller.channels)] as const;
      network.learnWithinUs = LEARN_WITHIN_US;
      pair.begin(true);
      const draining = drains(pair.rendezvous('eu')!, pair.rendezvous('na')!);
      const circuits = (id: string) => {
        const { machine } = [1, 2]
          .flatMap((number) => ['eu', 'na'].map((zone) => network.rendezvous(zone, number)))
          .find((node) => node.id === id)!;
        return machine.circuits();
      };
      const counts = [new Count(caller, pair.calleeHears), new Count(callee, pair.callerHears)];
      for (const id of draining) {
        check.expect(circuits(id) > 0, `${name}: nobody is on ${id}`);
        network.announce(id, { draining: true });
      }
      const start = network.world.now;
      network.run(CALL_AFTER_SECONDS);
      setUp(network, ...friends, check);
      const reached = friends.every(({ machine }) => machine.callState === 'talking');
      check.expect(reached, `${name}: who is called meanwhile does not answer`);
      friends[0].machine.hangUp();
      const left = network.run(LEFT_AFTER_SECONDS - CALL_AFTER_SECONDS, () =>
        draining.every((id) => circuits(id) === 0),
      );
      check.expect(left, `${name}: ${draining.map(circuits).join(', ')} circuits are still there`);
      facts[`${name}LeftAfterSeconds`] = (network.world.now - start) / SECOND_US;
      for (const id of draining) network.kill(id);
      network.run(Math.max(2, minutes * 60 - LEFT_AFTER_SECONDS));
      const frames = Math.max(...counts.map((count) => count.frames));
      check.expect(frames <= FRAMES_MAX * draining.length, `${name}: ${frames} frames lost`);
      check.expect(pair.talking, `${name}: they do not talk any more`);
      facts[`${name}Frames`] = frames;
      pair.end(name);
    }
    return { violations: check.violations, facts };
  },
};
