/** Caches, queues and controllers, wired: which change makes which key be looked at again. */
import { isDeepStrictEqual } from 'node:util';
import type { NodeSlot } from '../api/slot.ts';
import type { Superpeer } from '../api/superpeer.ts';
import type { Zone } from '../api/zone.ts';
import { Members } from '../clusters/members.ts';
import type { ClientOptions, KubeClient } from '../kube/client.ts';
import { EventRecorder } from '../kube/events.ts';
import type { Lane, QueueObserver } from '../kube/queue.ts';
import type { Beginning } from '../kube/reflector.ts';
import type { Change } from '../kube/store.ts';
import { type CustomResource, controllerOf, type KubeNode, type KubeObject, keyOf, type Pod } from '../kube/types.ts';
import { type WorkerOptions, Workers } from '../kube/workers.ts';
import { publicAddressAnnotation } from '../objects/labels.ts';
import { dependents, published, zonesOf } from '../plan/relations.ts';
import {
  type Caches,
  createCaches,
  readSlot,
  readSuperpeer,
  readZone,
  superpeersOf,
  zoneNamed,
  zonesNaming,
} from './caches.ts';
import type { Deps, Reconcile } from './deps.ts';
import { type AskDirectory, DirectoryReader } from './directory.ts';
import { KeyKeeper } from './keys.ts';
import { Ports } from './ports.ts';
import { slotController } from './slot.ts';
import { superpeerController } from './superpeer.ts';
import { zoneController } from './zone.ts';

export const controllers = ['slot', 'superpeer', 'zone'] as const;
export type Controller = (typeof controllers)[number];

export interface ManagerOptions {
  readonly client: KubeClient;
  /** Of clients of the other clusters that Zones are in. */
  readonly memberClient: ClientOptions;
  /** Empty: all. */
  readonly namespaces: readonly string[];
  readonly nodeImage: string;
  readonly instance: string;
  readonly askDirectory: AskDirectory;
  readonly onReconcile: (controller: Controller, key: string, seconds: number, error: unknown) => void;
  readonly onWatchError: (resource: string, error: unknown) => void;
  /** Of the other cluster that a Secret tells of. */
  readonly onMemberError?: (namespace: string, secret: string, error: unknown) => void;
  readonly onWatchBegin?: (resource: string, by: Beginning) => void;
  readonly queueObserver?: (controller: Controller) => QueueObserver;
  /** Who tells of events; the one without leave to ask for, where there are two. */
  readonly eventClient?: KubeClient;
  /** How long a public key read from a Secret is believed; the default suits all but tests. */
  readonly keysBelievedMs?: number;
  /** How often a kubeconfig is looked at; the default suits all but tests. */
  readonly kubeconfigMs?: number;
}

const concurrency = 4;
/** While so many wait of what is under way, no new zone is begun. */
const begunMax = 8;
/** By then what a new zone sets off is on its way. */
const beginEveryMs = 150;
/** A zone's nodes come up and change together: its directory's roster is written once for all of them. */
const rosterMs = 1_000;

export class Manager {
  readonly caches: Caches;
  readonly members: Members;
  readonly workers: Record<Controller, Workers>;
  readonly #events: EventRecorder;
  readonly #ports = new Ports();

