/**
 * Brings children and status to the cluster, writing only what differs.
 * A child is left alone when we applied the same intent before and the cache still shows all of it. The memory is needed
 * because a field that we no longer want can't be seen in the wish, only in what we wished before.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { apiVersion } from '../api/fields.ts';
import type { Cache } from '../kube/cache.ts';
import type { Conflicts, KubeClient } from '../kube/client.ts';
import { isConflict, isNotFound } from '../kube/errors.ts';
import {
  type CustomResource,
  configMaps,
  type KubeObject,
  keyOf,
  type Manifest,
  nodeSlots,
  type Pod,
  podDisruptionBudgets,
  pods,
  type Resource,
  services,
  statefulSets,
} from '../kube/types.ts';
import { finalizer, homeLabel } from '../objects/labels.ts';
import { covers } from '../plan/covers.ts';
import type { Removal } from '../plan/zone.ts';
import type { Caches } from './caches.ts';

const resources = {
  ConfigMap: configMaps,
  NodeSlot: nodeSlots,
  PodDisruptionBudget: podDisruptionBudgets,
  Service: services,
  StatefulSet: statefulSets,
} satisfies Record<Removal['kind'], Resource<KubeObject>>;

/** What others need not know at once is worth a write of its own when it has lasted so long, and then when this has gone by. */
const lastingMs = 5_000;
export const againMs = 15_000;

/** In milliseconds of performance.now(). */
interface Passing {
  /** When a status that can wait began to differ from what was told; undefined: it does not. */
  readonly sinceMs?: number;
  /** When one was last told. */
  readonly toldMs: number;
}

export class Applier {
  readonly #client: KubeClient;
  readonly #caches: Partial<Caches>;
  readonly #fieldManager: string;
  readonly #unknown: Conflicts;
  /** Owner uid → child → hash of the intent. BOUNDED: by the children of living owners; forget() drops an owner. */
  readonly #intents = new Map<string, Map<string, string>>();
  /** Owner uid → resourceVersion of the status that we wrote last, 'unknown' while no answer has come. BOUNDED: as #intents. */
  readonly #told = new Map<string, number | 'unknown'>();

  /** Owner uid → what its status has to say and can wait. BOUNDED: as #intents. */
  readonly #passing = new Map<string, Passing>();

  /**
   * @param caches where what is there is seen
   * @param unknown what happens to an object that is there and was not seen
   */
  constructor(client: KubeClient, caches: Partial<Caches>, controller: string, unknown: Conflicts = 'win') {
    this.#client = client;
    this.#caches = caches;
    this.#fieldManager = `herd-${controller}`;
    this.#unknown = unknown;
  }

