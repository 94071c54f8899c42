/** Superpeer: gather → plan → apply → status. */
import type { Superpeer } from '../api/superpeer.ts';
import { superpeers } from '../kube/types.ts';
import { identitySecretName, type Owner } from '../objects/labels.ts';
import { planSuperpeer, type SuperpeerView, superpeerKey } from '../plan/superpeer.ts';
import { Applier } from './apply.ts';
import { readSuperpeer, zoneNamed } from './caches.ts';
import { type Deps, type Reconcile, settled, valid } from './deps.ts';
import { standingOf } from './keys.ts';

export function superpeerController(deps: Deps): Reconcile {
  const { caches, keys } = deps;
  const applier = new Applier(deps.client, caches, 'superpeer');
  /** Key → uid, to forget what belonged to it. BOUNDED: by living superpeers. */
  const uids = new Map<string, string>();

  return async (key) => {
    const raw = caches.superpeers.get(key);
    const uid = uids.get(key);
    if (uid && uid !== raw?.metadata.uid) {
      uids.delete(key);
      applier.forget(uid);
      keys.forget(uid);
    }
    if (!raw || raw.metadata.deletionTimestamp) return settled;
    uids.set(key, raw.metadata.uid);

    const superpeer = valid(readSuperpeer(raw));
    const plan = planSuperpeer(await gather(deps, superpeer), Date.now());
    await applier.apply(superpeer.metadata.uid, plan.apply);
    await applier.applyStatus(superpeers, raw, plan.status);
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

async function gather({ caches, keys, consensus, nodeImage }: Deps, superpeer: Superpeer): Promise<SuperpeerView> {
  const { namespace, name, uid } = superpeer.metadata;
  const { zoneRef } = superpeer.spec;
  const owner: Owner = { kind: 'Superpeer', metadata: superpeer.metadata };
  const found = await keys.ensure(owner, [superpeerKey(superpeer)], standingOf(superpeer.status));
  const named = zoneNamed(caches, namespace, zoneRef);
  const zone = named?.metadata.deletionTimestamp ? undefined : named;
  const { rootKey, directoryURL: url } = zone?.status ?? {};
  const directory = rootKey && url ? { url, rootKey } : undefined;
  return {
    superpeer,
    zone,
    identityKey: found.keys.get(identitySecretName(name)),
    keyProblem: found.problem,
    statefulSet: caches.statefulSets.ownedBy(uid).find((s) => s.metadata.name === name),
    consensus: await consensus.read(`${namespace}/${zoneRef}`, zoneRef, directory, [name]),
    nodeImage,
  };
}
