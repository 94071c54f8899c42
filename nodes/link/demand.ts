import { MESH_CELLS_PER_TICK_MAX } from '../config/consensus.ts';
import { draw, type Entropy } from '../core/machine.ts';

/**
 * How many cells a node's links towards one zone need, as a figure that may be published (network.md 1.5, "Mix–mix").
 *
 * Property: one end of a call changes the figure before the noise by at most one cell, and the figure that leaves the
 * process is 0.1-differentially private in it: whatever figure comes out, it comes out at most e^0.1 = 1.11 times as
 * often with that end of the call as without it (Dwork, McSherry, Nissim, Smith, "Calibrating noise to sensitivity in
 * private data analysis", 2006).
 *
 * The demand of a link in a tick is the number of its circuits and legs that have a cell waiting, not of the cells: so
 * neither jitter nor a queue lets one count twice. The most over the links, and a percentile over the ticks, change by
 * no more than what they are taken of.
 *
 * What this does not promise: a call shows in the figures of each node that carries it, so whoever reads all descriptors
 * has 0.1 for each of three (the mix's and the rendezvous' towards their own zone, the rendezvous' towards the other
 * zone), twice that where both ends share a link, and all of it again in every epoch that the call lasts.
 */
export const EPSILON = 0.1;
/** Of the ticks of an epoch: 0.1 % of 15 minutes, not quite a second, may want more, which queues and the headroom take. */
const TICKS_SHARE = 0.999;

export class Demand {
  /** Ticks by demand. BOUNDED: a higher demand counts as the highest rate, which is all that it could lead to. */
  readonly #ticks = new Uint32Array(MESH_CELLS_PER_TICK_MAX + 1);

  /** The demand of the busiest link in a tick. */
  add(cells: number): void {
    this.#ticks[Math.min(cells, MESH_CELLS_PER_TICK_MAX)]! += 1;
  }

  /** The least demand that 99.9 % of the ticks did not exceed, and begins anew. 0 of no ticks. */
  take(): number {
    let left = this.#ticks.reduce((sum, ticks) => sum + ticks, 0) * TICKS_SHARE;
    let cells = 0;
    while (cells < MESH_CELLS_PER_TICK_MAX && left > this.#ticks[cells]!) {
      left -= this.#ticks[cells]!;
      cells += 1;
    }
    this.#ticks.fill(0);
    return cells;
  }
}

/** The figure as it is published: with noise, within 0 and the highest rate. */
export function published(cells: number, entropy: Entropy): number {
  return Math.max(0, Math.min(MESH_CELLS_PER_TICK_MAX, cells + geometric(entropy) - geometric(entropy)));
}

/**
 * The difference of two of these is Laplace noise in whole cells, P(k) ∝ e^(-ε |k|) (Ghosh, Roughgarden, Sundararajan,
 * "Universally utility-maximizing privacy mechanisms", 2009): the low bits of a rounded real number would tell more.
 */
function geometric(entropy: Entropy): number {
  return Math.floor(-Math.log((draw(entropy, 6).readUIntBE(0, 6) + 1) / 2 ** 48) / EPSILON);
}