  /** @throws when a child of that name still belongs to another owner: the garbage collector may be about to take it, or it is a Zone's of another cluster */
  async apply(ownerUid: string, manifests: readonly Manifest[]): Promise<void> {
    const known = this.#intents.get(ownerUid) ?? new Map<string, string>();
    this.#intents.set(ownerUid, known);
    for (const manifest of manifests) {
      const name = `${manifest.kind}/${manifest.metadata.name}`;
      const hash = createHash('sha256').update(JSON.stringify(manifest)).digest('base64');
      const observed = this.#cacheOf(manifest.kind)?.get(keyOf(manifest));
      if (known.get(name) === hash && observed && covers(observed, manifest)) continue;
      const other = observed?.metadata.ownerReferences?.find((o) => o.controller && o.uid !== ownerUid);
      if (other) throw new Error(`${name} belongs to ${other.kind} ${other.name} (uid ${other.uid})`);
      const [home, wanted] = [observed?.metadata.labels?.[homeLabel], manifest.metadata.labels?.[homeLabel]];
      if (observed && home !== wanted)
        throw new Error(`${name} belongs to ${home ? 'a Zone elsewhere' : 'this cluster'}`);
      const resource = resources[manifest.kind as Removal['kind']];
      await this.#client.apply(
        resource,
        this.#exact(manifest, observed),
        this.#fieldManager,
        observed ? 'win' : this.#unknown,
      );
      known.set(name, hash);
    }
  }

  /** Who may not be alone with an object means the one that was seen. */
  #exact(manifest: Manifest, observed: KubeObject | undefined): Manifest {
    if (this.#unknown === 'win' || !observed) return manifest;
    return { ...manifest, metadata: { ...manifest.metadata, uid: observed.metadata.uid } };
  }

  async remove(ownerUid: string, namespace: string, removals: readonly Removal[]): Promise<void> {
    for (const { kind, name } of removals) {
      await this.#client.delete(resources[kind], namespace, name);
      this.#intents.get(ownerUid)?.delete(`${kind}/${name}`);
    }
  }

  /**
   * One write per reconcile at most, and none when nothing changed. A cache that doesn't show our last write yet is no
   * witness of that: what it shows may be what we meant before, and mean again.
   * @param isPassing nobody waits for it: it is written when it, or others that can wait, have lasted
   * @returns milliseconds after which what waits is due, if anything does
   */
  async applyStatus(
    resource: Resource<CustomResource>,
    raw: CustomResource,
    status: object,
    isPassing = false,
  ): Promise<number | undefined> {
    const { name, namespace, uid, resourceVersion } = raw.metadata;
    const told = this.#told.get(uid) ?? 0;
    const isTold = told !== 'unknown' && Number(resourceVersion) >= told && isDeepStrictEqual(raw.status, status);
    const waitMs = this.#waitMs(uid, isPassing && !isTold);
    if (isTold || waitMs > 0) return waitMs || undefined;
    const manifest = { apiVersion, kind: resource.kind, metadata: { name, namespace: namespace!, uid }, status };
    this.#told.set(uid, 'unknown');
    // Deleted while we looked: nobody is left to tell.
    await this.#ifThere(
      this.#client.applyStatus(resource, manifest, this.#fieldManager).then(({ metadata }) => {
        this.#told.set(uid, Number(metadata.resourceVersion));
      }),
    );
    return undefined;
  }

  /** @returns milliseconds for which a status is not to be written */
  #waitMs(uid: string, isPassing: boolean): number {
    const now = performance.now();
    const { sinceMs = now, toldMs } = this.#passing.get(uid) ?? { toldMs: Number.NEGATIVE_INFINITY };
    const waitMs = isPassing ? Math.max(0, sinceMs + lastingMs - now, toldMs + againMs - now) : 0;
    const next = waitMs > 0 ? { sinceMs, toldMs } : { toldMs: isPassing ? now : toldMs };
    if (next.toldMs + againMs > now || waitMs > 0) this.#passing.set(uid, next);
    else this.#passing.delete(uid);
    return waitMs;
  }

  /** When the object is deleted it stays until it is let go. */
  async hold(resource: Resource<CustomResource>, { metadata }: CustomResource): Promise<void> {
    const { name, namespace, uid } = metadata;
    const held = { name, namespace: namespace!, uid, finalizers: [finalizer] };
    const manifest = { apiVersion, kind: resource.kind, metadata: held };
    await this.#ifThere(this.#client.apply(resource, manifest, this.#fieldManager, 'yield'));
  }

  /** Whoever put the finalizer there. An object that is no more needs nothing. */
  async letGo(resource: Resource<CustomResource>, { metadata }: CustomResource): Promise<undefined> {
    const { name, namespace, uid, resourceVersion } = metadata;
    const finalizers = metadata.finalizers?.filter((other) => other !== finalizer) ?? [];
    const changes = { metadata: { uid, resourceVersion, finalizers } };
    await this.#ifThere(this.#client.patch(resource, namespace!, name, changes));
  }

  /** A field of a slot that another manager made. */
  async applyField(manifest: Manifest): Promise<void> {
    await this.#ifThere(this.#client.apply(nodeSlots, manifest, this.#fieldManager));
  }

  async annotatePod({ metadata: { name, namespace, uid } }: Pod, annotations: Record<string, string>): Promise<void> {
    const manifest = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: namespace!, uid, annotations } };
    await this.#ifThere(this.#client.apply(pods, manifest, this.#fieldManager, 'yield'));
  }

  /** With a uid in it, what is applied to an object that has gone is refused as a conflict. */
  async #ifThere(applied: Promise<unknown>): Promise<void> {
    try {
      await applied;
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  forget(ownerUid: string): void {
    this.#intents.delete(ownerUid);
    this.#told.delete(ownerUid);
    this.#passing.delete(ownerUid);
  }

  #cacheOf(kind: string): Cache<KubeObject> | undefined {
    const { configMaps: c, budgets: p, services: s, slots: n, statefulSets: t } = this.#caches;
    const caches: Record<Removal['kind'], unknown> = {
      ConfigMap: c,
      NodeSlot: n,
      PodDisruptionBudget: p,
      Service: s,
      StatefulSet: t,
    };
    return caches[kind as Removal['kind']] as Cache<KubeObject> | undefined;
  }
}
