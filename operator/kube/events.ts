/** Tells people, in `kubectl describe`, what the operator did. The same words about the same object are told once in ten minutes. */
import { randomUUID } from 'node:crypto';
import type { KubeClient } from './client.ts';
import { events, type KubeObject } from './types.ts';

const quietMs = 600_000;
const remembered = 1000;

export class EventRecorder {
  readonly #client: KubeClient;
  readonly #instance: string;
  /** What was told → when. BOUNDED: by `remembered`, the oldest goes first. */
  readonly #told = new Map<string, number>();

  constructor(client: KubeClient, instance: string) {
    this.#client = client;
    this.#instance = instance;
  }

  /** Never throws: an event that can't be written must not fail the reconcile that it tells of. */
  async record(
    about: KubeObject,
    type: 'Normal' | 'Warning',
    reason: string,
    action: string,
    note: string,
  ): Promise<void> {
    const what = `${about.metadata.uid} ${reason} ${note}`;
    const now = performance.now();
    if (now - (this.#told.get(what) ?? Number.NEGATIVE_INFINITY) < quietMs) return;
    this.#told.delete(what);
    this.#told.set(what, now);
    if (this.#told.size > remembered) this.#told.delete(this.#told.keys().next().value!);
    const { name, namespace, uid, resourceVersion } = about.metadata;
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: `${name}.${randomUUID().slice(0, 13)}`, namespace: namespace ?? 'default' },
      eventTime: new Date().toISOString().replace('Z', '000Z'),
      reportingController: 'herd.network/operator',
      reportingInstance: this.#instance,
      action,
      reason,
      type,
      note: note.slice(0, 1024),
      regarding: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion },
    };
    await this.#client.create(events, event).catch(() => undefined);
  }
}
