/**
 * What an observer of a link can measure: the packets' instants and sizes, cut into spans of known class and into
 * windows, and each window put into numbers. Content plays no part here (see `bits.ts`).
 *
 * A constant delay shows in no gap; it shows against the link's own grid of ticks. So the grid is fitted to the whole
 * link, as an observer would, and the windows are measured against it as well.
 */

import { transform } from '../quality/fft.ts';
import { autocorrelations, lowerBound, moments } from './samples.ts';

/** One direction of one link, or of a group of links that is watched as one. */
export interface Series {
  /** When the packets passed, µs, ascending; equal instants are allowed. */
  readonly instantsUs: Float64Array;
  /** Their lengths, bytes, in the same order. */
  readonly sizes: Uint16Array;
}

/** A stretch of a series during which one class holds: the call is up (1), or it is not (0). */
export interface Span {
  readonly fromUs: number;
  /** Exclusive. */
  readonly toUs: number;
  readonly label: 0 | 1;
  /**
   * What shares luck: spans of one cluster never stand on both sides of training and testing, and intervals count
   * clusters, not windows. One number per run, or per stretch of a link after which its noise has forgotten itself.
   */
  readonly cluster: number;
}

/** The ticks that a paced link keeps to: its k-th is due at phaseUs + k · periodUs. */
export interface Grid {
  readonly phaseUs: number;
  readonly periodUs: number;
}

/** How fast the tracked phase follows: it lags 64 ticks behind, 128 µs at a skew of 100 ppm and 20 ms ticks. */
const TRACKING_GAIN = 1 / 64;

/**
 * The grid of a link, by least squares over all its packets: the clock's skew is in it, faster wander is not. `tickUs` is
 * the agreed period. A packet belongs to the nearest tick of a phase tracked along the way, so lost and additional
 * packets do no harm, and jitter none up to half a tick.
 */
export function fitGrid({ instantsUs }: Series, tickUs: number): Grid {
  const n = instantsUs.length;
  if (n < 2) throw new RangeError('a grid needs two packets');
  const first = instantsUs[0];
  let phase = 0;
  let sumK = 0;
  let sumT = 0;
  let sumKK = 0;
  let sumKT = 0;
  for (let i = 0; i < n; i++) {
    const t = instantsUs[i] - first;
    const k = Math.round((t - phase) / tickUs);
    phase += (t - phase - k * tickUs) * TRACKING_GAIN;
    // What is summed is the distance to the nominal tick: its products stay exact where those of t would not.
    const late = t - k * tickUs;
    sumK += k;
    sumT += late;
    sumKK += k * k;
    sumKT += k * late;
  }
  const spread = sumKK - (sumK * sumK) / n;
  const skew = spread > 0 ? (sumKT - (sumK * sumT) / n) / spread : 0;
  return { phaseUs: first + sumT / n - (skew * sumK) / n, periodUs: tickUs + skew };
}

/** How much later than its nearest tick a packet came, µs, -period/2..period/2. */
export function deviationUs({ phaseUs, periodUs }: Grid, instantUs: number): number {
  const t = instantUs - phaseUs;
  return t - periodUs * Math.round(t / periodUs);
}

/** Values of packets, block after block; a block is the span they came from, and is permuted as a whole. */
export interface Blocks {
  readonly values: Float64Array;
  /** Block b is values[starts[b]] to before values[starts[b + 1]]; one entry more than there are blocks. */
  readonly starts: Uint32Array;
  /** The class of each block. */
  readonly labels: Uint8Array;
}

/** The gaps between packets of a span, µs. The gap that leads into a span is nobody's. */
export function gapsOf({ instantsUs }: Series, spans: readonly Span[]): Blocks {
  return blocksOf(instantsUs, spans, 1, (i) => instantsUs[i] - instantsUs[i - 1]);
}

/** How far the packets of each span are off the grid, µs. */
export function deviationsOf({ instantsUs }: Series, grid: Grid, spans: readonly Span[]): Blocks {
  return blocksOf(instantsUs, spans, 0, (i) => deviationUs(grid, instantsUs[i]));
}

function blocksOf(
  instantsUs: Float64Array,
  spans: readonly Span[],
  skipped: number,
  value: (packet: number) => number,
): Blocks {
  const bounds = spans.map(({ fromUs, toUs }) => {
    const to = lowerBound(instantsUs, toUs);
    return { from: Math.min(lowerBound(instantsUs, fromUs) + skipped, to), to };
  });
  const starts = new Uint32Array(spans.length + 1);
  bounds.forEach(({ from, to }, b) => {
    starts[b + 1] = starts[b] + to - from;
  });
  const values = new Float64Array(starts[spans.length]);
  bounds.forEach(({ from, to }, b) => {
    for (let i = from; i < to; i++) values[starts[b] + i - from] = value(i);
  });
  return { values, starts, labels: Uint8Array.from(spans, ({ label }) => label) };
}

/** The blocks of several links as those of one experiment. */
export function joinBlocks(parts: readonly Blocks[]): Blocks {
  const values = new Float64Array(parts.reduce((sum, part) => sum + part.values.length, 0));
  const labels = new Uint8Array(parts.reduce((sum, part) => sum + part.labels.length, 0));
  const starts = new Uint32Array(labels.length + 1);
  let value = 0;
  let block = 0;
  for (const part of parts) {
    values.set(part.values, value);
    labels.set(part.labels, block);
    for (let b = 1; b < part.starts.length; b++) starts[block + b] = value + part.starts[b];
    value += part.values.length;
    block += part.labels.length;
  }
  return { values, starts, labels };
}

const QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95];
const LAGS = 5;
/** Octaves below half the packet rate; the last holds all that is slower. */
const BANDS = 6;

