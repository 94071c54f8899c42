/** Superpeer: gather → plan → apply → status. */
import type { Superpeer } from '../api/superpeer.ts';
import { superpeers } from '../kube/types.ts';
import { isReceiptDue } from '../plan/receipts.ts';
import { hostOf } from '../plan/relations.ts';
import { planSuperpeer, type SuperpeerView } from '../plan/superpeer.ts';
import { Applier } from './apply.ts';
import { readSuperpeer, slotsOf, zoneNamed } from './caches.ts';
import { type Deps, lookAgain, type Reconcile, settled, valid } from './deps.ts';
import { listedIn } from './directory.ts';
import { standingOf } from './keys.ts';
import { Owners } from './owners.ts';

export function superpeerController(deps: Deps): Reconcile {
  const { caches, members } = deps;
  const applier = new Applier(deps.client, caches, 'superpeer');
  const owners = new Owners((uid) => applier.forget(uid));

  return async (key) => {
    const raw = caches.superpeers.get(key);
    owners.see(key, raw);
    // Its slot goes by its owner reference, and drains.
    if (!raw || raw.metadata.deletionTimestamp) return settled;
    const superpeer = valid(readSuperpeer(raw));
    const plan = planSuperpeer(await gather(deps, superpeer), Date.now());
    const { uid, namespace } = superpeer.metadata;
    await applier.remove(uid, namespace, plan.remove);
    await applier.apply(uid, plan.apply);
    if (plan.member) {
      const { id, home, manifest } = plan.member;
      members.wish(
        namespace,
        id,
        { key, controller: 'superpeer', home },
        { apply: [manifest], remove: [], permissions: [] },
      );
    }
    const waitMs = await applier.applyStatus(superpeers, raw, plan.status, plan.isPassing);
    return lookAgain(plan.requeueAfterMs, waitMs);
  };
}

async function gather({ caches, members: all, directories }: Deps, superpeer: Superpeer): Promise<SuperpeerView> {
  const { namespace, name } = superpeer.metadata;
  const { zoneRef } = superpeer.spec;
  const named = zoneNamed(caches, namespace, zoneRef);
  const zone = named?.metadata.deletionTimestamp ? undefined : named;
  const { rootKey, directoryURL: url } = zone?.status ?? {};
  const directory = rootKey && url ? { url, rootKey } : undefined;
  const members = named ? all.viewOf(named) : [];
  const slots = [...slotsOf(caches, namespace, zoneRef), ...members.flatMap((member) => member.slots ?? [])];
  const { nodes } = await directories.read(`${namespace}/${zoneRef}`, zoneRef, directory, standingOf(superpeer.status));
  const listed = listedIn(nodes, name);
  const asks = directory && zone && listed !== undefined && isReceiptDue(superpeer, zone, Date.now());
  return {
    superpeer,
    zone,
    host: zone && zoneNamed(caches, namespace, hostOf(zone)),
    slot: slots.find((slot) => slot.metadata.name === name),
    members,
    listed,
    receipts: asks ? await directories.receipts(directory, zoneRef, name) : [],
  };
}
