/**
 * Plays the StatefulSet controller, scheduler and kubelet of a cluster that has no machines.
 * Upholds what those of Kubernetes do for one replica: the pod bears the revision of the template that it was made of;
 * under OnDelete it outlives a changed template, under RollingUpdate it does not; deleted, it ends and is made anew of the
 * newest template; the StatefulSet's status tells of the pod that is there. Pods of a StatefulSet that is gone are left to
 * the garbage collector, which deletes them as it does elsewhere; the kubelet then ends them.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { V1PodStatus } from '@kubernetes/client-node';
import { Reflector } from '../../../operator/kube/reflector.ts';
import {
  pods as allPods,
  controllerOf,
  keyOf,
  type Manifest,
  nodes,
  type Pod,
  type StatefulSet,
  statefulSets,
} from '../../../operator/kube/types.ts';
import { type Outcome, Workers } from '../../../operator/kube/workers.ts';
import { type ControlPlane, eventually } from './control-plane.ts';

export const revisionLabel = 'controller-revision-hash';

export interface PlayedKubelet {
  /** The pod of this StatefulSet is not ready, now or once it is there, until it is released. */
  hold(namespace: string, name: string): void;
  release(namespace: string, name: string): void;
  stop(): Promise<void>;
}

export interface KubeletOptions {
  /** The machine that a new pod runs on. Asked once per pod. It joins the cluster then, with an address of its own. */
  readonly machineOf?: (set: StatefulSet) => string;
}

const settled: Outcome = { requeueAfterMs: undefined };

export async function playKubelet(plane: ControlPlane, options: KubeletOptions = {}): Promise<PlayedKubelet> {
  const { admin } = plane;
  const stopping = new AbortController();
  /** BOUNDED: by the StatefulSets that the test holds. */
  const held = new Set<string>();
  const addressOf = addresses();
  /** By name. BOUNDED: by the machines that machineOf names. */
  const machines = new Map<string, Promise<void>>();
  const workers = new Workers({ concurrency: 8, reconcile });
  const scope = { namespace: undefined };
  const sets = new Reflector(admin, statefulSets, scope, ({ before, after }) => workers.add(keyOf((after ?? before)!)));
  const pods = new Reflector(admin, allPods, scope, ({ before, after }) => {
    const owner = controllerOf((after ?? before)!);
    if (owner?.kind === 'StatefulSet') workers.add(`${(after ?? before)!.metadata.namespace}/${owner.name}`);
  });
  const running = [sets.run(stopping.signal), pods.run(stopping.signal)];
  await eventually(() => sets.synced && pods.synced, 'what the kubelet has to know');
  workers.start();

  return {
    hold: (namespace, name) => setHeld(`${namespace}/${name}`, true),
    release: (namespace, name) => setHeld(`${namespace}/${name}`, false),
    async stop() {
      stopping.abort();
      await Promise.all([workers.stop(), ...running]);
    },
  };

  function setHeld(key: string, wanted: boolean) {
    if (wanted) held.add(key);
    else held.delete(key);
    workers.add(key);
  }

  async function reconcile(key: string): Promise<Outcome> {
    const set = sets.store.get(key);
    const pod = pods.store.get(`${key}-0`);
    if (pod?.metadata.deletionTimestamp) await end(pod);
    else if (set && !set.metadata.deletionTimestamp) await bringUp(key, set, pod);
    return settled;
  }

  async function bringUp(key: string, set: StatefulSet, pod: Pod | undefined) {
    const revision = revisionOf(set);
    if (!pod) {
      const machine = (options.machineOf ?? (() => 'machine'))(set);
      if (!machines.has(machine)) machines.set(machine, join(machine, `203.0.113.${machines.size + 1}`));
      await machines.get(machine);
      await admin.create(allPods, podOf(set, revision, machine));
    }
    // The garbage collector is about to take the pod of a former StatefulSet of this name.
    else if (controllerOf(pod)?.uid !== set.metadata.uid) return;
    else if (set.spec.updateStrategy?.type !== 'OnDelete' && revisionIn(pod) !== revision)
      await admin.delete(allPods, pod.metadata.namespace!, pod.metadata.name, pod.metadata.uid);
    else if (pod.status?.phase !== 'Running' || isReady(pod) === held.has(key))
      await tellPod(pod, podStatus(!held.has(key), addressOf(pod)));
    await tellSet(set, pod, revision);
  }

  /** A kubelet makes the object of its machine; the cloud's controller knows the address. */
  async function join(name: string, address: string) {
    const machine = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
    const status = { addresses: [{ type: 'ExternalIP', address }] };
    try {
      await admin.apply(nodes, machine, 'kubelet');
      await admin.applyStatus(nodes, { ...machine, status } as Manifest, 'kubelet');
    } catch (error) {
      machines.delete(name);
      throw error;
    }
  }

  /** A kubelet says that the containers have ended, and then lets the pod go before its time is up. */
  async function end(pod: Pod) {
    const { namespace, name, uid } = pod.metadata;
    if (pod.status?.phase !== 'Succeeded') await tellPod(pod, { phase: 'Succeeded' });
    const { code } = await plane.raw('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, {
      gracePeriodSeconds: 0,
      preconditions: { uid },
    });
    if (code !== 200 && code !== 404) throw new Error(`the end of pod ${name}: ${code}`);
  }

  async function tellPod(pod: Pod, status: V1PodStatus) {
    const { namespace, name, uid } = pod.metadata;
    const metadata = { name, namespace: namespace!, uid };
    await admin.applyStatus(allPods, { apiVersion: 'v1', kind: 'Pod', metadata, status } as Manifest, 'kubelet');
  }

  async function tellSet(set: StatefulSet, pod: Pod | undefined, updateRevision: string) {
    const ready = pod !== undefined && isReady(pod);
    const updated = pod !== undefined && revisionIn(pod) === updateRevision;
    const status = {
      observedGeneration: set.metadata.generation!,
      replicas: pod ? 1 : 0,
      readyReplicas: ready ? 1 : 0,
      availableReplicas: ready ? 1 : 0,
      updatedReplicas: updated ? 1 : 0,
      // What Kubernetes calls current stays behind until the whole update, here of one pod, is through.
      currentRevision: ready && updated ? updateRevision : (set.status?.currentRevision ?? updateRevision),
      updateRevision,
    };
    const seen = Object.fromEntries(
      Object.keys(status).map((k) => [k, set.status?.[k as keyof StatefulSet['status']] ?? 0]),
    );
    if (isDeepStrictEqual(seen, status)) return;
    const { namespace, name, uid } = set.metadata;
    const metadata = { name, namespace: namespace!, uid };
    const manifest = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, status };
    await admin.applyStatus(statefulSets, manifest as Manifest, 'statefulset-controller');
  }
}

