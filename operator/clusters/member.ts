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
import { type CustomResource, type KubeObject, nodeSlots, secrets } from '../kube/types.ts';
import { homeLabel } from '../objects/labels.ts';
import { givenManifest } from '../objects/slot.ts';
import type { MemberWish } from '../plan/member-wishes.ts';
import { type MemberRef, type MemberView, memberId, type PlacedSlot } from '../plan/members.ts';
import type { Problem } from '../plan/status.ts';
import { Breaker } from './breaker.ts';
import { readKubeconfig } from './kubeconfig.ts';

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

/** The kubeconfig that is in force, and what came of it. */
interface Link {
  readonly client: KubeClient;
  readonly slots: Cache<CustomResource>;
  /** BOUNDED: two for each living Zone that the member is one of; forget() drops them. */
  readonly appliers: Map<string, Applier>;
  /** While the breaker is closed. */
  watching: AbortController | undefined;
  /** The server refuses the watch. */
  refused: { readonly problem: Problem; readonly atMs: number } | undefined;
}

const kubeconfigKey = 'kubeconfig';
/** Once, and not for long: there is the breaker, and a next reconcile. */
const requests = { attemptsMax: 1, requestMsMax: 5_000 };
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
  #link: Link | undefined;
  /** Those that were last seen whole. */
  #seen: Cache<CustomResource> | undefined;
  #problem: Problem | undefined = unseen;
  #askAtMs = Number.NEGATIVE_INFINITY;
  #wake = new AbortController();
  /** BOUNDED: by the Zones and Superpeers that have to do with the member. */
  readonly #wishes = new Map<string, { readonly wisher: Wisher; readonly wish: MemberWish }>();
  #writing: Promise<void> | undefined;

  /** @param namespace of the Zones and the Secret */
  constructor(namespace: string, ref: MemberRef, options: MemberOptions) {
    this.#namespace = namespace;
    this.ref = ref;
    this.#options = options;
    this.#breaker = new Breaker(options.random);
  }

  get problem(): Problem | undefined {
    const { refused, slots } = this.#link ?? {};
    const heardAtMs = slots ? performance.now() - slots.silentSeconds() * 1000 : 0;
    const refusal = refused && refused.atMs > heardAtMs ? refused.problem : undefined;
    return this.#problem ?? refusal ?? (slots?.synced ? undefined : unseen);
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
    const isTaken = (slot: CustomResource | undefined) => slot !== undefined && homeOf(slot) !== zone.uid;
    const taken = { has: (name: string) => isTaken(seen.get(`${this.ref.namespace}/${name}`)) };
    return { ...view, slots, unread, taken };
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { random, secretMs } = this.#options;
    let lookAtMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      if (performance.now() >= lookAtMs) {
        await this.#look().catch(this.#options.onError);
        lookAtMs = performance.now() + secretMs * (1 + random() / 5);
      }
      if (this.#link && performance.now() >= this.#askAtMs) await this.#ask(this.#link);
      const untilMs = this.#link ? Math.min(lookAtMs, this.#askAtMs) : lookAtMs;
      await sleep(Math.max(0, untilMs - performance.now()), AbortSignal.any([signal, this.#wake.signal]));
    }
    this.#wishes.clear();
    await this.#writing;
    this.#unlink(unseen);
  }

  /** Carried out when the cluster answers, or not at all. */
  wish(wisher: Wisher, wish: MemberWish): void {
    if (this.problem || !this.#link) return;
    this.#wishes.set(`${wisher.controller} ${wisher.key}`, { wisher, wish });
    this.#writing ??= this.#write(this.#link).finally(() => {
      this.#writing = undefined;
    });
  }

  /** Of a Zone that is no more. */
  forget(home: string): void {
    for (const controller of ['superpeer', 'zone']) this.#link?.appliers.delete(`${controller}-${home}`);
  }

  async #look(): Promise<void> {
    const { home } = this.#options;
    const { secret: name } = this.ref;
    const found = await home.getMetadata(secrets, this.#namespace, name);
    const version = found ? `${found.metadata.uid} ${found.metadata.resourceVersion}` : 'none';
    if (version === this.#read) return;
    const secret = found && ((await home.get(secrets, this.#namespace, name)) as KubeObject & { data?: object });
    const data = (secret?.data as Record<string, string> | undefined)?.[kubeconfigKey];
    const missing = `there is no Secret ${name} with a key ${kubeconfigKey}`;
    const read = data === undefined ? undefined : readKubeconfig(Buffer.from(data, 'base64').toString());
    if (!read) this.#unlink({ reason: 'KubeconfigMissing', message: missing });
    else if ('problems' in read) this.#unlink({ reason: 'KubeconfigInvalid', message: read.problems.join('; ') });
    else this.#connect(read.cluster);
    this.#read = version;
  }

  #connect(cluster: Cluster): void {
    this.#unlink(this.#problem);
    const { client: options, onSlot, onState } = this.#options;
    const client = new KubeClient(cluster, { ...options, ...requests });
    const scope = { namespaces: [this.ref.namespace] };
    const link: Link = {
      client,
      slots: new Cache(client, nodeSlots, scope, onSlot, {
        indexes: { zone: ({ spec }) => [(spec as { zone?: string } | undefined)?.zone ?? ''] },
        onBegin: () => {
          this.#seen = link.slots;
          onState();
        },
        onError: (error) => {
          this.#options.onError(error);
          const refused = refusalOf(error);
          if (refused) link.refused = { problem: refused, atMs: performance.now() };
          this.#askSoon();
        },
      }),
      appliers: new Map(),
      watching: undefined,
      refused: undefined,
    };
    this.#link = link;
    this.#breaker.succeeded();
    this.#askAtMs = performance.now();
  }

  #unlink(problem: Problem | undefined): void {
    this.#link?.watching?.abort();
    void this.#link?.client.close();
    this.#link = undefined;
    this.#wishes.clear();
    this.#say(problem);
  }

  /** Whether it is there. */
  async #ask(link: Link): Promise<void> {
    try {
      await link.client.list(nodeSlots, { namespace: this.ref.namespace, labelSelector: nothing });
      this.#breaker.succeeded();
      link.watching ??= this.#watch(link);
      this.#say(undefined);
    } catch (error) {
      this.#breaker.failed();
      if (this.#breaker.isOpen) {
        link.watching?.abort();
        link.watching = undefined;
        this.#wishes.clear();
        this.#say(refusalOf(error) ?? { reason: 'Unreachable', message: 'its API server does not answer' });
      }
    }
    this.#askAtMs = performance.now() + this.#breaker.waitMs();
  }

  #watch(link: Link): AbortController {
    const watching = new AbortController();
    void link.slots.run(watching.signal);
    return watching;
  }

  /** Something went wrong: is it the cluster? */
  #askSoon(): void {
    if (this.#breaker.isOpen) return;
    this.#askAtMs = performance.now();
    this.#wake.abort();
  }

  #say(problem: Problem | undefined): void {
    const before = this.#problem;
    this.#problem = problem;
    if (before?.reason !== problem?.reason || before?.message !== problem?.message) this.#options.onState();
  }

  async #write(link: Link): Promise<void> {
    for (let next = this.#next(); next && link === this.#link; next = this.#next()) {
      try {
        await this.#carryOut(link, next.wisher, next.wish);
      } catch (error) {
        this.#options.onError(error);
        this.#askSoon();
      }
    }
  }

  #next() {
    const [first] = this.#wishes;
    if (first) this.#wishes.delete(first[0]);
    return first?.[1];
  }

  async #carryOut(link: Link, { controller, home }: Wisher, { apply, remove, permissions }: MemberWish): Promise<void> {
    const { namespace } = this.ref;
    for (const { metadata } of remove) await link.client.delete(nodeSlots, namespace, metadata.name, metadata.uid);
    await applierOf(link, `${controller}-${home}`).apply(home, apply);
    const drains = new Applier(link.client, {}, 'drain');
    for (const { slot, drain } of permissions) await drains.applyField(givenManifest(slot, { drain }));
  }
}

/** Each Zone writes under a name of its own: where another has made the slot meanwhile, it is refused. */
function applierOf({ client, slots, appliers }: Link, manager: string): Applier {
  const known = appliers.get(manager) ?? new Applier(client, { slots }, manager, 'yield');
  appliers.set(manager, known);
  return known;
}

/** The server is there and does not let us; undefined of any other error. What it says is not repeated: it may be anybody. */
function refusalOf(error: unknown): Problem | undefined {
  const code = error instanceof ApiError ? error.code : 0;
  if (code === 401 || code === 403)
    return { reason: 'Forbidden', message: 'its API server refuses the credential, or what we ask for' };
  if (code === 404) return { reason: 'NotInstalled', message: 'its API server knows no NodeSlots: install Herd there' };
  return undefined;
}
