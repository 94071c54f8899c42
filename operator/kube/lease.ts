/**
 * Leader election on a coordination.k8s.io Lease.
 * Upholds: two operators never both believe to lead. Whether another's lease has run out is judged by how long *we* saw
 * it unchanged on our monotonic clock, never by the holder's timestamps; whether ours still holds is judged by the start
 * of the last renewal that succeeded. A write may begin until renewMs after that and is given up at leaseMs, which is
 * the earliest that another may lead. README.md, "Two leaders", says what can happen all the same.
 */
import { sleep } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isConflict } from './errors.ts';
import { type Lease, type LeaseSpec, leases } from './types.ts';

/** client-go's defaults. */
export const leaseMs = 15_000;
export const renewMs = 10_000;
export const retryMs = 2_000;

/** What we saw of the lease. Pure. */
export class LeaseObserver {
  #seen = '';
  #changedAtMs = Number.NEGATIVE_INFINITY;

  observe(spec: LeaseSpec | undefined, nowMs: number): void {
    const seen = JSON.stringify([spec?.holderIdentity ?? '', spec?.renewTime ?? '', spec?.leaseTransitions ?? 0]);
    if (seen === this.#seen) return;
    this.#seen = seen;
    this.#changedAtMs = nowMs;
  }

  /** May we take it? It is free, ours, or was not renewed for as long as its holder promised. */
  available(spec: LeaseSpec | undefined, me: string, nowMs: number): boolean {
    const holder = spec?.holderIdentity ?? '';
    if (holder === '' || holder === me) return true;
    return nowMs - this.#changedAtMs > (spec?.leaseDurationSeconds ?? leaseMs / 1000) * 1000;
  }
}

export class Elector {
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #name: string;
  readonly #me: string;
  readonly #observer = new LeaseObserver();
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  /** As we last wrote it; while nobody else writes, renewing it takes no look. */
  #ours: Lease | undefined;

  /** @param me differs between any two processes */
  constructor(client: KubeClient, namespace: string, name: string, me: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#name = name;
    this.#me = me;
  }

  leads(): boolean {
    return performance.now() < this.#heldUntilMs;
  }

  /** How long a write that begins now may take; undefined: none may begin. */
  writeMsLeft(): number | undefined {
    return this.leads() ? this.#heldUntilMs + leaseMs - renewMs - performance.now() : undefined;
  }

  /** Resolves true once we lead, false when the signal aborts first. */
  async acquire(signal: AbortSignal, onError: (error: unknown) => void): Promise<boolean> {
    while (!signal.aborted) {
      await this.#attempt(onError);
      if (this.leads()) return true;
      await sleep(retryMs, signal);
    }
    return false;
  }

  /** Renews until the signal aborts; resolves early when leadership is lost. The caller must then exit. */
  async hold(signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
    while (!signal.aborted && this.leads()) {
      await sleep(retryMs, signal);
      if (!signal.aborted)
        await Promise.race([this.#attempt(onError), sleep(Math.max(0, this.#heldUntilMs - performance.now()))]);
    }
  }

  /** Gives the lease up, so that the next operator need not wait for it to run out. */
  async release(): Promise<void> {
    if (!this.leads()) return;
    this.#heldUntilMs = Number.NEGATIVE_INFINITY;
    const lease = this.#ours ?? (await this.#client.get(leases, this.#namespace, this.#name));
    if (lease?.spec?.holderIdentity !== this.#me) return;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
    await this.#client.update(leases, { ...lease, spec });
  }

  async #attempt(onError: (error: unknown) => void): Promise<void> {
    const startedMs = performance.now();
    const known = this.#ours;
    try {
      const lease = known ?? (await this.#client.get(leases, this.#namespace, this.#name));
      this.#observer.observe(lease?.spec, performance.now());
      if (!this.#observer.available(lease?.spec, this.#me, performance.now())) {
        this.#heldUntilMs = Number.NEGATIVE_INFINITY;
        return;
      }
      this.#ours = await this.#write(lease);
      this.#observer.observe(this.#ours.spec, performance.now());
      this.#heldUntilMs = startedMs + renewMs;
    } catch (error) {
      this.#ours = undefined;
      if (!isConflict(error)) return onError(error);
      // Another wrote it. Who we thought had it did not lose an election yet: look.
      if (known) await this.#attempt(onError);
    }
  }

  #write(lease: Lease | undefined): Promise<Lease> {
    const now = new Date().toISOString().replace('Z', '000Z');
    const mine = lease?.spec?.holderIdentity === this.#me;
    const spec: LeaseSpec = {
      holderIdentity: this.#me,
      leaseDurationSeconds: leaseMs / 1000,
      acquireTime: mine ? (lease.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (mine || !lease ? 0 : 1),
    };
    if (lease) return this.#client.update(leases, { ...lease, spec });
    const metadata = { name: this.#name, namespace: this.#namespace };
    const manifest = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec };
    return this.#client.create(leases, manifest);
  }
}
