import type { MeshRate } from '../config/consensus.ts';
import type { ZoneDemand } from '../config/descriptor.ts';

/**
 * The rates of a zone's mesh links: one towards each zone, its own among them, for all pairs of nodes (network.md 1.5).
 *
 * Properties: what an observer sees of a rate follows from the figures that nodes publish, which say next to nothing of
 * a single call (link/demand.ts); a rate changes only where an epoch begins, on all links at once, by one rung, and
 * whoever downloads the consensus knows of it beforehand. A call never changes it.
 *
 * In the second half of an epoch, when all nodes have reported on the one before, the directory decides for the next:
 * asked is the lowest rung that holds 1.5 times the highest report; up goes a rate at once, down after four epochs in a row
 * that asked for less. A call that is carried is in the next report, so what carries calls is not lowered below them,
 * but by noise: four times in a row all nodes would have to draw less than what takes the headroom away.
 *
 * What the noise costs: the highest of several draws is far above 0, and going up faster than down keeps it there. With
 * nothing to carry at all, a floor of 4 and a ceiling of 64, the mean rate is 19 cells per tick where one node reports,
 * 30 with two, 41 with four, 52 with eight, 59 with sixteen (means of 20 000 epochs; rates.test.ts repeats them). A call
 * takes one cell, and a cell per tick is 110 kb/s on every link, so four nodes pay 4.1 Mb/s per link for privacy alone.
 * The demand is worth following where a zone carries dozens of calls at once on a link; a smaller one names no
 * meshCellsPerTickMax, or a low one, and keeps a fixed rate.
 *
 * A directory that starts anew, or whose floor or ceiling changes, has forgotten the rates: the floor is in force until
 * it decides again.
 */
const HEADROOM = 1.5;
const QUIET_EPOCHS = 4;

export interface RatesOptions {
  /** The own zone and its peers. */
  readonly zones: readonly string[];
  /** Cells per tick. A ceiling that is not above the floor keeps rates at the floor. */
  readonly floor: number;
  readonly ceiling: number;
  readonly epochMs: number;
  /** By how much clocks of nodes may be behind: as long does a rate that another has followed stay in the consensus. */
  readonly clockSkewMs: number;
}

interface Pair {
  readonly zone: string;
  /** Of the newest entry, or the floor before the first. */
  rung: number;
  /** Epochs in a row that asked for less. */
  quietEpochs: number;
  /** Oldest first. BOUNDED: one per epoch within the clocks' skew, one before them, one in force and one to come. */
  entries: MeshRate[];
}

/** From floor to ceiling in steps of 1.25, in whole cells: of one cell where that is more. */
export function rungs(floor: number, ceiling: number): number[] {
  const ladder = [floor];
  for (let top = floor; top < ceiling; ladder.push(top))
    top = Math.min(ceiling, Math.max(top + 1, Math.floor(top * 1.25)));
  return ladder;
}

export class Rates {
  #options: RatesOptions;
  #rungs: readonly number[];
  /** BOUNDED: one per zone of the options. */
  #pairs: readonly Pair[] = [];
  #decidedIn = -1;

  constructor(options: RatesOptions) {
    this.#options = options;
    this.#rungs = rungs(options.floor, options.ceiling);
    this.configure(options);
  }

  /** Follows other options: the rates towards zones that stay are kept, unless they would be on another ladder. */
  configure(options: RatesOptions): void {
    const isSameLadder = options.floor === this.#options.floor && options.ceiling === this.#options.ceiling;
    const known = new Map(isSameLadder ? this.#pairs.map((pair) => [pair.zone, pair]) : []);
    this.#options = options;
    this.#rungs = rungs(options.floor, options.ceiling);
    this.#pairs = options.zones.map((zone) => known.get(zone) ?? { zone, rung: 0, quietEpochs: 0, entries: [] });
  }

  /** Decides in the second half of each epoch, once, from the newest reports of all nodes of the mesh. */
  decide(nowMs: number, reports: readonly ZoneDemand[]): void {
    const { epochMs } = this.#options;
    const epoch = Math.floor(nowMs / epochMs);
    if (epoch <= this.#decidedIn || nowMs % epochMs < epochMs / 2) return;
    this.#decidedIn = epoch;
    for (const pair of this.#pairs) {
      const figures = reports.filter(({ zone }) => zone === pair.zone).map(({ cells }) => cells);
      const before = pair.rung;
      if (figures.length > 0) this.#step(pair, HEADROOM * Math.max(...figures));
      if (pair.rung === before) continue;
      pair.entries.push({ zone: pair.zone, cellsPerTick: this.#rungs[pair.rung]!, from: (epoch + 1) * epochMs });
    }
  }

  /** What the consensus says at that instant. */
  entries(nowMs: number): MeshRate[] {
    const { clockSkewMs } = this.#options;
    for (const pair of this.#pairs)
      while (pair.entries.length > 1 && pair.entries[1]!.from + clockSkewMs <= nowMs) pair.entries.shift();
    return this.#pairs.flatMap(({ entries }) => entries);
  }

  #step(pair: Pair, cells: number): void {
    const { length } = this.#rungs;
    const holding = this.#rungs.findIndex((rung) => rung >= cells);
    const asked = holding < 0 ? length - 1 : holding;
    pair.quietEpochs = asked < pair.rung ? pair.quietEpochs + 1 : 0;
    if (asked > pair.rung) pair.rung += 1;
    if (pair.quietEpochs < QUIET_EPOCHS) return;
    pair.rung -= 1;
    pair.quietEpochs = 0;
  }
}
