/** What all controllers work with. */
import type { Parsed } from '../api/fields.ts';
import type { Members } from '../clusters/members.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/events.ts';
import type { Outcome } from '../kube/workers.ts';
import type { Caches } from './caches.ts';
import type { DirectoryReader } from './directory.ts';
import type { KeyKeeper } from './keys.ts';
import type { Ports } from './ports.ts';

export interface Deps {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly members: Members;
  readonly keys: KeyKeeper;
  readonly directories: DirectoryReader;
  readonly ports: Ports;
  readonly events: EventRecorder;
  /** The image that all nodes run. */
  readonly nodeImage: string;
}

/** @param key namespace/name */
export type Reconcile = (key: string) => Promise<Outcome>;

/** Nothing to do until something changes. */
export const settled: Outcome = { requeueAfterMs: undefined };

/** At whichever comes first. */
export const lookAgain = (planMs: number, waitMs: number | undefined): Outcome => ({
  requeueAfterMs: Math.min(planMs, waitMs ?? planMs),
});

/** @throws on a resource that the API server accepted once and this version's schema does not */
export function valid<T>(parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new Error(`the resource can't be read: ${parsed.problems.join('; ')}`);
}
