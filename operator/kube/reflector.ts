/**
 * A local copy of one resource in one scope, kept true by list and watch.
 * Upholds: it never gives up. A clean close re-watches, an error backs off and re-watches from the last version seen,
 * 410 begins anew, silence counts as an error. Changes are told after the store has them, so a reader never sees older.
 *
 * It begins with a watch that sends all there is first (WatchList), which costs the server far less memory than a list;
 * where the server refuses that, or sends no end of it, with a list in pages, and then always.
 */
import { fullJitter, type Random, sleep } from './backoff.ts';
import { endsInitial, type KubeClient, type Scope, type WatchEvent } from './client.ts';
import { ApiError, isGone, isInvalid } from './errors.ts';
import { type Change, type Index, Store } from './store.ts';
import { type KubeObject, keyOf, type Resource } from './types.ts';

export interface ReflectorOptions<T> {
  readonly random?: Random;
  readonly onError?: (error: unknown) => void;
  /** All there is was read: at the start, and whenever the server could not continue from where we were. */
  readonly onBegin?: (by: Beginning) => void;
  readonly indexes?: Readonly<Record<string, Index<T>>>;
  /** What of an object is kept, without managedFields in any case; the default is all. */
  readonly keep?: (object: T) => T;
  /** Says the same of objects that are much alike, such as pods of one template; the default is that all are. */
  readonly kinOf?: (object: T) => string;
  /** The default suits all but tests. */
  readonly patience?: Patience;
}

export type Beginning = 'stream' | 'pages';

export interface Patience {
  /** Without a byte. Servers send a bookmark about once a minute; two missing and a half mean a dead connection. */
  readonly silenceMsMax: number;
  /** For all there is, by a watch. A server that knows no WatchList may leave it without an end. */
  readonly streamMsMax: number;
}

const backoffMs = { base: 800, floor: 100, cap: 30_000 };
/** A watch that held so long was healthy: the next failure starts from the shortest wait. */
const healthyMs = 120_000;
const politeMs = 5_000;
const usual: Patience = { silenceMsMax: 150_000, streamMsMax: 60_000 };

export class Reflector<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly store: Store<T>;
  readonly #client: KubeClient;
  readonly #scope: Scope;
  readonly #onChange: (change: Change<T>) => void;
  readonly #options: ReflectorOptions<T>;
  readonly #random: Random;
  readonly #patience: Patience;
  #synced = false;
  #streams = true;
  /** undefined: all there is has to be read before what changes. */
  #version: string | undefined;
  #heardAt = performance.now();

  constructor(
    client: KubeClient,
    resource: Resource<T>,
    scope: Scope,
    onChange: (change: Change<T>) => void,
    options: ReflectorOptions<T> = {},
  ) {
    this.#client = client;
    this.resource = resource;
    this.store = new Store(options.indexes ?? {}, options.kinOf);
    this.#scope = scope;
    this.#onChange = onChange;
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#patience = options.patience ?? usual;
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** Since the server last said anything, a bookmark included. */
  silentSeconds(): number {
    return (performance.now() - this.#heardAt) / 1000;
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const started = performance.now();
      let failed = false;
      let askedMs = 0;
      try {
        await this.#follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) this.#version = undefined;
        else this.#options.onError?.(error);
        if (error instanceof ApiError) askedMs = error.retryAfterMs;
        failed = true;
      }
      const lastedMs = performance.now() - started;
      // A server that closes every watch at once, however politely, must not be asked in a tight loop.
      if (lastedMs > healthyMs || (!failed && lastedMs > politeMs)) failures = 0;
      else failures++;
      if (failures === 0) continue;
      const jitterMs = fullJitter(failures, backoffMs.base / 2, backoffMs.cap, this.#random, backoffMs.floor);
      await sleep(Math.min(backoffMs.cap, askedMs) + jitterMs, signal);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    if (this.#version === undefined) {
      if (this.#streams) return this.#stream(signal);
      const { items, resourceVersion } = await this.#client.list(this.resource, this.#scope);
      this.#begin(
        items.map((item) => this.#lean(item)),
        resourceVersion,
        'pages',
      );
    }
    for await (const event of this.#watch(signal)) this.#take(event);
  }

  /** One watch: all there is, then what changes. */
  async #stream(signal: AbortSignal): Promise<void> {
    /** BOUNDED: by the objects of the scope in the cluster. */
    let initial: Map<string, T> | undefined = new Map();
    const unended = new AbortController();
    const timer = setTimeout(
      () => unended.abort(new Error('the watch sent no end of what there is')),
      this.#patience.streamMsMax,
    );
    try {
      for await (const event of this.#watch(AbortSignal.any([signal, unended.signal]))) {
        if (!initial) this.#take(event);
        else if (endsInitial(event)) {
          clearTimeout(timer);
          this.#begin([...initial.values()], event.object.metadata.resourceVersion, 'stream');
          initial = undefined;
        } else if (event.type === 'DELETED') initial.delete(keyOf(event.object));
        else if (event.type !== 'BOOKMARK') initial.set(keyOf(event.object), this.#lean(event.object));
      }
      if (initial) this.#streams = false;
    } catch (error) {
      if (initial && (isInvalid(error) || unended.signal.aborted)) this.#streams = false;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<WatchEvent<T>> {
    // Random, so that the watches of a restarted fleet do not end together.
    const timeoutSeconds = 300 + Math.floor(this.#random() * 300);
    const { silenceMsMax } = this.#patience;
    const from = { resourceVersion: this.#version, timeoutSeconds, silenceMsMax, signal };
    for await (const event of this.#client.watch(this.resource, this.#scope, from)) {
      this.#heardAt = performance.now();
      yield event;
    }
  }

  #take(event: WatchEvent<T>): void {
    const change = this.#keep(event);
    this.#version = event.object.metadata.resourceVersion;
    if (change) this.#onChange(change);
  }

  #keep({ type, object }: WatchEvent<T>): Change<T> | undefined {
    if (type === 'BOOKMARK') return undefined;
    return type === 'DELETED' ? this.store.remove(keyOf(object)) : this.store.put(this.#lean(object));
  }

  /** Makes the store hold these objects and no others. */
  #begin(objects: readonly T[], version: string, by: Beginning): void {
    const gone = new Set(Array.from(this.store.values(), keyOf));
    const changes: (Change<T> | undefined)[] = [];
    for (const object of objects) {
      gone.delete(keyOf(object));
      changes.push(this.store.put(object));
    }
    for (const key of gone) changes.push(this.store.remove(key));
    this.#version = version;
    this.#heardAt = performance.now();
    for (const change of changes) if (change) this.#onChange(change);
    this.#synced = true;
    this.#options.onBegin?.(by);
  }

  /** managedFields is half of an object's bytes and nobody here reads it. */
  #lean(object: T): T {
    delete (object.metadata as { managedFields?: unknown }).managedFields;
    return this.#options.keep?.(object) ?? object;
  }
}
