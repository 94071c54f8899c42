/** Drives a WorkQueue with real time: takes due keys, runs reconcile on a bounded number of them at once. */
import { type Lane, type QueueObserver, WorkQueue } from './queue.ts';

export interface Outcome {
  /** Look at this key again after so long, or a fifth longer, whatever happens. */
  readonly requeueAfterMs: number | undefined;
}

export interface WorkerOptions {
  readonly concurrency: number;
  readonly reconcile: (key: string) => Promise<Outcome>;
  readonly onDone?: (key: string, seconds: number, error: unknown) => void;
  readonly observer?: QueueObserver | undefined;
  /** How long what is routine waits for more of it. */
  readonly burstMs?: number;
  /** Whether a key of the first lane may be taken now. */
  readonly mayBegin?: () => boolean;
  /** Between two of them. */
  readonly beginEveryMs?: number | undefined;
}

const usualBurstMs = 200;
/** How long until it is asked again whether a key of the first lane may be taken. */
const beginMs = 50;
/** Keys that came together, as after a start, drift apart by this share of their wait. */
const spread = 0.2;

export class Workers {
  readonly #queue: WorkQueue;
  readonly #options: WorkerOptions;
  /** When the reconciles that run began. BOUNDED: concurrency. */
  readonly #running = new Set<{ readonly startedMs: number }>();
  #started = false;
  #idle: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#queue = new WorkQueue(Math.random, options.observer, options.beginEveryMs);
  }

  /** What is routine comes in bursts, as children are made and become ready: it waits a moment and is looked at once. */
  add(key: string, lane: Lane = 'routine'): void {
    const burstMs = this.#options.burstMs ?? usualBurstMs;
    this.#queue.add(key, performance.now() + (lane === 'urgent' ? 0 : burstMs), lane);
    this.#pump();
  }

  depth(): number {
    return this.#queue.depth(performance.now());
  }

  /** Of depth(), all but what has not begun. */
  underWay(): number {
    return this.#queue.underWay(performance.now());
  }

  /** How long the oldest of the reconciles that run has been at it; 0 if none runs. */
  longestRunSeconds(): number {
    const now = performance.now();
    let longestMs = 0;
    for (const { startedMs } of this.#running) longestMs = Math.max(longestMs, now - startedMs);
    return longestMs / 1000;
  }

  start(): void {
    this.#started = true;
    this.#pump();
  }

  /** Takes no more keys; resolves when the last running reconcile ended. */
  stop(): Promise<void> {
    this.#started = false;
    clearTimeout(this.#timer);
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  #pump(): void {
    if (!this.#started) return;
    const { mayBegin = () => true } = this.#options;
    while (this.#running.size < this.#options.concurrency) {
      const key = this.#queue.take(performance.now(), mayBegin());
      if (key === undefined) break;
      void this.#run(key);
    }
    clearTimeout(this.#timer);
    const dueMs = this.#queue.nextDueMs();
    if (dueMs === undefined || this.#running.size >= this.#options.concurrency) return;
    const waitMs = dueMs - performance.now();
    // What is due and was not taken may not begin yet.
    this.#timer = setTimeout(() => this.#pump(), waitMs > 0 ? Math.ceil(waitMs) : beginMs);
  }

  async #run(key: string): Promise<void> {
    const run = { startedMs: performance.now() };
    this.#running.add(run);
    let failure: unknown;
    try {
      const { requeueAfterMs } = await this.#options.reconcile(key);
      this.#queue.succeeded(key);
      if (requeueAfterMs !== undefined)
        this.#queue.add(key, performance.now() + requeueAfterMs * (1 + spread * Math.random()), 'routine');
    } catch (error) {
      failure = error ?? new Error('reconcile failed');
      this.#queue.failed(key, performance.now());
    }
    this.#options.onDone?.(key, (performance.now() - run.startedMs) / 1000, failure);
    this.#running.delete(run);
    if (this.#running.size === 0) this.#idle?.();
    this.#pump();
  }
}
