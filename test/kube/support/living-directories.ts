/** Plays the directories of a namespace: they serve what their ConfigMaps say and list the nodes whose pods are ready. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { ManagerOptions } from '../../../operator/controllers/manager.ts';
import * as kube from '../../../operator/kube/types.ts';
import type { DirectoryConfig, RosterEntry } from '../../../operator/objects/config.ts';
import { rootSecretName } from '../../../operator/objects/labels.ts';
import { isReady, playedPods } from './kubelet.ts';
import type { Mirror } from './mirror.ts';

/** PKCS #8 of an Ed25519 seed is this, then the 32 bytes (RFC 8410). */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export function directoriesIn(mirror: Mirror, namespace: string): ManagerOptions['askDirectory'] {
  /** A directory keeps its key while it runs, whatever becomes of the Secret. BOUNDED: by the zones of the world. */
  const seeds = new Map<string, Buffer>();
  const runs = (id: string) => {
    const pod = mirror.get(playedPods, namespace, `${id}-0`);
    return pod !== undefined && isReady(pod);
  };
  const configOf = (zone: string): DirectoryConfig | undefined =>
    mirror
      .all(kube.configMaps, namespace)
      .map((map) => JSON.parse(map.data?.['node.json'] ?? '{}') as DirectoryConfig)
      .find((config) => config.role === 'directory' && config.zones.some((z) => z.zone === zone) && runs(config.id));
  const keyOf = (zone: string) => {
    const secret = mirror.get(kube.secrets, namespace, rootSecretName(zone)) as { data?: { root: string } } | undefined;
    if (secret?.data) seeds.set(zone, Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64'));
    return createPrivateKey({ key: Buffer.concat([pkcs8, seeds.get(zone)!]), format: 'der', type: 'pkcs8' });
  };
  return async (url) => {
    const [, zone, what] = /\/v1\/zones\/([^/]+)\/(view|nodes)$/.exec(url)!;
    const config = configOf(zone!);
    if (!config) throw new Error('the directory answers 503');
    const { roster } = config.zones.find((z) => z.zone === zone)!;
    const sign = (context: string, document: object) =>
      signed(keyOf(zone!), context, JSON.stringify({ zone, ...document }));
    if (what === 'view') {
      const validUntil = new Date(Date.now() + 60_000).toISOString();
      const nodes = roster.filter(({ id }) => runs(id)).map(({ id }) => ({ id }));
      const { text: consensus, signature } = sign('herd-consensus-v1', { epoch: 7, validUntil, nodes });
      return { own: { consensus, signature }, peers: [] };
    }
    return sign('herd-nodes-v1', { issuedAt: Date.now(), nodes: roster.map(listed) });
  };

  /** Nothing ever rides on a played node. */
  function listed(entry: RosterEntry) {
    const draining = 'draining' in entry && entry.draining === true;
    const { id, role } = entry;
    return { id, role, registered: runs(id), draining, ...(draining ? { empty: true } : {}), expelled: null };
  }
}

function signed(key: KeyObject, context: string, text: string) {
  return { text, signature: sign(null, Buffer.from(`${context}\n${text}`), key).toString('base64') };
}
