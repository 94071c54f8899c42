import { AUC_BAR, halfWidthAtChance } from '../../evaluation/traffic/auc.ts';
import { distinguish } from '../../evaluation/traffic/classifier.ts';
import { compareClasses, MARGIN_US } from '../../evaluation/traffic/compare.ts';
import {
  type Blocks,
  deviationsOf,
  fitGrid,
  gapsOf,
  joinBlocks,
  joinTables,
  type Series,
  type Span,
  type Table,
  windowTable,
} from '../../evaluation/traffic/features.ts';
import { plantDelay } from '../../evaluation/traffic/leak.ts';
import type { Random } from '../../evaluation/traffic/random.ts';
import { lowerBound } from '../../evaluation/traffic/samples.ts';
import type { Micros } from '../../nodes/core/units.ts';
import { TICK_US } from '../../nodes/wire/constants.ts';

/** Case 16 of network.md 6, for traffic of the simulation and of real sockets alike: from packets to a row of a table. */

/** Collects the packets of one direction of one link. BOUNDED: by what the experiment brings, ten bytes a packet. */
export class Recorder {
  #instantsUs = new Float64Array(1024);
  #sizes = new Uint16Array(1024);
  count = 0;

  add(at: Micros, size: number): void {
    if (this.count === this.#sizes.length) {
      const instantsUs = new Float64Array(2 * this.count);
      const sizes = new Uint16Array(2 * this.count);
      instantsUs.set(this.#instantsUs);
      sizes.set(this.#sizes);
      this.#instantsUs = instantsUs;
      this.#sizes = sizes;
    }
    this.#instantsUs[this.count] = at;
    this.#sizes[this.count] = size;
    this.count += 1;
  }

  /** What was collected, in the order of time. */
  series(): Series {
    const instantsUs = this.#instantsUs.subarray(0, this.count);
    const sizes = this.#sizes.subarray(0, this.count);
    if (instantsUs.every((at, i) => i === 0 || at >= instantsUs[i - 1]!)) return { instantsUs, sizes };
    const order = Uint32Array.from(instantsUs, (_at, i) => i).sort((a, b) => instantsUs[a]! - instantsUs[b]!);
    return {
      instantsUs: Float64Array.from(order, (i) => instantsUs[i]!),
      sizes: Uint16Array.from(order, (i) => sizes[i]!),
    };
  }
}

/** A direction of a link, and its spans: whole windows, side by side or apart. */
export interface WatchedLink {
  readonly series: Series;
  readonly spans: readonly Span[];
}

/** Cuts a stretch of one class into as many windows as fit into it. `clusterOf` says which windows share luck. */
export function windowsOf(
  stretch: { readonly from: Micros; readonly to: Micros },
  widthUs: Micros,
  label: 0 | 1,
  clusterOf: (at: Micros) => number,
): Span[] {
  const count = Math.max(0, Math.floor((stretch.to - stretch.from) / widthUs));
  return Array.from({ length: count }, (_value, index) => {
    const fromUs = stretch.from + index * widthUs;
    return { fromUs, toUs: fromUs + widthUs, label, cluster: clusterOf(fromUs) };
  });
}

/** What two classes on the links of one kind came to. Of each pair of numbers the first is of class 0. */
export interface Row {
  readonly link: string;
  readonly comparison: string;
  readonly windowS: number;
  readonly packets: readonly [number, number];
  readonly windows: readonly [number, number];
  /** The lengths, in the order of size, without those of fewer than one datagram in 500: handshakes, of which the tests tell. */
  readonly sizes: readonly [readonly number[], readonly number[]];
  /** The least p of the eleven tests, adjusted for their number, and whose it is. */
  readonly p: number;
  readonly test: string;
  /** Class 1 minus class 0: mean deviation from the link's grid, in µs, at 90 %; equivalent within MARGIN_US. */
  readonly laterUs: readonly [number, number];
  readonly equivalent: boolean;
  readonly attempts: readonly {
    readonly classifier: string;
    readonly auc: number;
    readonly interval: readonly [number, number];
  }[];
  /** The bar that the intervals allow: AUC_BAR with windows enough. */
  readonly bar: number;
  /**
   * Passes: all intervals lie within AUC_BAR. Leaks: one lies beyond the bar of this row, so that a run of a hundred rows
   * with few windows does not accuse one by chance. Open: more windows have to decide.
   */
  readonly verdict: 'passes' | 'leaks' | 'open';
}

const PERMUTATIONS = 299;
const RARE_SHARE = 1 / 500;
const TESTING_SHARE = 2 / 3;
/** Times what chance needs: with less not even a perfect network could be shown to pass. */
const BAR_ROOM = 1.1;

/**
 * `machines` says whether all links share what disturbs them, as processes of one machine do.
 *
 * @throws {RangeError} if there are too few windows or clusters for any verdict: 20 clusters of each class for testing.
 */
export function compareLinks(
  link: string,
  comparison: string,
  links: readonly WatchedLink[],
  windowUs: Micros,
  random: Random,
  machines: 'one machine' | 'a machine each',
): Row {
  const watched = links.filter(({ spans, series }) => spans.length > 0 && series.instantsUs.length > 1);
  const grids = watched.map(({ series }) => fitGrid(series, TICK_US));
  const tables = watched.map(({ series, spans }, i) => windowTable(series, grids[i]!, spans, windowUs));
  const ofLinks = joinTables(tables.map((one) => centred(one, new Uint32Array(one.labels.length))));
  const table = machines === 'one machine' ? centred(ofLinks, ofLinks.clusters) : ofLinks;
  const spans = watched.flatMap((one) => one.spans);
  const gaps = byCluster(joinBlocks(watched.map((one) => gapsOf(one.series, one.spans))), spans);
  const deviations = byCluster(
    joinBlocks(watched.map((one, i) => deviationsOf(one.series, grids[i]!, one.spans))),
    spans,
  );
  const ones = table.labels.reduce((sum, label) => sum + label, 0);
  const windows = [table.labels.length - ones, ones] as const;
  const reach = halfWidthAtChance(windows[0] * TESTING_SHARE, windows[1] * TESTING_SHARE);
  const passable = Math.max(AUC_BAR, 0.5 + BAR_ROOM * reach);
  const { tests, meanDeviation } = compareClasses({ gaps, deviations, windows: table }, PERMUTATIONS, random);
  const { attempts } = distinguish(table, random, passable);
  const least = tests.reduce((a, b) => (b.p < a.p ? b : a));
  // An interval is wider than its windows alone would have it where they depend on each other.
  const barOf = ([low, high]: readonly [number, number]) => Math.max(passable, 0.5 + (BAR_ROOM * (high - low)) / 2);
  const bar = Math.max(...attempts.map(({ interval }) => barOf(interval)));
  const leaks = attempts.some(({ interval }) => interval[0] > barOf(interval) || interval[1] < 1 - barOf(interval));
  const passes = attempts.every(({ interval: [low, high] }) => high <= AUC_BAR && low >= 1 - AUC_BAR);
  return {
    link,
    comparison,
    windowS: windowUs / 1e6,
    packets: [countPackets(watched, 0), countPackets(watched, 1)],
    windows,
    sizes: [sizesOf(watched, 0), sizesOf(watched, 1)],
    p: least.p,
    test: least.name,
    laterUs: meanDeviation.interval,
    equivalent: meanDeviation.equivalent,
    attempts: attempts.map(({ classifier, auc, interval }) => ({ classifier, auc, interval })),
    bar,
    verdict: leaks ? 'leaks' : passes ? 'passes' : 'open',
  };
}

/**
 * Windows less the mean of their group. An observer compares a link with itself: otherwise links would be told from each
 * other, and a classifier that has seen more calls than idle windows of a link in training would be wrong about it in
 * testing, for there it is the other way round. And he compares it with the others at the same time: what disturbs the
 * one machine that all run on does not pass for a call, though it may well keep calls from coming about.
 */
function centred({ features, labels, clusters }: Table, groups: Uint32Array): Table {
  const columns = features.length / labels.length;
  /** BOUNDED: by the rows. */
  const sums = new Map<number, { readonly values: Float64Array; rows: number }>();
  groups.forEach((group, row) => {
    const sum = sums.get(group) ?? { values: new Float64Array(columns), rows: 0 };
    sums.set(group, sum);
    for (let column = 0; column < columns; column += 1) sum.values[column]! += features[row * columns + column]!;
    sum.rows += 1;
  });
  const less = features.map((value, i) => {
    const { values, rows } = sums.get(groups[Math.floor(i / columns)]!)!;
    return value - values[i % columns]! / rows;
  });
  return { features: less, labels, clusters };
}

/**
 * As many windows of either class on each link: to each of the rarer class the nearest in time of the other that is
 * left. Without this a link that carries many calls would tell by how it looks, whatever it does.
 */
export function balanced({ series, spans }: WatchedLink): WatchedLink {
  const ofClass = (label: 0 | 1) => spans.filter((span) => span.label === label);
  const [zeros, ones] = [ofClass(0), ofClass(1)];
  const [rare, plenty] = zeros.length < ones.length ? [zeros, ones] : [ones, zeros];
  const left = new Set(plenty);
  const matched = rare.map((span) => {
    const distance = (other: Span) => Math.abs(other.fromUs - span.fromUs);
    const nearest = [...left].reduce((a, b) => (distance(b) < distance(a) ? b : a));
    left.delete(nearest);
    return nearest;
  });
  return { series, spans: [...rare, ...matched].sort((a, b) => a.fromUs - b.fromUs) };
}

/** What a cluster has of a class as one block: windows of one cluster share luck, so they are permuted together. */
function byCluster({ values, starts, labels }: Blocks, spans: readonly Span[]): Blocks {
  const order = spans.map((_span, block) => block);
  const keyOf = (block: number) => spans[block]!.cluster * 2 + labels[block]!;
  order.sort((a, b) => keyOf(a) - keyOf(b));
  const merged = new Float64Array(values.length);
  const mergedStarts: number[] = [];
  const mergedLabels: number[] = [];
  let filled = 0;
  order.forEach((block, i) => {
    if (i === 0 || keyOf(block) !== keyOf(order[i - 1]!)) {
      mergedStarts.push(filled);
      mergedLabels.push(labels[block]!);
    }
    merged.set(values.subarray(starts[block], starts[block + 1]), filled);
    filled += starts[block + 1]! - starts[block]!;
  });
  return { values: merged, starts: Uint32Array.from([...mergedStarts, filled]), labels: Uint8Array.from(mergedLabels) };
}

/** The same links with every packet of class 1 later by so much: what a run has to notice to prove anything. */
export function withLeak(links: readonly WatchedLink[], delayUs: Micros, random: Random): WatchedLink[] {
  return links.map(({ series, spans }) => ({ series: plantDelay(series, spans, delayUs, 1, random), spans }));
}

function boundsOf({ instantsUs }: Series, { fromUs, toUs }: Span): [from: number, to: number] {
  return [lowerBound(instantsUs, fromUs), lowerBound(instantsUs, toUs)];
}

function countPackets(links: readonly WatchedLink[], label: 0 | 1): number {
  let count = 0;
  for (const { series, spans } of links) {
    for (const span of spans) {
      if (span.label !== label) continue;
      const [from, to] = boundsOf(series, span);
      count += to - from;
    }
  }
  return count;
}

function sizesOf(links: readonly WatchedLink[], label: 0 | 1): number[] {
  const counts = new Map<number, number>();
  for (const { series, spans } of links) {
    for (const span of spans) {
      if (span.label !== label) continue;
      const [from, to] = boundsOf(series, span);
      for (let i = from; i < to; i += 1) counts.set(series.sizes[i]!, (counts.get(series.sizes[i]!) ?? 0) + 1);
    }
  }
  const least = countPackets(links, label) * RARE_SHARE;
  return [...counts].flatMap(([size, count]) => (count >= least ? [size] : [])).sort((a, b) => a - b);
}

/** Rows as a table for people. */
export function printRows(rows: readonly Row[]): string {
  const head = [
    'link',
    'class 1 against 0',
    's',
    'packets 0 / 1',
    'windows 0 / 1',
    'sizes',
    'least p (Holm)',
    'later by, µs (90 %)',
    'AUC logistic [95 %]',
    'AUC trees [95 %]',
    'verdict',
  ];
  const lines = rows.map((row) => [
    row.link,
    row.comparison,
    String(row.windowS),
    row.packets.join(' / '),
    row.windows.join(' / '),
    String(row.sizes[0]) === String(row.sizes[1])
      ? row.sizes[0].join(',')
      : `${row.sizes[0].join(',')} ≠ ${row.sizes[1].join(',')}`,
    `${row.p.toFixed(3)} ${row.p < 0.05 ? row.test : ''}`.trim(),
    `${row.laterUs.map((us) => us.toFixed(1)).join(' … ')}${row.equivalent ? '' : ` not within ${MARGIN_US}`}`,
    ...row.attempts.map(
      ({ auc, interval }) => `${auc.toFixed(3)} [${interval.map((bound) => bound.toFixed(3)).join(', ')}]`,
    ),
    row.verdict === 'open' ? `open (bar ${row.bar.toFixed(3)})` : row.verdict,
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]!.length)));
  const print = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [print(head), print(widths.map((width) => '-'.repeat(width))), ...lines.map(print)].join('\n');
}
