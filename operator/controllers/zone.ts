/** Zone: gather → plan → apply → status. Level-triggered: it asks what is, never what happened. */
import type { Zone } from '../api/zone.ts';
import { type CustomResource, zones } from '../kube/types.ts';
import type { Owner } from '../objects/labels.ts';
import { planZone, type ZoneView, zoneKeys } from '../plan/zone.ts';
import { Applier } from './apply.ts';
import { readZone, surroundings } from './caches.ts';
import { type Deps, type Reconcile, settled, valid } from './deps.ts';
import { standingOf } from './keys.ts';

export function zoneController(deps: Deps): Reconcile {
  const { caches, keys, consensus, events } = deps;
  const applier = new Applier(deps.client, caches, 'zone');
  /** Key → uid, to forget what belonged to it. BOUNDED: by living zones. */
  const uids = new Map<string, string>();

  return async (key) => {
    const raw = caches.zones.get(key);
    const uid = uids.get(key);
    if (uid && uid !== raw?.metadata.uid) {
      uids.delete(key);
      applier.forget(uid);
      keys.forget(uid);
      consensus.forget(key);
    }
    // The children of a zone that goes, go by their owner references.
    if (!raw || raw.metadata.deletionTimestamp) return settled;
    uids.set(key, raw.metadata.uid);

    const zone = valid(readZone(raw));
    const view = await gather(deps, key, zone);
    const plan = planZone(view, Date.now());
    await applier.remove(zone.metadata.uid, zone.metadata.namespace, plan.remove);
    await applier.apply(zone.metadata.uid, plan.apply);
    await applier.applyStatus(zones, raw, plan.status);
    tellReadiness(raw, zone, plan.status.conditions);
    return { requeueAfterMs: plan.requeueAfterMs };
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
    events.record(
      { ...raw, apiVersion: 'herd.network/v1alpha1', kind: 'Zone' },
      type,
      reason,
      'Reconcile',
      ready.message,
    );
  }
}

async function gather({ caches, keys, consensus, nodeImage }: Deps, key: string, zone: Zone): Promise<ZoneView> {
  const { uid } = zone.metadata;
  const owner: Owner = { kind: 'Zone', metadata: zone.metadata };
  const found = await keys.ensure(owner, zoneKeys(zone), standingOf(zone.status), zone.status?.rootKey);
  const { rootKey, directoryURL: url } = zone.status ?? {};
  const ids = zone.status?.nodes.map((n) => n.id) ?? [];
  return {
    zone,
    ...surroundings(caches, zone),
    keys: found.keys,
    keyProblem: found.problem,
    statefulSets: caches.statefulSets.ownedBy(uid),
    configMaps: caches.configMaps.ownedBy(uid),
    services: caches.services.ownedBy(uid),
    budgets: caches.budgets.ownedBy(uid),
    consensus: await consensus.read(key, zone.metadata.name, rootKey && url ? { url, rootKey } : undefined, ids),
    nodeImage,
  };
}
