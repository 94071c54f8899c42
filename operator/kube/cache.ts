/** Reflectors of one resource, one per watched namespace (or one for all), read as one. */
import type { KubeClient } from './client.ts';
import { type Change, Reflector, type ReflectorOptions } from './reflector.ts';
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
    options: ReflectorOptions,
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
      const object = reflector.get(key);
      if (object) return object;
    }
    return undefined;
  }

  values(): T[] {
    return this.#filter(() => true);
  }

  inNamespace(namespace: string): T[] {
    return this.#filter((object) => object.metadata.namespace === namespace);
  }

  ownedBy(uid: string): T[] {
    return this.#filter(
      (object) => object.metadata.ownerReferences?.some((o) => o.controller && o.uid === uid) === true,
    );
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((r) => r.run(signal)));
  }

  #filter(wanted: (object: T) => boolean): T[] {
    return this.#reflectors.flatMap((r) => [...r.values()].filter(wanted));
  }
}
