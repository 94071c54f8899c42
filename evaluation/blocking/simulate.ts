import { Schedule } from './schedule.ts';

/**
 * Blocking of calls in one zone, call by call and without packets (network.md 1.8, rows R3 and R16): clients with k
 * attachments on channels of n places, at most one call per channel, both ends of a call in the zone.
 *
 * The times that calls take to come up and channels to come free are arguments, so that the same model can be held
 * against the machines, where they are measured. Moves of `augment` take no time here.
 */
export interface BlockingOptions {
  readonly clients: number;
  /** n: places per channel. */
  readonly clientsPerChannel: number;
  /** k: attachments per client, each over another superpeer. */
  readonly attachments: number;
  readonly superpeers: number;
  readonly channelsPerSuperpeer: number;
  readonly mode: 'augment' | 'ranking' | 'random';
  readonly seconds: number;
  /** Placed between two idle clients, Poisson. */
  readonly callsPerSecond: number;
  /** Mean of the exponential time from answer to hang-up. */
  readonly holdSeconds: number;
  /** A caller whose callee gets no channel gives up then. */
  readonly patienceSeconds: number;
  /** From the caller's channel to the callee's first ring. */
  readonly ringSeconds: number;
  /** Between two rings. */
  readonly ringAgainSeconds: number;
  /** From the callee's channel to the answer at the caller. */
  readonly answerSeconds: number;
  /** From hang-up to a free channel: of the caller, who hangs up, and of the callee. */
  readonly releaseSeconds: number;
  readonly calleeReleaseSeconds: number;
  /** `augment` moves a call at most once in this time. */
  readonly movePauseSeconds: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface BlockingResult {
  readonly placed: number;
  /** The caller got no channel. */
  readonly callerBlocked: number;
  /** The callee got none for as long as the caller waited. */
  readonly calleeBlocked: number;
  /** Mean share of time that a client holds a channel. */
  readonly duty: number;
  readonly moves: number;
}

const NONE = -1;
/** Steps of a call, as events: call · 4 + step. */
const RING = 0;
const HANG_UP = 1;
const RELEASE_CALLEE = 2;
const RELEASE = 3;

/** Throws when the channels have fewer places than the clients want. */
export function simulateBlocking(options: BlockingOptions): BlockingResult {
  const zone = new Zone(options);
  return zone.run();
}

class Zone {
  readonly #options: BlockingOptions;
  readonly #channels: number;
  /** Channels of client c: k from c · k on; NONE where there was no place on another superpeer. */
  readonly #attached: Int32Array;
  /** Client on each channel, or NONE. */
  readonly #holder: Int32Array;
  /** Channel of each client, or NONE. */
  readonly #held: Int32Array;
  readonly #heldSince: Float64Array;
  /** By client: when its call was moved for another's sake. */
  readonly #movedAt: Float64Array;
  readonly #busy: Uint8Array;
  readonly #rank: Float64Array;
  readonly #schedule = new Schedule();
  /** By call: caller, callee, and when the caller gives up. Slots are used again. BOUNDED: half of the clients. */
  readonly #callers: Int32Array;
  readonly #callees: Int32Array;
  readonly #patience: Float64Array;
  readonly #freeCalls: number[] = [];
  #now = 0;
  #placed = 0;
  #callerBlocked = 0;
  #calleeBlocked = 0;
  #moves = 0;
  #heldSeconds = 0;

  constructor(options: BlockingOptions) {
    const { clients, attachments, superpeers, channelsPerSuperpeer, random } = options;
    this.#options = options;
    this.#channels = superpeers * channelsPerSuperpeer;
    this.#attached = new Int32Array(clients * attachments).fill(NONE);
    this.#holder = new Int32Array(this.#channels).fill(NONE);
    this.#held = new Int32Array(clients).fill(NONE);
    this.#heldSince = new Float64Array(clients);
    this.#movedAt = new Float64Array(clients).fill(Number.NEGATIVE_INFINITY);
    this.#busy = new Uint8Array(clients);
    this.#rank = Float64Array.from({ length: this.#channels }, () => random());
    const calls = Math.ceil(clients / 2);
    this.#callers = new Int32Array(calls);
    this.#callees = new Int32Array(calls);
    this.#patience = new Float64Array(calls);
    for (let call = calls - 1; call >= 0; call -= 1) this.#freeCalls.push(call);
    this.#attach();
  }

