/**
 * What is in the cluster, as an admin sees it: every kind that the operator knows.
 * It is kept by watches, so that hundreds of namespaces can be looked at without asking the server.
 */
import { Cache } from '../../../operator/kube/cache.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { Index } from '../../../operator/kube/store.ts';
import type { KubeObject, Resource } from '../../../operator/kube/types.ts';
import * as types from '../../../operator/kube/types.ts';
import { eventually } from './control-plane.ts';

/** Events tell of the way, not of where it led; the lease is the process's. */
const leftOut = ['events', 'leases'];

const isResource = (value: unknown): value is Resource<KubeObject> =>
  typeof value === 'object' && value !== null && 'plural' in value;

const mirrored = Object.values(types)
  .filter(isResource)
  .filter((r) => !leftOut.includes(r.plural));

export interface Seen {
  readonly kind: string;
  readonly object: KubeObject;
}

export interface Mirror {
  in(namespace: string): Seen[];
  get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): T | undefined;
  all<T extends KubeObject>(resource: Resource<T>, namespace: string): T[];
  /** Grows with every change in the namespace. */
  version(namespace: string): number;
  /** How often a Secret was made, by name: a key that is made twice is a key that somebody trusted in vain. */
  secretsMade(namespace: string): Record<string, number>;
  stop(): Promise<void>;
}

const namespace: Index<KubeObject> = ({ metadata }) => (metadata.namespace ? [metadata.namespace] : []);

export async function startMirror(admin: KubeClient): Promise<Mirror> {
  const stopping = new AbortController();
  /** BOUNDED: by the namespaces of the suite, as is the next. */
  const versions = new Map<string, number>();
  const made = new Map<string, Record<string, number>>();
  const caches = mirrored.map(
    (resource) => new Cache(admin, resource, { namespaces: [] }, seen(resource), { indexes: { namespace } }),
  );
  const running = caches.map((cache) => cache.run(stopping.signal));
  await eventually(() => caches.every((cache) => cache.synced), 'what is in the cluster');
  const cacheOf = <T extends KubeObject>(resource: Resource<T>) =>
    caches.find((cache) => cache.resource.plural === resource.plural) as unknown as Cache<T>;

  return {
    in: (namespace) =>
      caches.flatMap((cache) =>
        cache.by('namespace', namespace).map((object) => ({ kind: cache.resource.kind, object })),
      ),
    get: (resource, namespace, name) => cacheOf(resource).get(`${namespace}/${name}`),
    all: (resource, namespace) => cacheOf(resource).by('namespace', namespace),
    version: (namespace) => versions.get(namespace) ?? 0,
    secretsMade: (namespace) => made.get(namespace) ?? {},
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };

  function seen(resource: Resource<KubeObject>) {
    return ({ before, after }: { before: KubeObject | undefined; after: KubeObject | undefined }) => {
      const { namespace = '', name } = (after ?? before)!.metadata;
      versions.set(namespace, (versions.get(namespace) ?? 0) + 1);
      if (resource.kind !== 'Secret' || !after || before?.metadata.uid === after.metadata.uid) return;
      const counts = made.get(namespace) ?? {};
      made.set(namespace, counts);
      counts[name] = (counts[name] ?? 0) + 1;
    };
  }
}
