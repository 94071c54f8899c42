/**
 * One member: a namespace of another cluster, found by the kubeconfig in a Secret of ours, and its NodeSlots.
 * Upholds: what was seen of it is kept, whatever becomes of the cluster, the Secret or the kubeconfig, until another look
 * at all of its slots has succeeded. Nobody waits for it: reconciles leave a wish and go on, and one that can't be carried
 * out now is forgotten, since by the next reconcile it may be another.
 */
import { Applier } from '../controllers/apply.ts';
import { homeOf, readSlot } from '../controllers/caches.ts';
import { type Random, sleep } from '../kube/backoff.ts';
import { Cache } from '../kube/cache.ts';
import { type ClientOptions, KubeClient } from '../kube/client.ts';
import type { Cluster } from '../kube/cluster.ts';
import { ApiError } from '../kube/errors.ts';
import type { Change } from '../kube/store.ts';
import { type CustomResource, type KubeObject, keyOf, nodeSlots, secrets } from '../kube/types.ts';
import { homeLabel } from '../objects/labels.ts';
import { givenManifest } from '../objects/slot.ts';
import type { MemberWish } from '../plan/member-wishes.ts';
import { type MemberRef, type MemberView, memberId, type PlacedSlot } from '../plan/members.ts';
import type { Problem } from '../plan/status.ts';
import { Breaker } from './breaker.ts';

export interface MemberOptions {
  /** Where the Secret is. */
  readonly home: KubeClient;
  /** Of the client of the other cluster. */
  readonly client: ClientOptions;
  readonly onSlot: (change: Change<CustomResource>) => void;
  /** It can or can't be asked any more, or has been seen. */
  readonly onState: () => void;
  readonly onError: (error: unknown) => void;
  readonly random: Random;
  /** How often the Secret is looked at. */
  readonly secretMs: number;
}

/** Whose wish it is: one that was not carried out yet gives way to a later one. */
export interface Wisher {
  readonly key: string;
  readonly controller: 'superpeer' | 'zone';
  /** The uid of the Zone. */
  readonly home: string;
}

/** From the cluster's first answer until it gives no answer: all slots are read anew, and then followed. */
interface Session {
  readonly slots: Cache<CustomResource>;
  /** BOUNDED: two for each living Zone that has to do with the member; forget() drops them. */
  readonly appliers: Map<string, Applier>;
  readonly stopping: AbortController;
  /** The server refuses what we need. */
  refused: { readonly problem: Problem; readonly atMs: number } | undefined;
}

const kubeconfigKey = 'kubeconfig';
/** Once, and not for long: there is the breaker, and a next reconcile. */
const requests = { attemptsMax: 1, requestMsMax: 5_000 };
/** By then the watch has shown what was made, or has ended. */
const makingMs = 180_000;
/** It answers whether the server, the credential and the kind are there, and nothing else. */
const nothing = `${homeLabel}=nobody`;

/** Of a member that was not seen since the operator started. */
export const unseenView = (ref: MemberRef, zone: string): MemberView => ({
  ...ref,
  zone,
  slots: undefined,
  unread: new Set(),
  taken: new Set(),
  problem: unseen,
});

const unseen: Problem = { reason: 'Unreachable', message: 'its slots were not seen yet' };

export class Member {
  readonly ref: MemberRef;
  readonly #namespace: string;
  readonly #options: MemberOptions;
  readonly #breaker: Breaker;
  /** uid and version of the Secret that was read last. */
  #read = '';
  /** By the kubeconfig that is in force. */
  #client: KubeClient | undefined;
  #session: Session | undefined;
  /** Those that were last seen whole. */
  #seen: Cache<CustomResource> | undefined;
  #problem: Problem | undefined = unseen;
  #askAtMs = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();
  /** BOUNDED: by the Zones and Superpeers that have to do with the member. */
  readonly #wishes = new Map<string, { readonly wisher: Wisher; readonly wish: MemberWish }>();
  #writing: Promise<void> | undefined;
  /** Names of slots that may have been made and were not seen yet, and since when. BOUNDED: by what is wished in makingMs. */
  readonly #making = new Map<string, { readonly home: string; readonly atMs: number }>();

