/**
 * The keys that wait for a reconcile. Pure: time and chance are handed in.
 * Upholds: a key waits once however often it is added, is worked on by one worker at a time, and a key added while it is
 * worked on runs again after.
 *
 * Due keys stand in three lanes, each first come, first served. `urgent` is for what a user changed, `routine` for
 * what is under way or stands: polls, retries, children; `first` for what a first list brought of which nothing is there yet.
 * Urgent keys go first, but of urgentInRowMax + 1 takes one is routine when a routine key could be taken; so the n-th key of
 * the routine lane is taken within n × (urgentInRowMax + 1) takes, whatever users do. A first key is taken when there is
 * no other: thousands of objects come up one after the other and not all at the same pace, so that what is written of many
 * nodes of a zone is written once.
 */
import { fullJitter, type Random } from './backoff.ts';
import { TokenBucket } from './bucket.ts';
import { Heap, type Timed } from './heap.ts';

/** In the order of precedence. */
const lanes = ['urgent', 'routine', 'first'] as const;
export type Lane = (typeof lanes)[number];

/** Is told what happens to keys, for who counts. */
export interface QueueObserver {
  /** A key waits that did not before. */
  added(): void;
  /** A failed one waits again. */
  retried(): void;
  /** A worker has a key that was due for so long. */
  taken(waitedMs: number): void;
}

interface Waiting extends Timed {
  readonly key: string;
  lane: Lane;
}

export const urgentInRowMax = 4;
const backoffMs = { base: 100, floor: 50, cap: 120_000 };
/** Of all keys' retries together, as controller-runtime has it: many keys that fail at once are one sick API server. */
const retries = { perSecond: 10, burst: 100 };

export class WorkQueue {
  readonly #random: Random;
  readonly #observer: QueueObserver | undefined;
  readonly #retries = new TokenBucket(retries);
  /** All that wait, due or not. BOUNDED: by the objects in the cluster. */
  readonly #waiting = new Map<string, Waiting>();
  /** Of those, the ones that are not due yet. BOUNDED: as #waiting. */
  readonly #later = new Heap<Waiting>();
  /** The others. BOUNDED: as #waiting. */
  readonly #ready: Record<Lane, Set<Waiting>> = {
    urgent: new Set(),
    routine: new Set(),
    first: new Set(),
  };
  /** BOUNDED: by the number of workers. */
  readonly #busy = new Set<string>();
  /** BOUNDED: by the objects in the cluster; a success removes the key. */
  readonly #failures = new Map<string, number>();
  #urgentInRow = 0;
  readonly #beginEveryMs: number;
  #begunMs = Number.NEGATIVE_INFINITY;

  /** @param beginEveryMs between two keys of the first lane */
  constructor(random: Random, observer?: QueueObserver, beginEveryMs = 0) {
    this.#random = random;
    this.#observer = observer;
    this.#beginEveryMs = beginEveryMs;
  }

  /** Of two times for one key the earlier counts, of two lanes the one that goes first. */
  add(key: string, dueMs: number, lane: Lane): void {
    const waiting = this.#waiting.get(key);
    if (!waiting) {
      const added = { key, dueMs, lane, turn: 0, place: 0 };
      this.#waiting.set(key, added);
      this.#later.push(added);
      this.#observer?.added();
      return;
    }
    const ready = this.#ready[waiting.lane].has(waiting);
    if (!ready && dueMs < waiting.dueMs) this.#later.advance(waiting, dueMs);
    if (lanes.indexOf(lane) >= lanes.indexOf(waiting.lane)) return;
    if (ready) {
      this.#ready[waiting.lane].delete(waiting);
      this.#ready[lane].add(waiting);
    }
    waiting.lane = lane;
  }

  /**
   * The next due key that nobody works on; it is the caller's until succeeded or failed.
   * @param mayBegin whether it may be of the first lane
   */
  take(nowMs: number, mayBegin = true): string | undefined {
    this.#ripen(nowMs);
    const next = this.#next();
    if (!next) return undefined;
    if (next.lane === 'first') {
      if (!mayBegin || nowMs - this.#begunMs < this.#beginEveryMs) return undefined;
      this.#begunMs = nowMs;
    }
    this.#urgentInRow = next.lane === 'urgent' ? this.#urgentInRow + 1 : 0;
    this.#ready[next.lane].delete(next);
    this.#waiting.delete(next.key);
    this.#busy.add(next.key);
    this.#observer?.taken(nowMs - next.dueMs);
    return next.key;
  }

  succeeded(key: string): void {
    this.#busy.delete(key);
    this.#failures.delete(key);
  }

  /** Adds the key again, later with each failure in a row and with many failures of others. */
  failed(key: string, nowMs: number): void {
    this.#busy.delete(key);
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const ownMs = fullJitter(failures, backoffMs.base, backoffMs.cap, this.#random, backoffMs.floor);
    // Not without limit: after an outage that failed every key, each is tried again within the cap.
    const turnMs = this.#retries.reserve(nowMs, backoffMs.cap);
    this.add(key, nowMs + Math.max(ownMs, turnMs), 'routine');
    this.#observer?.retried();
  }

  /** When take will next have something, unless a key is added before. */
  nextDueMs(): number | undefined {
    return (this.#next() ?? this.#later.first())?.dueMs;
  }

  /** Keys that are due now, the busy ones included. */
  depth(nowMs: number): number {
    this.#ripen(nowMs);
    return lanes.reduce((sum, lane) => sum + this.#ready[lane].size, 0);
  }

  /** Of those, all but the first lane's. */
  underWay(nowMs: number): number {
    return this.depth(nowMs) - this.#ready.first.size;
  }

  #ripen(nowMs: number): void {
    for (let first = this.#later.first(); first && first.dueMs <= nowMs; first = this.#later.first()) {
      this.#later.pop();
      this.#ready[first.lane].add(first);
    }
  }

  #next(): Waiting | undefined {
    const urgent = this.#firstFree('urgent');
    if (urgent && this.#urgentInRow < urgentInRowMax) return urgent;
    return this.#firstFree('routine') ?? urgent ?? this.#firstFree('first');
  }

  /** Looks past busy keys, of which there are as many as workers. */
  #firstFree(lane: Lane): Waiting | undefined {
    for (const waiting of this.#ready[lane]) if (!this.#busy.has(waiting.key)) return waiting;
    return undefined;
  }
}
