/** Plays the directories of a cluster without pods: answers views signed with the root seeds in the zones' Secrets. */
import { createPrivateKey, sign } from 'node:crypto';
import type { AskDirectory } from '../../../operator/controllers/consensus.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { type KubeObject, secrets } from '../../../operator/kube/types.ts';
import { namespace } from './samples.ts';

/** PKCS #8 of an Ed25519 seed is this, then the 32 bytes (RFC 8410). */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** @param registered ids that each zone's consensus lists */
export function playDirectories(admin: KubeClient, registered: Map<string, string[]>): AskDirectory {
  return async (url) => {
    const zone = /\/v1\/zones\/([^/]+)\/view$/.exec(url)![1]!;
    const ids = registered.get(zone);
    if (!ids) throw new Error('the directory answers 503');
    const secret = (await admin.get(secrets, namespace, `${zone}-root`)) as KubeObject & { data: { root: string } };
    const seed = Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64');
    const key = createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: 'der', type: 'pkcs8' });
    const validUntil = new Date(Date.now() + 60_000).toISOString();
    const consensus = JSON.stringify({ zone, epoch: 7, validUntil, nodes: ids.map((id) => ({ id })) });
    const signature = sign(null, Buffer.from(`herd-consensus-v1\n${consensus}`), key).toString('base64');
    return { own: { consensus, signature }, peers: [] };
  };
}
