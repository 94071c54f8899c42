import { MILLISECOND_US, type Micros } from '../core/units.ts';
import { TICK_US } from '../wire/constants.ts';
import type { VoiceTiming } from './call.ts';
import { MULAW_SILENCE } from './g711.ts';

/**
 * What a client hears of one call, put in order by a jitter buffer, with the paper's numbers for every second of it
 * (section 4.3.2: latency and loss, each second).
 *
 * A frame is played JITTER_US after the instant at which it would have come had it been as fast as the first one. One
 * that comes after its instant is lost, as it is for a listener, and playing is put off so that its successors are in
 * time again; when frames have come too early for two seconds, one is left out to catch up. Both cost a frame and are
 * counted as late: the delay that is reported is the one that was waited for.
 */
const JITTER_US = 60 * MILLISECOND_US;
/** A single straggler must not make the whole call late; if all have become late, a few frames bring it there. */
const PUT_OFF_US_MAX = 3 * TICK_US;
/** Frames over which earliness is judged: two seconds. */
const EARLY_FRAMES = 100;
const FRAMES_PER_SECOND = 1_000_000 / TICK_US;
/** A loss is hidden by the frame before it, once (the simplest concealment); longer gaps are silent. */
const CONCEALED_FRAMES = 1;

export interface RecordedSecond {
  readonly oneWayMs: number | null;
  readonly rttMs: number | null;
  readonly lossRatio: number;
}

export interface RecordingReport {
  readonly seconds: readonly RecordedSecond[];
  readonly oneWayMsMedian: number;
  readonly lossRatio: number;
  readonly playoutDelayMs: number;
  readonly frames: { readonly expected: number; readonly received: number; readonly late: number };
}

export class Recording {
  readonly #voiceBytes: number;
  readonly #expected: number;
  readonly #voice: Uint8Array;
  readonly #oneWayUs: Float64Array;
  readonly #roundTripUs: Float64Array;
  readonly #playoutUs: Float64Array;
  readonly #present: Uint8Array;
  #late = 0;
  #earliestUs = Number.POSITIVE_INFINITY;
  #judged = 0;
  /** When frame 0 is played; unknown before the first frame. */
  #playsAt: Micros | undefined;

  constructor(voiceBytes: number, seconds: number) {
    this.#voiceBytes = voiceBytes;
    this.#expected = seconds * FRAMES_PER_SECOND;
    this.#voice = new Uint8Array(this.#expected * voiceBytes).fill(MULAW_SILENCE);
    this.#present = new Uint8Array(this.#expected);
    this.#oneWayUs = new Float64Array(this.#expected);
    this.#roundTripUs = new Float64Array(this.#expected).fill(Number.NaN);
    this.#playoutUs = new Float64Array(this.#expected);
  }

  heard(now: Micros, counter: number, frame: Uint8Array, timing: VoiceTiming): void {
    if (counter >= this.#expected) return;
    this.#playsAt ??= now + JITTER_US - counter * TICK_US;
    const playsAt = this.#playsAt + counter * TICK_US;
    if (now > playsAt) {
      this.#late += 1;
      this.#playsAt += Math.min(now - playsAt + JITTER_US, PUT_OFF_US_MAX);
      this.#judge();
      return;
    }
    this.#earliestUs = Math.min(this.#earliestUs, playsAt - now);
    this.#judged += 1;
    if (this.#judged === EARLY_FRAMES) {
      const early = this.#earliestUs > JITTER_US + TICK_US;
      this.#judge();
      if (early) {
        this.#late += 1;
        this.#playsAt -= TICK_US;
        return;
      }
    }
    this.#present[counter] = 1;
    this.#voice.set(frame, counter * this.#voiceBytes);
    this.#oneWayUs[counter] = timing.oneWayUs;
    this.#roundTripUs[counter] = timing.roundTripUs ?? Number.NaN;
    this.#playoutUs[counter] = playsAt - now;
  }

  /** Begins a new window of earliness. */
  #judge(): void {
    this.#earliestUs = Number.POSITIVE_INFINITY;
    this.#judged = 0;
  }

  /** Whether the last frame's instant has passed. */
  complete(now: Micros): boolean {
    return this.#playsAt !== undefined && now > this.#playsAt + this.#expected * TICK_US;
  }

  /** µ-law bytes as a listener hears them. */
  voice(): Uint8Array {
    const heard = this.#voice.slice();
    let missing = 0;
    for (let frame = 0; frame < this.#expected; frame += 1) {
      missing = this.#present[frame] ? 0 : missing + 1;
      if (missing === 0 || missing > CONCEALED_FRAMES || frame === 0) continue;
      heard.copyWithin(frame * this.#voiceBytes, (frame - 1) * this.#voiceBytes, frame * this.#voiceBytes);
    }
    return heard;
  }

  report(): RecordingReport {
    const seconds: RecordedSecond[] = [];
    for (let from = 0; from < this.#expected; from += FRAMES_PER_SECOND) {
      const frames = this.#frames(from, from + FRAMES_PER_SECOND);
      const oneWay = median(frames.map((frame) => this.#oneWayUs[frame]!));
      const roundTrip = median(
        frames.map((frame) => this.#roundTripUs[frame]!).filter((value) => !Number.isNaN(value)),
      );
      seconds.push({
        oneWayMs: oneWay === undefined ? null : oneWay / MILLISECOND_US,
        rttMs: roundTrip === undefined ? null : roundTrip / MILLISECOND_US,
        lossRatio: 1 - frames.length / FRAMES_PER_SECOND,
      });
    }
    const all = this.#frames(0, this.#expected);
    return {
      seconds,
      oneWayMsMedian: (median(all.map((frame) => this.#oneWayUs[frame]!)) ?? Number.NaN) / MILLISECOND_US,
      lossRatio: 1 - all.length / this.#expected,
      playoutDelayMs: (median(all.map((frame) => this.#playoutUs[frame]!)) ?? Number.NaN) / MILLISECOND_US,
      frames: { expected: this.#expected, received: all.length, late: this.#late },
    };
  }

  #frames(from: number, to: number): number[] {
    const present: number[] = [];
    for (let frame = from; frame < to; frame += 1) if (this.#present[frame]) present.push(frame);
    return present;
  }
}

function median(values: number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