/** The columns of a table. Gaps and deviations in µs, spectral power in log10 of 1 + µs² per bin, rate in bytes/s. */
export const FEATURES: readonly string[] = [
  'count',
  'gap_mean',
  'gap_sd',
  'gap_min',
  'gap_max',
  ...QUANTILES.map((q) => `gap_q${100 * q}`),
  ...Array.from({ length: LAGS }, (_, lag) => `autocorrelation_${lag + 1}`),
  'deviation_mean',
  'deviation_sd',
  ...Array.from({ length: BANDS }, (_, band) => `spectrum_${band}`),
  'bytes_per_second',
  'distinct_sizes',
];

/** Windows put into numbers, one row of {@link FEATURES} each. */
export interface Table {
  /** Row after row. */
  readonly features: Float64Array;
  readonly labels: Uint8Array;
  readonly clusters: Uint32Array;
}

/**
 * The features of the whole windows of `widthUs` that fit into the spans, side by side from each span's beginning, never
 * overlapping. What a window with too few packets does not have (gaps, autocorrelations) is 0.
 */
export function windowTable(series: Series, grid: Grid, spans: readonly Span[], widthUs: number): Table {
  const windows = spans.map(({ fromUs, toUs }) => Math.max(0, Math.floor((toUs - fromUs) / widthUs)));
  const rows = windows.reduce((sum, count) => sum + count, 0);
  const features = new Float64Array(rows * FEATURES.length);
  const labels = new Uint8Array(rows);
  const clusters = new Uint32Array(rows);
  const seen = new SizeSet();
  let row = 0;
  spans.forEach((span, s) => {
    let from = lowerBound(series.instantsUs, span.fromUs);
    for (let w = 0; w < windows[s]; w++) {
      let to = from;
      const end = span.fromUs + (w + 1) * widthUs;
      while (to < series.instantsUs.length && series.instantsUs[to] < end) to += 1;
      const into = features.subarray(row * FEATURES.length, (row + 1) * FEATURES.length);
      describe(series, grid, from, to, widthUs, seen, into);
      labels[row] = span.label;
      clusters[row] = span.cluster;
      row += 1;
      from = to;
    }
  });
  return { features, labels, clusters };
}

/** The tables of several links, windows of equal width, as that of one experiment. */
export function joinTables(parts: readonly Table[]): Table {
  const rows = parts.reduce((sum, part) => sum + part.labels.length, 0);
  const features = new Float64Array(rows * FEATURES.length);
  const labels = new Uint8Array(rows);
  const clusters = new Uint32Array(rows);
  let row = 0;
  for (const part of parts) {
    features.set(part.features, row * FEATURES.length);
    labels.set(part.labels, row);
    clusters.set(part.clusters, row);
    row += part.labels.length;
  }
  return { features, labels, clusters };
}

/** Writes the features of packets `from` to before `to`, in the order of {@link FEATURES}. */
function describe(
  { instantsUs, sizes }: Series,
  grid: Grid,
  from: number,
  to: number,
  widthUs: number,
  seen: SizeSet,
  into: Float64Array,
): void {
  const count = to - from;
  const gaps = new Float64Array(Math.max(0, count - 1));
  for (let i = 0; i < gaps.length; i++) gaps[i] = instantsUs[from + i + 1] - instantsUs[from + i];
  const deviations = new Float64Array(count);
  for (let i = 0; i < count; i++) deviations[i] = deviationUs(grid, instantsUs[from + i]);
  let bytes = 0;
  seen.clear();
  for (let i = from; i < to; i++) {
    bytes += sizes[i];
    seen.add(sizes[i]);
  }
  const gap = moments(gaps);
  const deviation = moments(deviations);
  const r = autocorrelations(gaps, LAGS);
  gaps.sort();
  const at = (q: number) => (gaps.length === 0 ? 0 : gaps[Math.round(q * (gaps.length - 1))]);
  let column = 0;
  const put = (value: number) => {
    into[column++] = value;
  };
  put(count);
  put(gap.mean);
  put(Math.sqrt(gap.variance));
  put(at(0));
  put(at(1));
  for (const q of QUANTILES) put(at(q));
  for (const value of r) put(value);
  put(deviation.mean);
  put(Math.sqrt(deviation.variance));
  for (const power of bandPowers(deviations, deviation.mean)) put(Math.log10(1 + power));
  put((bytes * 1e6) / widthUs);
  put(seen.size);
}

/** Mean power per frequency bin in octaves from the fastest down, µs²: zero-padded Fourier transform of what varies. */
function bandPowers(deviations: Float64Array, mean: number): Float64Array {
  const powers = new Float64Array(BANDS);
  const n = deviations.length;
  if (n < 2) return powers;
  const size = 2 ** Math.ceil(Math.log2(n));
  const spectrum = { re: new Float64Array(size), im: new Float64Array(size) };
  for (let i = 0; i < n; i++) spectrum.re[i] = deviations[i] - mean;
  transform(spectrum);
  for (let band = 0, high = size / 2; band < BANDS && high >= 1; band++, high = Math.floor(high / 2)) {
    const low = band === BANDS - 1 ? 0 : Math.floor(high / 2);
    for (let k = low + 1; k <= high; k++) powers[band] += spectrum.re[k] ** 2 + spectrum.im[k] ** 2;
    powers[band] /= (high - low) * n;
  }
  return powers;
}

/** Which packet lengths occurred; emptied in no time, for it is emptied for every window. */
class SizeSet {
  /** BOUNDED: by the 2^16 lengths. */
  readonly #round = new Uint32Array(65536);
  #current = 0;
  size = 0;

  clear(): void {
    this.#current += 1;
    this.size = 0;
  }

  add(size: number): void {
    if (this.#round[size] === this.#current) return;
    this.#round[size] = this.#current;
    this.size += 1;
  }
}