const revisionIn = (pod: Pod) => pod.metadata.labels?.[revisionLabel];

/** The name of the template's revision, which is also what the pod's label says. */
export function revisionOf(set: StatefulSet): string {
  const hash = createHash('sha256').update(JSON.stringify(set.spec.template)).digest('hex').slice(0, 10);
  return `${set.metadata.name}-${hash}`;
}

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

function podOf(set: StatefulSet, revision: string, machine: string): Manifest & { spec: object } {
  const { name, namespace, uid } = set.metadata;
  const { metadata, spec } = set.spec.template;
  const pod = `${name}-0`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: pod,
      namespace: namespace!,
      labels: { ...metadata?.labels, [revisionLabel]: revision, 'statefulset.kubernetes.io/pod-name': pod },
      annotations: metadata?.annotations ?? {},
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name, uid, controller: true }],
    },
    spec: { ...spec, hostname: pod, nodeName: machine },
  };
}

function podStatus(ready: boolean, podIP: string): V1PodStatus {
  const status = ready ? 'True' : 'False';
  return {
    phase: 'Running',
    podIP,
    podIPs: [{ ip: podIP }],
    conditions: ['ContainersReady', 'Ready'].map((type) => ({ type, status })),
  };
}

/** A pod keeps its address for life, and no two have had the same: an address of before is how a stale view shows. */
function addresses(): (pod: Pod) => string {
  let last = 0;
  return (pod) => {
    if (pod.status?.podIP) return pod.status.podIP;
    last++;
    return `10.${244 + (last >> 16)}.${(last >> 8) & 255}.${last & 255}`;
  };
}
