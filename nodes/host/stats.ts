import { DROP_REASONS } from '../core/drop.ts';

/**
 * Numbers that the plane's thread counts and the control thread reads, in one shared array: no message per number.
 *
 * All of them are per node. None tells real traffic from cover, and none can be tied to a client or a call.
 */
export const STATS = [
  'ticks',
  'late_slots',
  'datagrams_received',
  'datagrams_sent',
  'bytes_received',
  'bytes_sent',
  'configured_datagrams_per_tick',
  'configured_bytes_per_tick',
  'links_up',
  'links_expected',
  'places_taken',
  'last_tick_seconds',
  'audits_started',
  'audits_guilty',
  'audits_jams',
  'audits_doubtful',
] as const;
export type Stat = (typeof STATS)[number];

export class Stats {
  readonly memory: SharedArrayBuffer;
  /** Drops by reason, first in the memory. */
  readonly drops: Float64Array;
  readonly #values: Float64Array;

  constructor(memory = new SharedArrayBuffer(8 * (DROP_REASONS.length + STATS.length))) {
    this.memory = memory;
    this.drops = new Float64Array(memory, 0, DROP_REASONS.length);
    this.#values = new Float64Array(memory, 8 * DROP_REASONS.length, STATS.length);
  }

  get(stat: Stat): number {
    return this.#values[STATS.indexOf(stat)]!;
  }

  set(stat: Stat, value: number): void {
    this.#values[STATS.indexOf(stat)] = value;
  }

  add(stat: Stat, value: number): void {
    this.#values[STATS.indexOf(stat)]! += value;
  }
}
