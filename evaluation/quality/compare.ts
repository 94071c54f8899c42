/**
 * Did the right voice arrive? Compares what was heard with what was played, sample by sample: both recordings are
 * digital and share one sample clock, so a true call differs by a start offset, a gain, coding noise and lost frames,
 * and anything else (silence, noise, another person's voice) does not fit at any offset.
 *
 * The measure is segmental SNR (Jayant and Noll, "Digital Coding of Waveforms", 1984): the mean over 20 ms frames of
 * each frame's SNR in dB, held between -10 and 35 so that one frame neither ruins nor saves a call. A frame that was
 * not heard at all scores 0 dB. Playout that shifts in mid-call is not tracked: the frames after the shift score low.
 */

import { SAMPLE_RATE_HZ } from '../../nodes/client/wav.ts';
import { transform } from './fft.ts';

/** One voice packet: 20 ms at 8 kHz. */
export const FRAME_SAMPLES = 160;
export const FRAME_SNR_DB_MIN = -10;
export const FRAME_SNR_DB_MAX = 35;

/**
 * The two recordings start at most this far apart. A call's recorder and the callee's voicemail both start as the call
 * is answered, so what separates them is the path and the playout buffer, far below a second; the rest is generous.
 */
const LAG_SECONDS_MAX = 5;
/** A frame this far below the loudest is a pause: nothing is said in it, so nothing can be missed. */
const PAUSE_DB_BELOW_LOUDEST = 35;
/** A frame was heard when it stands this far above what differs; µ-law leaves over 30 dB, a lost frame 0 dB. */
const PRESENT_SNR_DB_MIN = 6;
/** -26 dB. Below it the common gain is no gain but chance: two unrelated recordings correlate a little, too. */
const GAIN_MIN = 0.05;

export interface Comparison {
  /** How much later a sound lies in the heard recording than in the sent one, ms. */
  readonly lagMs: number;
  /** -10..35 dB. */
  readonly segmentalSnrDb: number;
  /** Share of the spoken frames that were heard, 0..1. */
  readonly framesPresent: number;
}

/**
 * Aligns `heard` to `sent` and measures what is left of it. Whatever lies outside `heard` counts as silence.
 * @throws {RangeError} if `sent` holds no sound: then there is nothing to compare with.
 */
export function compareRecordings(sent: Int16Array, heard: Int16Array): Comparison {
  const lag = bestLag(sent, heard);
  const frames = spokenFrames(sent).map((start) => ({
    sent: sent.subarray(start, start + FRAME_SAMPLES),
    heard: window(heard, start + lag, FRAME_SAMPLES),
  }));
  const gain = commonGain(frames);
  const snrs = frames.map((frame) => (gain < GAIN_MIN ? FRAME_SNR_DB_MIN : frameSnrDb(frame, gain)));
  return {
    lagMs: (1000 * lag) / SAMPLE_RATE_HZ,
    segmentalSnrDb: snrs.reduce((sum, snr) => sum + snr, 0) / snrs.length,
    framesPresent: snrs.filter((snr) => snr >= PRESENT_SNR_DB_MIN).length / snrs.length,
  };
}

interface FramePair {
  readonly sent: Int16Array;
  readonly heard: Int16Array;
}

/** The offset, samples, at which the two recordings correlate most, by way of the Fourier transform. */
function bestLag(sent: Int16Array, heard: Int16Array): number {
  const size = 2 ** Math.ceil(Math.log2(Math.max(2, sent.length + heard.length)));
  const s = { re: new Float64Array(size), im: new Float64Array(size) };
  const h = { re: new Float64Array(size), im: new Float64Array(size) };
  s.re.set(sent);
  h.re.set(heard);
  transform(s);
  transform(h);
  const product = { re: new Float64Array(size), im: new Float64Array(size) };
  for (let k = 0; k < size; k++) {
    product.re[k] = s.re[k] * h.re[k] + s.im[k] * h.im[k];
    product.im[k] = s.re[k] * h.im[k] - s.im[k] * h.re[k];
  }
  transform({ re: product.im, im: product.re });
  const range = LAG_SECONDS_MAX * SAMPLE_RATE_HZ;
  let best = 0;
  for (let lag = Math.max(-range, -sent.length); lag <= Math.min(range, heard.length); lag++) {
    if (product.re[(lag + size) % size] > product.re[(best + size) % size]) best = lag;
  }
  return best;
}

/** Where the frames with speech begin; a rest shorter than a frame is left out. */
function spokenFrames(sent: Int16Array): number[] {
  const starts = Array.from({ length: Math.floor(sent.length / FRAME_SAMPLES) }, (_, i) => i * FRAME_SAMPLES);
  const energies = starts.map((start) => energy(sent.subarray(start, start + FRAME_SAMPLES)));
  const loudest = energies.reduce((most, value) => Math.max(most, value), 0);
  if (loudest === 0) throw new RangeError('sent holds no sound to compare with');
  return starts.filter((_, i) => energies[i] >= loudest * 10 ** (-PAUSE_DB_BELOW_LOUDEST / 10));
}

/** The gain of the median frame: one that lost frames cannot bend, as they would bend the mean. */
function commonGain(frames: readonly FramePair[]): number {
  const gains = frames.map(({ sent, heard }) => dot(sent, heard) / energy(sent)).sort((a, b) => a - b);
  return gains[gains.length >> 1];
}

function frameSnrDb({ sent, heard }: FramePair, gain: number): number {
  let noise = 0;
  for (let i = 0; i < sent.length; i++) noise += (sent[i] - heard[i] / gain) ** 2;
  const snr = 10 * Math.log10(energy(sent) / noise);
  return Math.min(FRAME_SNR_DB_MAX, Math.max(FRAME_SNR_DB_MIN, snr));
}

/** `length` samples from `start`, which may lie outside: there is silence. */
function window(samples: Int16Array, start: number, length: number): Int16Array {
  const result = new Int16Array(length);
  const inside = samples.subarray(Math.max(0, start), Math.max(0, start + length));
  result.set(inside, Math.min(length, Math.max(0, -start)));
  return result;
}

function energy(samples: Int16Array): number {
  return dot(samples, samples);
}

function dot(a: Int16Array, b: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