  run(): BlockingResult {
    const { seconds, callsPerSecond, clients, random } = this.#options;
    let arrival = exponential(random, 1 / callsPerSecond);
    while (Math.min(arrival, this.#schedule.nextAt) < seconds) {
      if (arrival <= this.#schedule.nextAt) {
        this.#now = arrival;
        this.#place();
        arrival += exponential(random, 1 / callsPerSecond);
      } else {
        this.#now = this.#schedule.nextAt;
        this.#step(this.#schedule.take());
      }
    }
    for (let client = 0; client < clients; client += 1) {
      if (this.#held[client] !== NONE) this.#heldSeconds += seconds - this.#heldSince[client]!;
    }
    return {
      placed: this.#placed,
      callerBlocked: this.#callerBlocked,
      calleeBlocked: this.#calleeBlocked,
      duty: this.#heldSeconds / (clients * seconds),
      moves: this.#moves,
    };
  }

  /** Every client chooses at random among the channels with a place on superpeers that it has not chosen yet. */
  #attach(): void {
    const { clients, attachments, clientsPerChannel, channelsPerSuperpeer, random } = this.#options;
    const taken = new Uint32Array(this.#channels);
    for (let number = 0; number < attachments; number += 1) {
      for (let client = 0; client < clients; client += 1) {
        const used = new Set<number>();
        for (let i = 0; i < number; i += 1)
          used.add(Math.floor(this.#attached[client * attachments + i]! / channelsPerSuperpeer));
        const open: number[] = [];
        for (let channel = 0; channel < this.#channels; channel += 1) {
          if (taken[channel]! < clientsPerChannel && !used.has(Math.floor(channel / channelsPerSuperpeer)))
            open.push(channel);
        }
        if (open.length === 0) continue;
        const channel = open[Math.floor(random() * open.length)]!;
        taken[channel]! += 1;
        this.#attached[client * attachments + number] = channel;
      }
    }
  }

  #place(): void {
    const { random, clients, patienceSeconds, ringSeconds } = this.#options;
    const caller = this.#idleClient(random, clients, NONE);
    const callee = this.#idleClient(random, clients, caller);
    if (caller === NONE || callee === NONE) return;
    this.#placed += 1;
    if (!this.#take(caller)) {
      this.#callerBlocked += 1;
      return;
    }
    const call = this.#freeCalls.pop()!;
    this.#callers[call] = caller;
    this.#callees[call] = callee;
    this.#patience[call] = this.#now + patienceSeconds;
    this.#busy[caller] = 1;
    this.#busy[callee] = 1;
    this.#schedule.add(this.#now + ringSeconds, call * 4 + RING);
  }

  #step(event: number): void {
    const { holdSeconds, ringAgainSeconds, answerSeconds, releaseSeconds, calleeReleaseSeconds, random } =
      this.#options;
    const call = Math.floor(event / 4);
    const [caller, callee] = [this.#callers[call]!, this.#callees[call]!];
    switch (event % 4) {
      case RING:
        if (this.#take(callee)) {
          const end = this.#now + answerSeconds + exponential(random, holdSeconds);
          this.#schedule.add(end, call * 4 + HANG_UP);
        } else if (this.#now + ringAgainSeconds > this.#patience[call]!) {
          this.#calleeBlocked += 1;
          this.#schedule.add(this.#now, call * 4 + HANG_UP);
        } else this.#schedule.add(this.#now + ringAgainSeconds, call * 4 + RING);
        return;
      case HANG_UP:
        this.#schedule.add(this.#now + calleeReleaseSeconds, call * 4 + RELEASE_CALLEE);
        this.#schedule.add(this.#now + Math.max(releaseSeconds, calleeReleaseSeconds), call * 4 + RELEASE);
        return;
      case RELEASE_CALLEE:
        this.#release(callee);
        this.#busy[callee] = 0;
        return;
      default:
        this.#release(caller);
        this.#busy[caller] = 0;
        this.#freeCalls.push(call);
    }
  }

  /** Idle at random; NONE when hardly anybody is. */
  #idleClient(random: () => number, clients: number, but: number): number {
    for (let attempt = 0; attempt < 1000; attempt += 1) {
      const client = Math.floor(random() * clients);
      if (client !== but && this.#busy[client] === 0) return client;
    }
    return NONE;
  }

  #take(client: number): boolean {
    const channel = this.#freeOf(client);
    if (channel !== NONE) this.#hold(client, channel);
    else if (this.#options.mode !== 'augment' || !this.#augment(client)) return false;
    this.#heldSince[client] = this.#now;
    this.#movedAt[client] = Number.NEGATIVE_INFINITY;
    return true;
  }

  #hold(client: number, channel: number): void {
    this.#holder[channel] = client;
    this.#held[client] = channel;
  }

  #release(client: number): void {
    const channel = this.#held[client]!;
    if (channel === NONE) return;
    this.#heldSeconds += this.#now - this.#heldSince[client]!;
    this.#holder[channel] = NONE;
    this.#held[client] = NONE;
  }

  #freeOf(client: number): number {
    const { attachments, mode, random } = this.#options;
    let best = NONE;
    let seen = 0;
    for (let number = 0; number < attachments; number += 1) {
      const channel = this.#attached[client * attachments + number]!;
      if (channel === NONE || this.#holder[channel] !== NONE) continue;
      seen += 1;
      const better =
        mode === 'random' ? random() * seen < 1 : best === NONE || this.#rank[channel]! < this.#rank[best]!;
      if (better) best = channel;
    }
    return best;
  }

  /** Breadth-first search for the shortest augmenting path; everybody on it moves by one. */
  #augment(client: number): boolean {
    const { attachments, movePauseSeconds } = this.#options;
    /** By channel: who would take it. */
    const by = new Map<number, number>();
    const queue = [client];
    for (let next = 0; next < queue.length; next += 1) {
      const mover = queue[next]!;
      for (let number = 0; number < attachments; number += 1) {
        const channel = this.#attached[mover * attachments + number]!;
        if (channel === NONE || by.has(channel)) continue;
        by.set(channel, mover);
        const holder = this.#holder[channel]!;
        if (holder !== NONE) {
          if (this.#now - this.#movedAt[holder]! >= movePauseSeconds) queue.push(holder);
        } else {
          this.#shift(client, channel, by);
          return true;
        }
      }
    }
    return false;
  }

  #shift(client: number, last: number, by: ReadonlyMap<number, number>): void {
    for (let channel = last; ; ) {
      const mover = by.get(channel)!;
      const left = this.#held[mover]!;
      this.#hold(mover, channel);
      if (mover === client) return;
      this.#moves += 1;
      this.#movedAt[mover] = this.#now;
      this.#holder[left] = NONE;
      channel = left;
    }
  }
}

function exponential(random: () => number, mean: number): number {
  return -Math.log(1 - random()) * mean;
}