  constructor(options: ManagerOptions) {
    const { client, nodeImage } = options;
    this.caches = createCaches(client, options.namespaces, {
      onZone: (change) => this.#zoneChanged(change),
      onSuperpeer: (change) => this.#superpeerChanged(change),
      onSlot: (change) => this.#slotChanged(change),
      onChild: (change) => this.#childChanged(change),
      onPod: (change) => this.#podChanged(change),
      onMachine: (change) => this.#machineChanged(change),
      onError: options.onWatchError,
      onBegin: (resource, by) => options.onWatchBegin?.(resource, by),
    });
    this.members = new Members({
      home: client,
      client: options.memberClient,
      onSlot: (namespace, change) => this.#memberSlotChanged(namespace, change),
      onState: (zones) => this.#memberChanged(zones),
      onError: (...of) => options.onMemberError?.(...of),
      secretMs: options.kubeconfigMs,
    });
    const keys = new KeyKeeper(
      client,
      options.keysBelievedMs === undefined ? {} : { believedMs: options.keysBelievedMs },
    );
    const directories = new DirectoryReader(options.askDirectory);
    this.#events = new EventRecorder(options.eventClient ?? client, options.instance);
    const { caches, members } = this;
    const [events, ports] = [this.#events, this.#ports];
    const deps: Deps = { client, caches, members, keys, directories, ports, events, nodeImage };
    const worker = (controller: Controller, reconcile: Reconcile, more: Partial<WorkerOptions> = {}) =>
      new Workers({
        concurrency,
        reconcile,
        onDone: (key, seconds, error) => options.onReconcile(controller, key, seconds, error),
        observer: options.queueObserver?.(controller),
        ...more,
      });
    const slot = worker('slot', slotController(deps));
    const superpeer: Workers = worker('superpeer', superpeerController(deps), {
      // Those of a zone that comes up are looked at when it is published.
      mayBegin: () => zone.depth() === 0 && slot.underWay() < begunMax,
    });
    const zone = worker('zone', zoneController(deps), {
      burstMs: rosterMs,
      mayBegin: () => slot.underWay() + superpeer.underWay() < begunMax,
      beginEveryMs,
    });
    this.workers = { slot, superpeer, zone };
  }

  /** Resolves once every cache holds the cluster's state; the caches go on until the signal aborts. */
  async sync(signal: AbortSignal): Promise<void> {
    for (const cache of Object.values(this.caches)) void cache.run(signal);
    while (!this.synced() && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  synced(): boolean {
    return Object.values(this.caches).every((cache) => cache.synced);
  }

  start(): void {
    for (const workers of Object.values(this.workers)) workers.start();
  }

  /** Takes no new keys; resolves when the running reconciles have ended. */
  async stop(): Promise<void> {
    await Promise.all(Object.values(this.workers).map((w) => w.stop()));
    await this.members.stop();
  }

  /** Resolves when the events that were recorded are written, or could not be. */
  async flushEvents(): Promise<void> {
    await this.#events.flush();
  }

  #zoneChanged({ before, after }: Change<CustomResource>): void {
    const object = (after ?? before)!;
    const namespace = object.metadata.namespace!;
    if (wantsReconcile(before, after)) this.workers.zone.add(keyOf(object), laneOf(this.caches.zones, object));
    const was = zoneIn(before);
    const is = zoneIn(after);
    if (published(was) === published(is)) return;
    const { name } = object.metadata;
    const naming = zonesNaming(this.caches, namespace, name);
    for (const zone of [was, is]) {
      if (zone) for (const dependent of dependents(zone, naming)) this.#addZone(`${namespace}/${dependent}`);
    }
    for (const superpeer of superpeersOf(this.caches, namespace, name)) this.workers.superpeer.add(keyOf(superpeer));
  }

  #superpeerChanged({ before, after }: Change<CustomResource>): void {
    const object = (after ?? before)!;
    const namespace = object.metadata.namespace!;
    if (wantsReconcile(before, after))
      this.workers.superpeer.add(keyOf(object), laneOf(this.caches.superpeers, object));
    // The first list of zones brings theirs.
    if (!this.caches.superpeers.synced) return;
    for (const superpeer of [superpeerIn(before), superpeerIn(after)]) {
      if (superpeer) this.#addZones(namespace, superpeer.spec.zoneRef);
    }
  }

  /** The zone has counts of it, the directory's zone a roster, and its Superpeer a status. */
  #slotChanged(change: Change<CustomResource>): void {
    const object = (change.after ?? change.before)!;
    this.#ports.see(keyOf(object), slotIn(change.after));
    if (wantsReconcile(change.before, change.after)) this.workers.slot.add(keyOf(object));
    const slot = slotIn(object);
    if (slot) this.#addZones(slot.metadata.namespace, slot.spec.zone);
    this.#childChanged(change);
  }

