/** NodeSlot: gather → plan → port → apply → end → status → finalizer. All that it needs is in the slot: its Zone may be in another cluster. */
import type { NodeSlot } from '../api/slot.ts';
import { type KubeObject, nodeSlots, pods, type Resource, statefulSets } from '../kube/types.ts';
import { finalizer, identitySecretName, type Owner } from '../objects/labels.ts';
import { givenManifest } from '../objects/slot.ts';
import { keyKinds } from '../plan/key-rotation.ts';
import { planSlot, type SlotView, slotChangingKeys, slotKey, slotRotation } from '../plan/slot.ts';
import { Applier } from './apply.ts';
import { readSlot } from './caches.ts';
import { type Deps, lookAgain, type Reconcile, settled, valid } from './deps.ts';
import { listedIn } from './directory.ts';
import { standingOf } from './keys.ts';
import { Owners } from './owners.ts';

const ends: Record<'Pod' | 'StatefulSet', Resource<KubeObject>> = { Pod: pods, StatefulSet: statefulSets };

export function slotController(deps: Deps): Reconcile {
  const { client, caches, keys, events } = deps;
  const applier = new Applier(client, caches, 'slot');
  const given = new Applier(client, caches, 'port');
  const owners = new Owners((uid) => {
    applier.forget(uid);
    keys.forget(uid);
  });

  return async (key) => {
    const raw = caches.slots.get(key);
    owners.see(key, raw);
    if (!raw) return settled;
    const slot = valid(readSlot(raw));
    const { uid, namespace, deletionTimestamp, finalizers } = slot.metadata;
    // Let go already: what is left goes by its owner references.
    if (deletionTimestamp && !finalizers?.includes(finalizer)) return settled;
    const plan = planSlot(await gather(deps, slot), Date.now());
    if (plan.grant !== undefined) {
      await given.applyField(givenManifest(slot, { port: plan.grant }));
      return { requeueAfterMs: plan.requeueAfterMs };
    }
    await applier.apply(uid, plan.apply);
    if (plan.nudge) await applier.annotatePod(plan.nudge.pod, plan.nudge.annotations);
    if (plan.end) {
      await client.delete(ends[plan.end.kind], namespace, plan.end.name, plan.end.uid);
      const note = `the node is ended: ${plan.status.drainReason}`;
      await events.record({ ...raw, kind: 'NodeSlot' }, 'Normal', 'Ended', 'Drain', note);
    }
    const waitMs = plan.finalizer
      ? await applier.applyStatus(nodeSlots, raw, plan.status, plan.isPassing)
      : await applier.letGo(nodeSlots, raw);
    return lookAgain(plan.requeueAfterMs, waitMs);
  };
}

async function gather({ caches, keys, directories, ports, nodeImage }: Deps, slot: NodeSlot): Promise<SlotView> {
  const { namespace, name, uid } = slot.metadata;
  const { zone, directory } = slot.spec;
  const owner: Owner = { kind: 'NodeSlot', metadata: slot.metadata };
  const standing = standingOf(slot.status);
  const leaving = slot.metadata.deletionTimestamp !== undefined;
  const found = leaving ? { keys: new Map(), problem: undefined } : await keys.ensure(owner, [slotKey(slot)], standing);
  const now = Date.now();
  const made = leaving
    ? []
    : await keys.rotate(owner, slotChangingKeys(slot), keyKinds.node, slotRotation(slot), standing, now);
  const pod = caches.pods.get(`${namespace}/${name}-0`);
  const { nodes } = await directories.read(`${namespace}/${zone}`, zone, directory, standing);
  return {
    slot,
    identityKey: found.keys.get(identitySecretName(name)) ?? slot.status?.identityKey,
    keyProblem: found.problem,
    port: leaving || slot.spec.paused ? slot.spec.port : ports.of(slot),
    made,
    statefulSet: caches.statefulSets.ownedBy(uid).find((s) => s.metadata.name === name),
    pod,
    machine: pod?.spec?.nodeName ? caches.machines.get(`/${pod.spec.nodeName}`) : undefined,
    listed: listedIn(nodes, name),
    nodeImage,
  };
}