  /** @param namespace of the Zones and the Secret */
  constructor(namespace: string, ref: MemberRef, options: MemberOptions) {
    this.#namespace = namespace;
    this.ref = ref;
    this.#options = options;
    this.#breaker = new Breaker(options.random);
  }

  get problem(): Problem | undefined {
    if (this.#problem || !this.#session) return this.#problem ?? unseen;
    const { refused, slots } = this.#session;
    if (!slots.synced) return refused?.problem ?? unseen;
    const heardAtMs = performance.now() - slots.silentSeconds() * 1000;
    return refused && refused.atMs > heardAtMs ? refused.problem : undefined;
  }

  viewOf(zone: { readonly name: string; readonly uid: string }): MemberView {
    const view = { ...this.ref, zone: zone.name, problem: this.problem };
    const seen = this.#seen;
    if (!seen) return { ...unseenView(this.ref, zone.name), ...view };
    const slots: PlacedSlot[] = [];
    const unread = new Set<string>();
    for (const raw of seen.by('zone', zone.name).filter((slot) => homeOf(slot) === zone.uid)) {
      const parsed = readSlot(raw);
      if (parsed.ok && (parsed.value.status || !raw.status))
        slots.push({ ...parsed.value, member: memberId(this.ref) });
      else unread.add(raw.metadata.name);
    }
    for (const [name, { home, atMs }] of this.#making) {
      if (performance.now() - atMs > makingMs) this.#making.delete(name);
      else if (home === zone.uid) unread.add(name);
    }
    const isTaken = (slot: CustomResource | undefined) => slot !== undefined && homeOf(slot) !== zone.uid;
    const taken = { has: (name: string) => isTaken(seen.get(`${this.ref.namespace}/${name}`)) };
    return { ...view, slots, unread, taken };
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, secretMs, onError } = this.#options;
    let lookAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      if (performance.now() >= lookAtMs) {
        await this.#look().catch(onError);
        lookAtMs = performance.now() + secretMs * (1 + random() / 5);
      }
      if (this.#client && performance.now() >= this.#askAtMs) await this.#ask(this.#client);
      const untilMs = this.#client ? Math.min(lookAtMs, this.#askAtMs) : lookAtMs;
      await sleep(Math.max(0, untilMs - performance.now()), AbortSignal.any([signal, this.#wake.signal]));
    }
    this.#wishes.clear();
    await this.#writing;
    this.#use(undefined);
  }

  /** Carried out if the cluster answers just now, or not at all. */
  wish(wisher: Wisher, wish: MemberWish): void {
    if (this.problem) return;
    this.#wishes.set(`${wisher.controller} ${wisher.key}`, { wisher, wish });
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Of a Zone that is no more. */
  forget(home: string): void {
    for (const controller of ['superpeer', 'zone']) this.#session?.appliers.delete(`${controller}-${home}`);
  }

  async #look(): Promise<void> {
    const { home } = this.#options;
    const { secret: name } = this.ref;
    const found = await home.getMetadata(secrets, this.#namespace, name);
    const version = found ? `${found.metadata.uid} ${found.metadata.resourceVersion}` : 'none';
    if (version === this.#read) return;
    const secret = found && ((await home.get(secrets, this.#namespace, name)) as KubeObject & { data?: object });
    const data = (secret?.data as Record<string, string> | undefined)?.[kubeconfigKey];
    // Loaded here only: most operators have no use for the parser.
    const { readKubeconfig } = await import('./kubeconfig.ts');
    const read = data === undefined ? undefined : readKubeconfig(Buffer.from(data, 'base64').toString());
    this.#use(read && 'cluster' in read ? read.cluster : undefined);
    if (!read)
      this.#say({ reason: 'KubeconfigMissing', message: `there is no Secret ${name} with a key ${kubeconfigKey}` });
    else if ('problems' in read) this.#say({ reason: 'KubeconfigInvalid', message: read.problems.join('; ') });
    this.#read = version;
  }

  #use(cluster: Cluster | undefined): void {
    this.#end();
    void this.#client?.close();
    this.#client = cluster && new KubeClient(cluster, { ...this.#options.client, ...requests });
    this.#breaker.succeeded();
    this.#askAtMs = performance.now();
  }

  /** Whether it is there. */
  async #ask(client: KubeClient): Promise<void> {
    try {
      await client.list(nodeSlots, { namespace: this.ref.namespace, labelSelector: nothing });
      this.#breaker.succeeded();
      this.#session ??= this.#begin(client);
      this.#say(undefined);
    } catch (error) {
      this.#breaker.failed();
      if (this.#breaker.isOpen) {
        this.#end();
        this.#say(refusalOf(error) ?? { reason: 'Unreachable', message: 'its API server does not answer' });
      }
    }
    this.#askAtMs = performance.now() + this.#breaker.waitMs();
  }

  #begin(client: KubeClient): Session {
    const { onSlot, onState } = this.#options;
    const onChange = (change: Change<CustomResource>) => {
      this.#making.delete((change.after ?? change.before)!.metadata.name);
      onSlot(change);
    };
    const session: Session = {
      slots: new Cache(client, nodeSlots, { namespaces: [this.ref.namespace] }, onChange, {
        indexes: { zone: ({ spec }) => [(spec as { zone?: string } | undefined)?.zone ?? ''] },
        onBegin: () => {
          this.#seen = session.slots;
          this.#making.clear();
          onState();
        },
        onError: (error) => this.#failed(session, error),
      }),
      appliers: new Map(),
      stopping: new AbortController(),
      refused: undefined,
    };
    void session.slots.run(session.stopping.signal);
    return session;
  }

  #end(): void {
    this.#session?.stopping.abort();
    this.#session = undefined;
    this.#wishes.clear();
  }

  /** Something went wrong: is it the cluster? */
  #failed(session: Session, error: unknown): void {
    this.#options.onError(error);
    const problem = refusalOf(error);
    if (problem) session.refused = { problem, atMs: performance.now() };
    if (session !== this.#session) return;
    this.#askAtMs = performance.now();
    this.#wake.abort();
  }

  #say(problem: Problem | undefined): void {
    const before = this.#problem;
    this.#problem = problem;
    if (before?.reason !== problem?.reason || before?.message !== problem?.message) this.#options.onState();
  }

  /** Until no wish is left; with the session all are forgotten. */
  async #write(): Promise<void> {
    for (let [first] = this.#wishes; first && this.#client && this.#session; [first] = this.#wishes) {
      const [key, { wisher, wish }] = first;
      const session = this.#session;
      this.#wishes.delete(key);
      try {
        await this.#carryOut(this.#client, session, wisher, wish);
      } catch (error) {
        this.#failed(session, error);
      }
    }
  }

  async #carryOut(
    client: KubeClient,
    { slots, appliers }: Session,
    { controller, home }: Wisher,
    { apply, remove, permissions }: MemberWish,
  ): Promise<void> {
    for (const { metadata } of remove) await client.delete(nodeSlots, this.ref.namespace, metadata.name, metadata.uid);
    // Each Zone writes under a name of its own: where another has made the slot meanwhile, it is refused.
    const manager = `${controller}-${home}`;
    const applier = appliers.get(manager) ?? new Applier(client, { slots }, manager, 'yield');
    appliers.set(manager, applier);
    const unseen = apply.filter((manifest) => !slots.get(keyOf(manifest)));
    for (const { metadata } of unseen) this.#making.set(metadata.name, { home, atMs: performance.now() });
    await applier.apply(home, apply);
    const drains = new Applier(client, {}, 'drain');
    for (const { slot, drain } of permissions) await drains.applyField(givenManifest(slot, { drain }));
  }
}

/** The server is there and does not let us; undefined of any other error. What it says is not repeated: it may be anybody. */
function refusalOf(error: unknown): Problem | undefined {
  const code = error instanceof ApiError ? error.code : 0;
  if (code === 401 || code === 403)
    return { reason: 'Forbidden', message: 'its API server refuses the credential, or what we ask for' };
  if (code === 404)
    return { reason: 'NotInstalled', message: 'it knows no NodeSlots, or not that namespace: install Herd there' };
  return undefined;
}
