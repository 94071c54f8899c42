/** Plays the directories of a cluster without pods: what they say is signed with the root seeds in the zones' Secrets, of the rosters in their ConfigMaps. */
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import type { AskDirectory } from '../../../operator/controllers/directory.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { configMaps, type KubeObject, secrets } from '../../../operator/kube/types.ts';
import type { DirectoryConfig, RosterEntry } from '../../../operator/objects/config.ts';
import { namespace } from './samples.ts';

/** PKCS #8 of an Ed25519 seed is this, then the 32 bytes (RFC 8410). */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

export class PlayedDirectories {
  /** Zone → ids that its consensus lists; a zone that is not there has a directory that does not answer. */
  readonly registered = new Map<string, string[]>();
  /** Ids of nodes on which nothing rides. */
  readonly empty = new Set<string>();
  readonly #admin: KubeClient;

  constructor(admin: KubeClient) {
    this.#admin = admin;
  }

  readonly ask: AskDirectory = async (url) => {
    const [, zone, what] = /\/v1\/zones\/([^/]+)\/(view|nodes)$/.exec(url)!;
    const ids = this.registered.get(zone!);
    if (!ids) throw new Error('the directory answers 503');
    const key = await this.#rootKey(zone!);
    if (what === 'view') {
      const validUntil = new Date(Date.now() + 60_000).toISOString();
      const consensus = JSON.stringify({ zone, epoch: 7, validUntil, nodes: ids.map((id) => ({ id })) });
      return { own: { consensus, signature: signed(key, 'herd-consensus-v1', consensus) }, peers: [] };
    }
    const nodes = (await this.roster(zone!)).map(({ id, role, draining = false }) => {
      const empty = draining ? { empty: this.empty.has(id) } : {};
      return { id, role, registered: ids.includes(id), draining, ...empty, expelled: null };
    });
    const text = JSON.stringify({ zone, issuedAt: Date.now(), nodes });
    return { text, signature: signed(key, 'herd-nodes-v1', text) };
  };

  async roster(zone: string): Promise<readonly RosterEntry[]> {
    const scope = { namespace, labelSelector: 'herd.network/role=directory' };
    const { items } = await this.#admin.list(configMaps, scope);
    const served = items.flatMap(({ data }) => (JSON.parse(data!['node.json']!) as DirectoryConfig).zones);
    return served.find((candidate) => candidate.zone === zone)?.roster ?? [];
  }

  async #rootKey(zone: string): Promise<KeyObject> {
    const secret = (await this.#admin.get(secrets, namespace, `${zone}-root`)) as KubeObject & {
      data: { root: string };
    };
    const seed = Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64');
    return createPrivateKey({ key: Buffer.concat([pkcs8, seed]), format: 'der', type: 'pkcs8' });
  }
}

const signed = (key: KeyObject, context: string, text: string) =>
  sign(null, Buffer.from(`${context}\n${text}`), key).toString('base64');
