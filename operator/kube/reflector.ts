/**
 * A local copy of one resource in one scope, kept true by list and watch.
 * Upholds: it never gives up. A clean close re-watches, an error backs off and re-watches from the last version seen,
 * 410 lists anew, silence counts as an error. Changes are told after the store has them, so a reader never sees older.
 */
import { fullJitter, type Random, sleep } from './backoff.ts';
import type { KubeClient, Scope } from './client.ts';
import { isGone } from './errors.ts';
import { type KubeObject, keyOf, type Resource } from './types.ts';

export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

export interface ReflectorOptions {
  readonly random?: Random;
  readonly onError?: (error: unknown) => void;
}

const backoffMs = { base: 800, floor: 100, cap: 30_000 };
/** A watch that held so long was healthy: the next failure starts from the shortest wait. */
const healthyMs = 120_000;
const politeMs = 5_000;
/** Servers send a bookmark about once a minute; two missing and a half mean a dead connection. */
const silenceMsMax = 150_000;

export class Reflector<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly #client: KubeClient;
  readonly #scope: Scope;
  readonly #onChange: (change: Change<T>) => void;
  readonly #random: Random;
  readonly #onError: (error: unknown) => void;
  /** BOUNDED: by the objects of the scope in the cluster. */
  readonly #store = new Map<string, T>();
  #synced = false;
  /** undefined: list before the next watch. */
  #version: string | undefined;
  #heardAt = performance.now();

  constructor(
    client: KubeClient,
    resource: Resource<T>,
    scope: Scope,
    onChange: (change: Change<T>) => void,
    options: ReflectorOptions = {},
  ) {
    this.#client = client;
    this.resource = resource;
    this.#scope = scope;
    this.#onChange = onChange;
    this.#random = options.random ?? Math.random;
    this.#onError = options.onError ?? (() => {});
  }

  get synced(): boolean {
    return this.#synced;
  }

  /** Since the server last said anything, a bookmark included. */
  silentSeconds(): number {
    return (performance.now() - this.#heardAt) / 1000;
  }

  get(key: string): T | undefined {
    return this.#store.get(key);
  }

  values(): IterableIterator<T> {
    return this.#store.values();
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const started = performance.now();
      let failed = false;
      try {
        if (this.#version === undefined) await this.#list();
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isGone(error)) this.#version = undefined;
        else this.#onError(error);
        failed = true;
      }
      const lastedMs = performance.now() - started;
      // A server that closes every watch at once, however politely, must not be asked in a tight loop.
      if (lastedMs > healthyMs || (!failed && lastedMs > politeMs)) failures = 0;
      else failures++;
      if (failures === 0) continue;
      await sleep(fullJitter(failures, backoffMs.base / 2, backoffMs.cap, this.#random, backoffMs.floor), signal);
    }
  }

  async #list(): Promise<void> {
    const { items, resourceVersion } = await this.#client.list(this.resource, this.#scope);
    const gone = new Map(this.#store);
    for (const item of items) {
      gone.delete(keyOf(item));
      this.#put(item);
    }
    for (const item of gone.values()) this.#remove(item);
    this.#version = resourceVersion;
    this.#heardAt = performance.now();
    this.#synced = true;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    // Random, so that the watches of a restarted fleet do not end together.
    const timeoutSeconds = 300 + Math.floor(this.#random() * 300);
    const from = { resourceVersion: this.#version!, timeoutSeconds, silenceMsMax, signal };
    for await (const { type, object } of this.#client.watch(this.resource, this.#scope, from)) {
      this.#heardAt = performance.now();
      if (type === 'DELETED') this.#remove(object);
      else if (type !== 'BOOKMARK') this.#put(object);
      this.#version = object.metadata.resourceVersion;
    }
  }

  #put(object: T): void {
    const key = keyOf(object);
    const before = this.#store.get(key);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    // managedFields is half of an object's bytes and nobody here reads it.
    delete (object.metadata as { managedFields?: unknown }).managedFields;
    this.#store.set(key, object);
    this.#onChange({ before, after: object });
  }

  #remove(object: T): void {
    const key = keyOf(object);
    const before = this.#store.get(key);
    if (!before) return;
    this.#store.delete(key);
    this.#onChange({ before, after: undefined });
  }
}
