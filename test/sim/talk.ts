import type { VoiceIo } from '../../nodes/client/call.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { TICK_US } from '../../nodes/wire/constants.ts';
import type { Checker } from './scenario.ts';
import type { World } from './world.ts';
import type { Network, SimClient } from './zones.ts';

/** Voices whose frames can be told apart, and the steps of a call that scenarios share. */
const FRAME_NAMES = 251;
const TICK_MS = TICK_US / MILLISECOND_US;
const FRAMES_PER_SECOND = SECOND_US / TICK_US;
const UNDER_WAY_FRAMES = 5;
/** Share of a second's frames with which speech is understood: audio has resumed. */
const STEADY_SHARE = 0.9;

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

/** Keeps what it hears of one call, by the world's clock, and speaks a recording: give each call a new one. */
export class Listener {
  /** By number in the call: the frame's name, or -1 for a frame that is not whole. */
  readonly frames = new Map<number, number>();
  /** By number in the call: when the frame was heard. In the order of hearing. */
  readonly moments = new Map<number, Micros>();
  /** As the two ends' clocks have it: true where they agree. */
  readonly oneWayMs: number[] = [];
  readonly roundTripMs: number[] = [];
  readonly voice: VoiceIo;

  constructor(world: World) {
    this.voice = {
      next: recording().next,
      heard: (_now, counter, frame, timing) => {
        this.frames.set(counter, frame.every((byte) => byte === frame[0]) ? frame[0]! : -1);
        this.moments.set(counter, world.now);
        this.oneWayMs.push(timing.oneWayUs / MILLISECOND_US);
        if (timing.roundTripUs !== undefined) this.roundTripMs.push(timing.roundTripUs / MILLISECOND_US);
      },
    };
  }

  /** Frames before the newest heard that have not come. */
  get missing(): number {
    return max(this.frames.keys(), -1) + 1 - this.frames.size;
  }

  /** As `missing`, without those of the last few frames that may still be under way, overtaken. */
  get lost(): number {
    const newest = max(this.frames.keys(), -1);
    let recent = 0;
    for (let counter = Math.max(0, newest - UNDER_WAY_FRAMES); counter < newest; counter += 1)
      if (!this.frames.has(counter)) recent += 1;
    return this.missing - recent;
  }

  /** Share of the frames up to the newest heard that have not come; NaN before the first. */
  get lossRatio(): number {
    return this.missing / (this.missing + this.frames.size);
  }

  /** Frames heard from `from` until before `to`, per second. */
  framesPerSecond(from: Micros, to: Micros): number {
    return (this.#heardBetween(from, to).length * SECOND_US) / (to - from);
  }

  /** Share of the frames that a time window brings when nothing is lost and that it did not bring; a frame's time is when it is heard. */
  lossBetween(from: Micros, to: Micros): number {
    return Math.max(0, 1 - this.framesPerSecond(from, to) / FRAMES_PER_SECOND);
  }

  /** The longest run of missing frames, in ms of audio, between two frames heard in the window. */
  longestGapMs(from: Micros = 0, to: Micros = Number.POSITIVE_INFINITY): number {
    const counters = this.#heardBetween(from, to).map(([counter]) => counter);
    counters.sort((a, b) => a - b);
    const gaps = counters.slice(1).map((counter, index) => counter - counters[index]! - 1);
    return max(gaps, 0) * TICK_MS;
  }

  /** The longest time in the window without a frame, in ms; its ends count as frames. */
  longestSilenceMs(from: Micros, to: Micros): number {
    const moments = [from, ...this.#heardBetween(from, to).map(([, moment]) => moment), to];
    return (
      max(
        moments.slice(1).map((moment, index) => moment - moments[index]!),
        0,
      ) / MILLISECOND_US
    );
  }

  /**
   * How long after `since`, in ms, audio is back: the first instant from which on a second brings 90 % of its frames.
   * undefined if there is none, so also while the second is not over.
   */
  resumedAfterMs(since: Micros): number | undefined {
    const moments = this.#heardBetween(since, Number.POSITIVE_INFINITY).map(([, moment]) => moment);
    const needed = Math.ceil(FRAMES_PER_SECOND * STEADY_SHARE);
    const index = moments.findIndex((moment, at) => (moments[at + needed - 1] ?? Infinity) < moment + SECOND_US);
    return index < 0 ? undefined : (moments[index]! - since) / MILLISECOND_US;
  }

  checkNames(check: Checker): void {
    const wrong = [...this.frames].filter(([counter, name]) => name !== counter % FRAME_NAMES).length;
    check.expect(wrong === 0, `${wrong} frames are not the ones that were spoken`);
  }

  #heardBetween(from: Micros, to: Micros): [counter: number, moment: Micros][] {
    return [...this.moments].filter(([, moment]) => moment >= from && moment < to);
  }
}

/** Not Math.max(...): a call has more frames than a function may have arguments. */
function max(values: Iterable<number>, least: number): number {
  let greatest = least;
  for (const value of values) greatest = Math.max(greatest, value);
  return greatest;
}

export function attachAll(network: Network, check: Checker, clients: readonly SimClient[] = network.clients): void {
  const attached = network.attach(clients, 30);
  check.expect(attached, `${clients.filter(({ machine }) => !machine.attached).length} clients did not attach in 30 s`);
}

/** Places a call and waits for it; the set-up time in ms, or undefined (and a violation) when it did not come about. */
export function setUp(network: Network, caller: SimClient, callee: SimClient, check: Checker): number | undefined {
  const start = network.world.now;
  const refused = caller.machine.place(caller.host.now, callee.contact);
  if (!check.expect(!refused, `the call was refused: ${refused?.refused}`)) return undefined;
  const up = network.run(10, () => {
    callee.machine.answer(callee.host.now);
    return caller.machine.callState === 'talking';
  });
  if (!check.expect(up, `no call after 10 s: the caller is ${caller.machine.callState}`)) return undefined;
  return (network.world.now - start) / MILLISECOND_US;
}
