import assert from 'node:assert/strict';
import { MILLISECOND_US } from '../../nodes/core/units.ts';
import { TICK_US } from '../../nodes/wire/constants.ts';
import type { Host, HostKind } from './host.ts';
import type { SeededRandom } from './random.ts';

/**
 * What a path does to a datagram, in one direction: netem's knobs. There is no limit to its rate: every link of Herd has
 * one rate, so a path that cannot carry it is a lossy one.
 */
export interface PathQuality {
  readonly delayUs: number;
  /** Added uniformly in 0 … jitterUs. */
  readonly jitterUs: number;
  /** Share of datagrams lost, each for itself, 0 … 1. */
  readonly loss: number;
  /** Loss in bursts, on top. */
  readonly bursts?: BurstLoss;
  /** Share of datagrams that come 0 … 5 ticks later than they would have, 0 … 1. */
  readonly reordered?: number;
  /** Share of datagrams that come twice, each with a delay of its own, 0 … 1. */
  readonly duplicated?: number;
}

/**
 * Gilbert's channel (E. N. Gilbert, Capacity of a burst-noise channel, 1960): a good state that loses nothing and a bad
 * one, p the chance to go from good to bad at a datagram, r the chance to come back.
 */
export interface BurstLoss {
  /** Mean share of datagrams lost: p / (p + r) · lossInBad. Below lossInBad. */
  readonly loss: number;
  /** Mean length of the bad state in datagrams, 1 / r: of a burst, where nothing comes through in it. At least 1. */
  readonly lengthDatagrams: number;
  /** Share lost in the bad state, 0 … 1; 1 if not given. */
  readonly lossInBad?: number;
}

/** The path from one host to another; asked for every datagram, so it may answer otherwise as time goes. */
export type Path = (from: Host, to: Host) => PathQuality;

/** Across an ocean. */
export const WAN: PathQuality = { delayUs: 45 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 };
/** Within a country. */
export const NEAR: PathQuality = { delayUs: 5 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 };

/** Between mixes and rendezvous every link is of the mesh. */
export type LinkClass = 'client-superpeer' | 'superpeer-mix' | 'mesh';

/** undefined where one of the two is nobody known, or they are of roles that never talk. */
export function linkOf(one: Host | undefined, other: Host | undefined): LinkClass | undefined {
  const a = one?.kind;
  const b = other?.kind;
  if (inMesh(a) && inMesh(b)) return 'mesh';
  if ((a === 'superpeer' && b === 'mix') || (a === 'mix' && b === 'superpeer')) return 'superpeer-mix';
  if ((a === 'superpeer' && b === 'client') || (a === 'client' && b === 'superpeer')) return 'client-superpeer';
  return undefined;
}

const inMesh = (kind: HostKind | undefined) => kind === 'mix' || kind === 'rendezvous';

/** A quality for each class of links; `otherwise` for the ones that are not named. */
export function byLink(qualities: Partial<Record<LinkClass, PathQuality>>, otherwise: PathQuality): Path {
  return (from, to) => {
    const link = linkOf(from, to);
    return (link && qualities[link]) ?? otherwise;
  };
}

const REORDERED_TICKS_MAX = 5;

/** Time on the path of one copy of a datagram. */
export function drawDelayUs({ delayUs, jitterUs, reordered = 0 }: PathQuality, random: SeededRandom): number {
  const jitter = jitterUs > 0 ? Math.floor(random.next() * jitterUs) : 0;
  const late = reordered > 0 && random.next() < reordered ? random.below(REORDERED_TICKS_MAX + 1) * TICK_US : 0;
  return delayUs + jitter + late;
}

/** The state of one directed path's bursts. */
export class Bursts {
  #bad = false;

  /** Whether the next datagram is lost. */
  draw({ loss, lengthDatagrams, lossInBad = 1 }: BurstLoss, random: SeededRandom): boolean {
    const r = 1 / lengthDatagrams;
    const p = (r * loss) / (lossInBad - loss);
    assert(loss < lossInBad && r <= 1 && p <= 1, 'bursts that cannot be: too much loss for their length');
    this.#bad = random.next() < (this.#bad ? 1 - r : p);
    return this.#bad && (lossInBad === 1 || random.next() < lossInBad);
  }
}
