import type { VoiceIo } from '../../nodes/client/call.ts';
import { MILLISECOND_US, SECOND_US } from '../../nodes/core/units.ts';
import type { Checker } from './scenario.ts';
import type { World } from './world.ts';
import type { SimClient, SimZone } from './zones.ts';

/** Voices whose frames can be told apart, and the steps of a call that scenarios share. */
const FRAME_NAMES = 251;

/** Frame i is filled with a byte that names it, so that a frame out of place is seen. */
export function recording(): VoiceIo {
  let frame = 0;
  return {
    next: (into) => {
      into.fill(frame % FRAME_NAMES);
      frame += 1;
    },
    heard: () => {},
  };
}

export class Listener {
  /** By number in the call: the frame's name, or -1 for a frame that is not whole. */
  readonly frames = new Map<number, number>();
  readonly oneWayMs: number[] = [];
  readonly roundTripMs: number[] = [];
  readonly voice: VoiceIo = {
    next: (into) => into.fill(0xff),
    heard: (_now, counter, frame, timing) => {
      this.frames.set(counter, frame.every((byte) => byte === frame[0]) ? frame[0]! : -1);
      this.oneWayMs.push(timing.oneWayUs / MILLISECOND_US);
      if (timing.roundTripUs !== undefined) this.roundTripMs.push(timing.roundTripUs / MILLISECOND_US);
    },
  };

  /** Frames that should have come by now and have not. */
  get missing(): number {
    return Math.max(-1, ...this.frames.keys()) + 1 - this.frames.size;
  }

  get lossRatio(): number {
    return this.missing / (this.missing + this.frames.size);
  }

  checkNames(check: Checker): void {
    const wrong = [...this.frames].filter(([counter, name]) => name !== counter % FRAME_NAMES).length;
    check.expect(wrong === 0, `${wrong} frames are not the ones that were spoken`);
  }
}

export function attachAll(world: World, clients: readonly SimClient[], check: Checker): void {
  const all = () => clients.every(({ machine }) => machine.attached);
  const attached = world.run(world.now + 30 * SECOND_US, all);
  check.expect(attached, `${clients.filter(({ machine }) => !machine.attached).length} clients did not attach in 30 s`);
}

/** Places a call and waits for it; the set-up time in ms, or undefined (and a violation) when it did not come about. */
export function setUp(world: World, caller: SimClient, callee: SimClient, check: Checker): number | undefined {
  const start = world.now;
  const refused = caller.machine.place(world.now, callee.contact);
  if (!check.expect(!refused, `the call was refused: ${refused?.refused}`)) return undefined;
  const up = world.run(world.now + 10 * SECOND_US, () => caller.machine.callState === 'talking');
  if (!check.expect(up, `no call after 10 s: the caller is ${caller.machine.callState}`)) return undefined;
  return (world.now - start) / MILLISECOND_US;
}

/** Cells that queues gave up by themselves to be on time again: the only loss without loss. */
export function givenUp(zones: readonly SimZone[]): number {
  const nodes = zones.flatMap(({ mix, rendezvous, superpeer }) => [mix, rendezvous, superpeer]);
  return nodes.reduce((sum, { drops }) => sum + drops.get('queue_standing'), 0);
}