  /** What depends on a slot elsewhere is here, in the namespace of its Zone. */
  #memberSlotChanged(namespace: string, { before, after }: Change<CustomResource>): void {
    const object = (after ?? before)!;
    const { zone, role } = object.spec as { zone: string; role: string };
    this.#addZones(namespace, zone);
    if (role === 'superpeer') this.workers.superpeer.add(`${namespace}/${object.metadata.name}`);
  }

  #memberChanged(zones: readonly string[]): void {
    for (const key of zones) {
      const [namespace, name] = key.split('/') as [string, string];
      this.#addZones(namespace, name);
      for (const superpeer of superpeersOf(this.caches, namespace, name)) this.workers.superpeer.add(keyOf(superpeer));
    }
  }

  #childChanged({ before, after }: Change<KubeObject>): void {
    for (const child of [before, after]) {
      const owner = child && controllerOf(child);
      const key = `${child?.metadata.namespace}/${owner?.name}`;
      if (owner?.kind === 'NodeSlot') this.workers.slot.add(key);
      if (owner?.kind === 'Superpeer') this.workers.superpeer.add(key);
      if (owner?.kind === 'Zone') this.workers.zone.add(key);
    }
  }

  #podChanged({ before, after }: Change<Pod>): void {
    const { namespace, labels } = (after ?? before)!.metadata;
    const { 'herd.network/role': role, 'herd.network/zone': zone, 'herd.network/node': node } = labels ?? {};
    if (role === 'directory') this.workers.zone.add(`${namespace}/${zone}`);
    else this.workers.slot.add(`${namespace}/${node}`);
  }

  /** Cordoned, at another address, or no more: the slots on it are looked at. */
  #machineChanged({ before, after }: Change<KubeNode>): void {
    if (isDeepStrictEqual(ofSlots(before), ofSlots(after))) return;
    const { name } = (after ?? before)!.metadata;
    for (const pod of this.caches.pods.by('machine', name)) this.#podChanged({ before: undefined, after: pod });
  }

  #addZones(namespace: string, zone: string): void {
    const known = zoneNamed(this.caches, namespace, zone);
    for (const name of zonesOf(zone, known)) this.#addZone(`${namespace}/${name}`);
  }

  /** For what has become of another object: that is no reason to begin with the zone. */
  #addZone(key: string): void {
    const zone = this.caches.zones.get(key);
    this.workers.zone.add(key, zone && !zone.status ? 'first' : 'routine');
  }
}

/** What a first list brings is as it was before we started; from then on it is users who change these. */
function laneOf({ synced }: { readonly synced: boolean }, { status }: CustomResource): Lane {
  if (synced) return 'urgent';
  return status ? 'routine' : 'first';
}

/** Our own status writes change none of these, so they don't wake us. */
function wantsReconcile(before: CustomResource | undefined, after: CustomResource | undefined): boolean {
  if (!before || !after || before.metadata.uid !== after.metadata.uid) return true;
  return (
    before.metadata.generation !== after.metadata.generation ||
    !isDeepStrictEqual(before.metadata.annotations, after.metadata.annotations) ||
    before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp
  );
}

/** What slots read of their machine, which tells of itself every few seconds. */
const ofSlots = (machine: KubeNode | undefined) =>
  machine && [
    machine.spec?.unschedulable,
    machine.metadata.annotations?.[publicAddressAnnotation],
    machine.status?.addresses,
  ];

function zoneIn(raw: CustomResource | undefined): Zone | undefined {
  const parsed = raw && readZone(raw);
  return parsed?.ok ? parsed.value : undefined;
}

function superpeerIn(raw: CustomResource | undefined): Superpeer | undefined {
  const parsed = raw && readSuperpeer(raw);
  return parsed?.ok ? parsed.value : undefined;
}

function slotIn(raw: CustomResource | undefined): NodeSlot | undefined {
  const parsed = raw && readSlot(raw);
  return parsed?.ok ? parsed.value : undefined;
}
