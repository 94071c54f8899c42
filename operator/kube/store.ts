/**
 * Objects by key, and by whatever an index says of them; a look-up takes the time of its answer, not of the store.
 * Upholds: what is in it is frozen to its depth, since all readers share it. That also lets objects share their equal
 * parts: of two StatefulSets of nodes little more than the names is kept twice, a third of the memory.
 */
import { controllerOf, type KubeObject, keyOf } from './types.ts';

/** Under which values the object is found. */
export type Index<T> = (object: T) => readonly string[];

export interface Change<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

const common: Record<string, Index<KubeObject>> = {
  owner: (object) => {
    const owner = controllerOf(object);
    return owner ? [owner.uid] : [];
  },
};

export class Store<T extends KubeObject> {
  readonly #indexes: Readonly<Record<string, Index<T>>>;
  /** BOUNDED: by the objects of the scope in the cluster. */
  readonly #objects = new Map<string, T>();
  /** Index → value → keys. BOUNDED: as #objects, once for each index. */
  readonly #keys = new Map<string, Map<string, Set<string>>>();

  readonly #kinOf: (object: T) => string;
  /** Whose parts a new object may share, by kin. BOUNDED: by what #kinOf tells apart. */
  readonly #latest = new Map<string, T>();

  /** @param kinOf says the same of objects that are much alike */
  constructor(indexes: Readonly<Record<string, Index<T>>>, kinOf: (object: T) => string = () => '') {
    this.#kinOf = kinOf;
    this.#indexes = { ...common, ...indexes };
    for (const name of Object.keys(this.#indexes)) this.#keys.set(name, new Map());
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** @throws on an index that the store does not have */
  by(index: string, value: string): T[] {
    const keys = this.#keys.get(index);
    if (!keys) throw new Error(`there is no index ${index}`);
    return Array.from(keys.get(value) ?? [], (key) => this.#objects.get(key)!);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  /** @returns undefined when the store has this version already */
  put(object: T): Change<T> | undefined {
    const key = keyOf(object);
    const before = this.#objects.get(key);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return undefined;
    const kin = this.#kinOf(object);
    const kept = share(object, before ?? this.#latest.get(kin));
    this.#latest.set(kin, kept);
    this.#objects.set(key, kept);
    this.#move(key, before, kept);
    return { before, after: kept };
  }

  /** @returns undefined when there was none */
  remove(key: string): Change<T> | undefined {
    const before = this.#objects.get(key);
    if (!before) return undefined;
    this.#objects.delete(key);
    this.#move(key, before, undefined);
    return { before, after: undefined };
  }

  #move(key: string, before: T | undefined, after: T | undefined): void {
    for (const [name, indexOf] of Object.entries(this.#indexes)) {
      const keys = this.#keys.get(name)!;
      for (const value of before ? indexOf(before) : []) {
        keys.get(value)?.delete(key);
        if (keys.get(value)?.size === 0) keys.delete(value);
      }
      for (const value of after ? indexOf(after) : []) {
        if (!keys.has(value)) keys.set(value, new Set());
        keys.get(value)!.add(key);
      }
    }
  }
}

/** Freezes the value, with parts of `like` in the place of equal ones. @returns `like` when all of it is equal */
export function share<T>(value: T, like: unknown): T {
  // Of two equal texts the one that is kept already.
  if (value === like) return like as T;
  if (typeof value !== 'object' || value === null) return value;
  const parts = value as Record<string, unknown>;
  const model = (typeof like === 'object' ? (like ?? {}) : {}) as Record<string, unknown>;
  const names = Object.keys(parts);
  let equal = like === model && Array.isArray(value) === Array.isArray(like);
  for (const name of names) {
    const part = share(parts[name], Object.hasOwn(model, name) ? model[name] : undefined);
    if (part !== model[name]) equal = false;
    if (!Object.isFrozen(parts)) parts[name] = part;
  }
  if (equal && names.length === Object.keys(model).length) return like as T;
  return Object.freeze(value);
}
