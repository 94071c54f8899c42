/** Zone: gather → plan → apply → permissions → status → finalizer. Level-triggered: it asks what is, never what happened. */
import type { Zone } from '../api/zone.ts';
import { type CustomResource, zones } from '../kube/types.ts';
import { directoryName, finalizer, forceAnnotation, type Owner, rootSecretName } from '../objects/labels.ts';
import { givenManifest } from '../objects/slot.ts';
import { keyKinds } from '../plan/key-rotation.ts';
import { planZone, type ZoneView, zoneChangingKeys, zoneKey, zoneRotation } from '../plan/zone.ts';
import { Applier } from './apply.ts';
import { readZone, surroundings } from './caches.ts';
import { type Deps, lookAgain, type Reconcile, settled, valid } from './deps.ts';
import { standingOf } from './keys.ts';
import { Owners } from './owners.ts';

export function zoneController(deps: Deps): Reconcile {
  const { caches, members, keys, directories, events } = deps;
  const applier = new Applier(deps.client, caches, 'zone');
  const drains = new Applier(deps.client, caches, 'drain');
  const owners = new Owners((uid, key) => {
    applier.forget(uid);
    keys.forget(uid);
    directories.forget(key);
    members.forget(uid);
  });

  return async (key) => {
    const raw = caches.zones.get(key);
    owners.see(key, raw);
    if (!raw) {
      members.want(key, undefined);
      return settled;
    }
    const zone = valid(readZone(raw));
    members.want(key, zone);
    const { uid, namespace, deletionTimestamp, finalizers } = zone.metadata;
    if (!finalizers?.includes(finalizer)) {
      if (deletionTimestamp) return settled;
      await applier.hold(zones, raw);
    }
    const plan = planZone(await gather(deps, key, zone), Date.now());
    await applier.remove(uid, namespace, plan.remove);
    await applier.apply(uid, plan.apply);
    if (plan.nudge) await applier.annotatePod(plan.nudge.pod, plan.nudge.annotations);
    for (const { slot, drain } of plan.permissions) await drains.applyField(givenManifest(slot, { drain }));
    for (const slot of plan.forced)
      await drains.applyField(givenManifest(slot, { drain: true }, { [forceAnnotation]: 'true' }));
    for (const [id, wish] of plan.members) members.wish(namespace, id, { key, controller: 'zone', home: uid }, wish);
    const waitMs = plan.finalizer
      ? await applier.applyStatus(zones, raw, plan.status, plan.isPassing)
      : await applier.letGo(zones, raw);
    // The status is told: of what it names no more nothing is left.
    members.want(key, { ...zone, status: plan.status });
    tellReadiness(raw, zone, plan.status.conditions);
    return lookAgain(plan.requeueAfterMs, waitMs);
  };

  function tellReadiness(
    raw: CustomResource,
    zone: Zone,
    now: readonly { type: string; status: string; message: string }[],
  ) {
    const ready = now.find((c) => c.type === 'Ready')!;
    const before = zone.status?.conditions.find((c) => c.type === 'Ready');
    if (!before || before.status === ready.status) return;
    const [type, reason] =
      ready.status === 'True' ? (['Normal', 'Ready'] as const) : (['Warning', 'NotReady'] as const);
    events.record({ ...raw, kind: 'Zone' }, type, reason, 'Reconcile', ready.message);
  }
}

async function gather(
  { caches, members, keys, directories, nodeImage }: Deps,
  key: string,
  zone: Zone,
): Promise<ZoneView> {
  const { namespace, name, uid } = zone.metadata;
  const owner: Owner = { kind: 'Zone', metadata: zone.metadata };
  const standing = standingOf(zone.status);
  const around = surroundings(caches, (one) => members.viewOf(one), zone);
  const leaving = zone.metadata.deletionTimestamp !== undefined;
  const found = leaving
    ? { keys: new Map<string, string>(), problem: undefined }
    : await keys.ensure(owner, [zoneKey(zone)], standing, zone.status?.rootKey);
  const times = zoneRotation(around.zones, zone);
  const made = leaving
    ? []
    : await keys.rotate(owner, zoneChangingKeys(zone), keyKinds.directory, times, standing, Date.now());
  const { rootKey, directoryURL: url } = zone.status ?? {};
  const { consensus } = await directories.read(key, name, rootKey && url ? { url, rootKey } : undefined, standing);
  return {
    zone,
    ...around,
    rootKey: found.keys.get(rootSecretName(name)),
    keyProblem: found.problem,
    made,
    statefulSets: caches.statefulSets.ownedBy(uid),
    configMaps: caches.configMaps.ownedBy(uid),
    services: caches.services.ownedBy(uid),
    budgets: caches.budgets.ownedBy(uid),
    directoryPod: caches.pods.get(`${namespace}/${directoryName(name)}-0`),
    consensus,
    nodeImage,
  };
}
