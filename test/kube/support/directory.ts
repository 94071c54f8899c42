/** Plays the directories of a cluster without pods: answers views certified with the root seeds in the zones' Secrets. */
import { envelope } from '../../../nodes/config/consensus.ts';
import { Identity } from '../../../nodes/crypto/keys.ts';
import type { AskDirectory } from '../../../operator/controllers/consensus.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { type KubeObject, secrets } from '../../../operator/kube/types.ts';
import { certified } from '../../unit/nodes/support/certified.ts';
import { namespace } from './samples.ts';

/** @param registered ids that each zone's consensus lists */
export function playDirectories(admin: KubeClient, registered: Map<string, string[]>): AskDirectory {
  return async (url) => {
    const zone = /\/v1\/zones\/([^/]+)\/view$/.exec(url)![1]!;
    const ids = registered.get(zone);
    if (!ids) throw new Error('the directory answers 503');
    const secret = (await admin.get(secrets, namespace, `${zone}-root`)) as KubeObject & { data: { root: string } };
    const root = new Identity(Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64'));
    const validUntil = new Date(Date.now() + 60_000).toISOString();
    const consensus = JSON.stringify({ zone, epoch: 7, validUntil, nodes: ids.map((id) => ({ id })) });
    return { own: envelope(certified(root, zone, consensus)), peers: [] };
  };
}
