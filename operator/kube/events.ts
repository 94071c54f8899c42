/**
 * Tells people, in `kubectl describe`, what the operator did.
 * Upholds: what is told again about the same object with the same reason and action is counted in the event that is there
 * (its series), not told anew; and no object, however restless, costs more writes than its bucket has tokens. Counts that
 * found no token go out with the next write of their series, or at flush. Nobody waits for an event, or fails by one.
 */
import { randomUUID } from 'node:crypto';
import { type BucketRate, TokenBucket } from './bucket.ts';
import type { KubeClient } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';
import { events, type KubeObject, type Manifest } from './types.ts';

/** client-go's: per object. */
const writesPerObject: BucketRate = { burst: 25, perSecond: 1 / 300 };
/** A series that was quiet for so long has ended: what comes then is news. client-go's too. */
const seriesMs = 360_000;
const remembered = 1000;
const noteLengthMax = 1024;

interface Series {
  readonly event: Manifest & { readonly eventTime: string };
  count: number;
  /** Of count, what the API server knows. */
  written: number;
  lastMs: number;
  lastTime: string;
}

export class EventRecorder {
  readonly #client: KubeClient;
  readonly #instance: string;
  readonly #nowMs: () => number;
  /** BOUNDED: by `remembered`, the longest unheard goes first. */
  readonly #series = new Map<string, Series>();
  /** Object uid → its bucket. BOUNDED: by `remembered`, the longest unheard goes first. */
  readonly #buckets = new Map<string, TokenBucket>();
  /** To be written. BOUNDED: by `remembered`, since a series that is forgotten is not written either. */
  readonly #pending = new Set<Series>();
  #writing: Promise<void> | undefined;

  constructor(client: KubeClient, instance: string, nowMs: () => number = () => performance.now()) {
    this.#client = client;
    this.#instance = instance;
    this.#nowMs = nowMs;
  }

  record(about: KubeObject, type: 'Normal' | 'Warning', reason: string, action: string, note: string): void {
    const { uid } = about.metadata;
    const nowMs = this.#nowMs();
    const what = `${uid} ${type} ${reason} ${action}`;
    const known = this.#series.get(what);
    const current = known && nowMs - known.lastMs < seriesMs ? known : undefined;
    const series = current ?? this.#begin(about, type, reason, action, note, nowMs);
    if (known && !current) this.#pending.delete(known);
    series.count++;
    series.lastMs = nowMs;
    series.lastTime = microTime();
    for (const forgotten of remember(this.#series, what, series)) this.#pending.delete(forgotten);
    const bucket = this.#buckets.get(uid) ?? new TokenBucket(writesPerObject);
    remember(this.#buckets, uid, bucket);
    if (this.#pending.has(series) || !bucket.take(nowMs)) return;
    this.#pending.add(series);
    this.#writing ??= this.#write();
  }

  /** Resolves when all counts are written, or could not be. */
  async flush(): Promise<void> {
    for (const series of this.#series.values()) if (series.count > series.written) this.#pending.add(series);
    this.#writing ??= this.#write();
    await this.#writing;
  }

  #begin(about: KubeObject, type: string, reason: string, action: string, note: string, nowMs: number): Series {
    const { name, namespace, uid, resourceVersion } = about.metadata;
    const eventTime = microTime();
    const event = {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: eventName(name), namespace: namespace ?? 'default' },
      eventTime,
      reportingController: 'herd.network/operator',
      reportingInstance: this.#instance,
      action,
      reason,
      type,
      note: note.slice(0, noteLengthMax),
      regarding: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion },
    };
    return { event, count: 0, written: 0, lastMs: nowMs, lastTime: eventTime };
  }

  async #write(): Promise<void> {
    for (const series of this.#pending) {
      this.#pending.delete(series);
      const { count } = series;
      try {
        await this.#tell(series);
        series.written = count;
      } catch {
        // The next of its series, or flush, tells of it.
      }
    }
    this.#writing = undefined;
  }

  async #tell({ event, count, written, lastTime: lastObservedTime }: Series): Promise<void> {
    const series = count > 1 ? { series: { count, lastObservedTime } } : {};
    try {
      if (written > 0) return await this.#patch(event, series);
    } catch (error) {
      // The server forgets events after an hour.
      if (!isNotFound(error)) throw error;
    }
    try {
      await this.#client.create(events, { ...event, ...series });
    } catch (error) {
      // Made before, by a request whose answer was lost.
      if (!isConflict(error)) throw error;
      await this.#patch(event, series);
    }
  }

  async #patch({ metadata }: Manifest, series: object): Promise<void> {
    await this.#client.patch(events, metadata.namespace!, metadata.name, series);
  }
}

/** Puts it last, as the newest. @returns what had to go for it */
function remember<T>(all: Map<string, T>, key: string, value: T): T[] {
  all.delete(key);
  all.set(key, value);
  if (all.size <= remembered) return [];
  const [oldest, forgotten] = all.entries().next().value!;
  all.delete(oldest);
  return [forgotten];
}

const eventName = (name: string) => `${name}.${randomUUID().slice(0, 13)}`;
const microTime = () => new Date().toISOString().replace('Z', '000Z');
