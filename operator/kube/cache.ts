/** Reflectors of one resource, one per watched namespace (or one for all), read as one. */
import type { KubeClient } from './client.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';
import type { Change } from './store.ts';
import type { KubeObject, Resource } from './types.ts';

export interface CacheScope {
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  readonly labelSelector?: string;
}

export class Cache<T extends KubeObject> {
  readonly resource: Resource<T>;
  readonly #reflectors: readonly Reflector<T>[];

  constructor(
    client: KubeClient,
    resource: Resource<T>,
    { namespaces, labelSelector }: CacheScope,
    onChange: (change: Change<T>) => void,
    options: ReflectorOptions<T>,
  ) {
    this.resource = resource;
    const scopes = namespaces.length > 0 ? namespaces : [undefined];
    this.#reflectors = scopes.map(
      (namespace) => new Reflector(client, resource, { namespace, labelSelector }, onChange, options),
    );
  }

  get synced(): boolean {
    return this.#reflectors.every((r) => r.synced);
  }

  silentSeconds(): number {
    return Math.max(...this.#reflectors.map((r) => r.silentSeconds()));
  }

  get(key: string): T | undefined {
    for (const reflector of this.#reflectors) {
      const object = reflector.store.get(key);
      if (object) return object;
    }
    return undefined;
  }

  all(): T[] {
    return this.#reflectors.flatMap((r) => [...r.store.values()]);
  }

  /** Those whose controller has this uid. */
  ownedBy(uid: string): T[] {
    return this.by('owner', uid);
  }

  /** @param index one of the options' indexes */
  by(index: string, value: string): T[] {
    return this.#reflectors.flatMap((r) => r.store.by(index, value));
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((r) => r.run(signal)));
  }
}
