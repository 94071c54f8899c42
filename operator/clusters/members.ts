/** All members of all Zones: each runs while a Zone has to do with it. */
import type { Zone } from '../api/zone.ts';
import type { ClientOptions, KubeClient } from '../kube/client.ts';
import type { Change } from '../kube/store.ts';
import type { CustomResource } from '../kube/types.ts';
import type { MemberWish } from '../plan/member-wishes.ts';
import { type MemberRef, type MemberView, memberId, memberRefs, ofItsRegions } from '../plan/members.ts';
import { Member, unseenView, type Wisher } from './member.ts';

export interface MembersOptions {
  readonly home: KubeClient;
  readonly client: ClientOptions;
  /** @param namespace of the Zones that it may be of */
  readonly onSlot: (namespace: string, change: Change<CustomResource>) => void;
  /** @param zones keys of those that have to do with the member */
  readonly onState: (zones: readonly string[]) => void;
  readonly onError: (namespace: string, secret: string, error: unknown) => void;
  /** How often Secrets are looked at; the default suits all but tests. */
  readonly secretMs?: number | undefined;
}

/** A changed Secret is noticed within a minute. */
const secretMs = 30_000;

interface Running {
  readonly member: Member;
  readonly namespace: string;
  /** Keys of Zones. BOUNDED: by living Zones. */
  readonly wantedBy: Set<string>;
  readonly stopping: AbortController;
  readonly ended: Promise<void>;
}

export class Members {
  readonly #options: MembersOptions;
  /** By namespace of the Zones and id. BOUNDED: by the members of living Zones. */
  readonly #running = new Map<string, Running>();

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  /** Starts and stops what the Zone has and no longer has to do with. */
  want(zoneKey: string, zone: Zone | undefined): void {
    const refs = zone ? memberRefs(zone) : [];
    const namespace = zoneKey.split('/')[0]!;
    const keys = new Set(refs.map((ref) => keyOf(namespace, ref)));
    for (const ref of refs)
      (this.#running.get(keyOf(namespace, ref)) ?? this.#start(namespace, ref)).wantedBy.add(zoneKey);
    for (const [key, running] of this.#running) {
      if (keys.has(key) || !running.wantedBy.delete(zoneKey) || running.wantedBy.size > 0) continue;
      this.#running.delete(key);
      running.stopping.abort();
    }
  }

  viewOf(zone: Zone): MemberView[] {
    const { name, namespace } = zone.metadata;
    return memberRefs(zone).map((ref) => {
      const member = this.#running.get(keyOf(namespace, ref))?.member;
      const view = member?.viewOf(zone.metadata) ?? unseenView(ref, name);
      return { ...view, slots: view.slots && ofItsRegions(zone, ref, view.slots) };
    });
  }

  /** @param id the member's; of one that does not run nothing is wished */
  wish(namespace: string, id: string, wisher: Wisher, wish: MemberWish): void {
    this.#running.get(`${namespace}/${id}`)?.member.wish(wisher, wish);
  }

  forget(home: string): void {
    for (const { member } of this.#running.values()) member.forget(home);
  }

  /** Of every Secret whether the cluster that it is of can be asked. */
  reachable(): { readonly namespace: string; readonly secret: string; readonly reachable: boolean }[] {
    const all = Array.from(this.#running.values(), ({ namespace, member }) => ({
      namespace,
      secret: member.ref.secret,
      reachable: !member.problem,
    }));
    // Of one Secret with two namespaces the one that can't be asked comes last.
    return all.sort((a, b) => Number(b.reachable) - Number(a.reachable));
  }

  /** Resolves when nothing is written any more. */
  async stop(): Promise<void> {
    const running = [...this.#running.values()];
    for (const { stopping } of running) stopping.abort();
    await Promise.all(running.map(({ ended }) => ended));
  }

  #start(namespace: string, ref: MemberRef): Running {
    const wantedBy = new Set<string>();
    const stopping = new AbortController();
    const { home, client, onSlot, onState, onError } = this.#options;
    const member = new Member(namespace, ref, {
      home,
      client,
      onSlot: (change) => onSlot(namespace, change),
      onState: () => onState([...wantedBy]),
      onError: (error) => onError(namespace, ref.secret, error),
      random: Math.random,
      secretMs: this.#options.secretMs ?? secretMs,
    });
    const running = { member, namespace, wantedBy, stopping, ended: member.run(stopping.signal) };
    this.#running.set(keyOf(namespace, ref), running);
    return running;
  }
}

const keyOf = (namespace: string, ref: MemberRef) => `${namespace}/${memberId(ref)}`;
