/** What the operator watches. Secrets are not among it: it may create and look up its own, never list. */
import type { ObjectMeta, Parsed } from '../api/fields.ts';
import { type NodeSlot, parseSlot } from '../api/slot.ts';
import { parseSuperpeer, type Superpeer } from '../api/superpeer.ts';
import { parseZone, type Zone } from '../api/zone.ts';
import { Cache, type CacheScope } from '../kube/cache.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Change } from '../kube/reflector.ts';
import * as kube from '../kube/types.ts';
import { managedSelector } from '../objects/labels.ts';

export interface Caches {
  readonly zones: Cache<kube.CustomResource>;
  readonly superpeers: Cache<kube.CustomResource>;
  readonly slots: Cache<kube.CustomResource>;
  readonly configMaps: Cache<kube.ConfigMap>;
  readonly services: Cache<kube.Service>;
  readonly statefulSets: Cache<kube.StatefulSet>;
  readonly budgets: Cache<kube.PodDisruptionBudget>;
  readonly pods: Cache<kube.Pod>;
  readonly machines: Cache<kube.KubeNode>;
}

export interface CacheHandlers {
  readonly onZone: (change: Change<kube.CustomResource>) => void;
  readonly onSuperpeer: (change: Change<kube.CustomResource>) => void;
  readonly onSlot: (change: Change<kube.CustomResource>) => void;
  readonly onChild: (change: Change<kube.KubeObject>) => void;
  readonly onPod: (change: Change<kube.Pod>) => void;
  readonly onMachine: (change: Change<kube.KubeNode>) => void;
  readonly onError: (resource: string, error: unknown) => void;
}

export function createCaches(client: KubeClient, namespaces: readonly string[], handlers: CacheHandlers): Caches {
  const own = { namespaces };
  const managed = { namespaces, labelSelector: managedSelector };
  const of = <T extends kube.KubeObject>(
    resource: kube.Resource<T>,
    scope: CacheScope,
    onChange: (change: Change<T>) => void,
  ) => new Cache(client, resource, scope, onChange, { onError: (error) => handlers.onError(resource.plural, error) });
  return {
    zones: of(kube.zones, own, handlers.onZone),
    superpeers: of(kube.superpeers, own, handlers.onSuperpeer),
    slots: of(kube.nodeSlots, own, handlers.onSlot),
    configMaps: of(kube.configMaps, managed, handlers.onChild),
    services: of(kube.services, managed, handlers.onChild),
    statefulSets: of(kube.statefulSets, managed, handlers.onChild),
    budgets: of(kube.podDisruptionBudgets, managed, handlers.onChild),
    pods: of(kube.pods, managed, handlers.onPod),
    machines: of(kube.nodes, { namespaces: [] }, handlers.onMachine),
  };
}

/** Parsed once per version of the object, since the store hands out the same object until it changes. */
function memoized<T>(parse: (raw: object) => Parsed<T>): (raw: object) => Parsed<T> {
  const known = new WeakMap<object, Parsed<T>>();
  return (raw) => {
    const before = known.get(raw);
    if (before) return before;
    const parsed = parse(raw);
    known.set(raw, parsed);
    return parsed;
  };
}

export const readZone = memoized<Zone>(parseZone);
export const readSuperpeer = memoized<Superpeer>(parseSuperpeer);
export const readSlot = memoized<NodeSlot>(parseSlot);

/** Those of a namespace that parse; one that does not is reported by its own reconcile. */
export const zonesIn = (caches: Caches, namespace: string): Zone[] =>
  valid(caches.zones.inNamespace(namespace), readZone);
export const superpeersIn = (caches: Caches, namespace: string): Superpeer[] =>
  valid(caches.superpeers.inNamespace(namespace), readSuperpeer);
export const slotsIn = (caches: Caches, namespace: string, zone: string): NodeSlot[] =>
  valid(caches.slots.inNamespace(namespace), readSlot).filter(({ spec }) => spec.zone === zone);

function valid<T extends { metadata: ObjectMeta }>(raws: readonly object[], read: (raw: object) => Parsed<T>): T[] {
  return raws.flatMap((raw) => {
    const parsed = read(raw);
    return parsed.ok ? [parsed.value] : [];
  });
}
