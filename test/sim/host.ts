import type { Machine } from '../../nodes/core/machine.ts';
import type { Endpoint, Micros } from '../../nodes/core/units.ts';
import { TICK_US } from '../../nodes/wire/constants.ts';
import { TimeHeap } from './heap.ts';
import { Bursts } from './path.ts';

export type HostKind = 'client' | 'superpeer' | 'mix' | 'rendezvous';

/** A datagram on its way or in a socket's buffer. The world uses the object again. */
export interface Mail {
  at: Micros;
  order: number;
  from: Endpoint;
  to: Endpoint;
  readonly bytes: Buffer;
  length: number;
}

/** nodes/host/udp.ts asks for 4 MiB, of which the kernel counts 768 bytes for a datagram of ours. */
export const SOCKET_DATAGRAMS_MAX = Math.floor((4 * 1024 * 1024) / 768);

interface HostOptions {
  readonly name: string;
  readonly kind: HostKind | undefined;
  readonly endpoint: Endpoint;
  readonly order: number;
  readonly firstTick: Micros;
}

/** A machine of the world, with a clock and a socket of its own. Everything that befalls it is a method of World. */
export class Host {
  readonly name: string;
  readonly kind: HostKind | undefined;
  /** Where its datagrams come from and what reaches it; see World.rebind. */
  endpoint: Endpoint;
  /** The process; undefined while there is none, and datagrams to the host vanish. */
  machine: Machine | undefined;
  /** Paused: nothing runs and datagrams wait in the socket. Asleep: nothing runs and datagrams are lost. */
  state: 'running' | 'paused' | 'asleep' = 'running';
  /** BOUNDED: datagrams that wait for the process; more are lost and counted in `socketDrops`. */
  socketDatagramsMax = SOCKET_DATAGRAMS_MAX;
  socketDrops = 0;
  /** Ticks that the process has had. */
  ticks = 0;

  // The world's own, from here on.
  /** Instant of the next tick, by the world's clock. */
  at: Micros;
  readonly order: number;
  /** Ticks that a pause has kept back. */
  missedTicks = 0;
  /** How often it was paused or put to sleep: the end of one pause must not end another. */
  stops = 0;
  /** On their way here. BOUNDED: by what is sent within the longest delay. */
  readonly mail = new TimeHeap<Mail>();
  /** Arrived. BOUNDED: socketDatagramsMax. */
  readonly socket: Mail[] = [];
  readonly #world: { readonly now: Micros };
  /** By receiver, for the paths from here that lose in bursts. BOUNDED: by the hosts of the world. */
  readonly #bursts = new Map<Endpoint, Bursts>();
  #driftPpm = 0;
  /** The instant from which the clock runs as it does now, the world's and the host's reading of it. */
  #clockFrom: Micros;
  #clockReads: Micros;
  #clockStands = false;
  /** Ticks are counted from here, so that no rounding adds up. */
  #ticksFrom: Micros;
  #ticksSince = 0;

  constructor(world: { readonly now: Micros }, options: HostOptions) {
    this.#world = world;
    this.name = options.name;
    this.kind = options.kind;
    this.endpoint = options.endpoint;
    this.order = options.order;
    this.at = options.firstTick;
    this.#ticksFrom = options.firstTick;
    this.#clockFrom = world.now;
    this.#clockReads = world.now;
  }

  /** What the host's clock reads. */
  get now(): Micros {
    if (this.#clockStands) return this.#clockReads;
    return this.#clockReads + Math.round((this.#world.now - this.#clockFrom) * this.#rate);
  }

  /** How fast its clock runs: 200 ppm are one more tick in 100 s. */
  get driftPpm(): number {
    return this.#driftPpm;
  }

  get #rate(): number {
    return 1 + this.#driftPpm * 1e-6;
  }

  bursts(to: Endpoint): Bursts {
    const bursts = this.#bursts.get(to) ?? new Bursts();
    this.#bursts.set(to, bursts);
    return bursts;
  }

  /** From now on the clock reads `reading` and runs at that drift. Ticks, which a monotonic clock times, do not jump. */
  setClock(reading: Micros, driftPpm: number): void {
    this.#clockReads = reading;
    this.#clockFrom = this.#world.now;
    this.#clockStands = false;
    this.#driftPpm = driftPpm;
    this.countTicks();
  }

  /** Until setClock. */
  stopClock(): void {
    this.#clockReads = this.now;
    this.#clockStands = true;
  }

  /** From the next tick on, ticks are a tick of the host's clock apart. */
  countTicks(): void {
    this.#ticksFrom = this.at;
    this.#ticksSince = 0;
  }

  advanceTick(): void {
    this.#ticksSince += 1;
    this.at = this.#ticksFrom + Math.round((this.#ticksSince * TICK_US) / this.#rate);
  }
}
