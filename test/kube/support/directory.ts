/** Plays the directories of a cluster without pods: what they say is certified with the root seeds in the zones' Secrets, of the rosters in their ConfigMaps. */
import { envelope } from '../../../nodes/config/consensus.ts';
import type { Receipt } from '../../../nodes/config/receipt.ts';
import { Identity } from '../../../nodes/crypto/keys.ts';
import type { AskDirectory } from '../../../operator/controllers/directory.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { type ConfigMap, configMaps, type KubeObject, secrets } from '../../../operator/kube/types.ts';
import type { DirectoryConfig, RosterEntry } from '../../../operator/objects/config.ts';
import { certified } from '../../unit/nodes/support/certified.ts';
import { namespace } from './samples.ts';

export class PlayedDirectories {
  /** Zone → ids that its consensus lists; a zone that is not there has a directory that does not answer. */
  readonly registered = new Map<string, string[]>();
  /** Ids of nodes on which nothing rides. */
  readonly empty = new Set<string>();
  /** By id: what a mix has found of a superpeer, while the roster has it. */
  readonly expelled = new Map<string, string>();
  /** Of all zones, what the superpeer's own has signed. BOUNDED: by the test. */
  readonly receipts: Omit<Receipt, 'zone'>[] = [];
  readonly #admin: KubeClient;
  readonly #configs: (zone: string) => Promise<readonly ConfigMap[]> | readonly ConfigMap[];

  /** @param configs where the ConfigMap of the directory that serves a zone is among; by default all of the namespace */
  constructor(admin: KubeClient, configs?: (zone: string) => readonly ConfigMap[]) {
    this.#admin = admin;
    const scope = { namespace, labelSelector: 'herd.network/role=directory' };
    this.#configs = configs ?? (async () => (await admin.list(configMaps, scope)).items);
  }

  readonly ask: AskDirectory = async (url) => {
    const [, zone, what] = /\/v1\/zones\/([^/]+)\/(view|nodes|receipts\/.*)$/.exec(url)!;
    const ids = this.registered.get(zone!);
    if (!ids) throw new Error('the directory answers 503');
    const told = this.receipts.filter(({ superpeer }) => what === `receipts/${superpeer}`);
    if (what!.startsWith('receipts') && told.length === 0) return { receipts: [] };
    const root = await this.#root(zone!);
    if (what === 'view') {
      const validUntil = new Date(Date.now() + 60_000).toISOString();
      const consensus = JSON.stringify({ zone, epoch: 7, validUntil, nodes: ids.map((id) => ({ id })) });
      return { own: envelope(certified(root, zone!, consensus)), peers: [] };
    }
    if (what !== 'nodes') {
      const receipts = told.map((receipt) => JSON.stringify({ zone, ...receipt }));
      return { receipts: receipts.map((text) => certified(root, zone!, text, 'herd-receipt-v1')) };
    }
    const nodes = (await this.roster(zone!)).map(({ id, role, draining = false }) => {
      const empty = draining ? { empty: this.empty.has(id) } : {};
      const expelled = this.expelled.get(id) ?? null;
      return { id, role, boot: 1, registered: ids.includes(id) && !expelled, draining, ...empty, expelled };
    });
    return certified(root, zone!, JSON.stringify({ zone, issuedAt: Date.now(), nodes }), 'herd-nodes-v1');
  };

  async roster(zone: string): Promise<readonly RosterEntry[]> {
    const served = (await this.#configs(zone)).flatMap(
      ({ data }) => (JSON.parse(data!['node.json']!) as DirectoryConfig).zones,
    );
    return served.find((candidate) => candidate.zone === zone)?.roster ?? [];
  }

  async #root(zone: string): Promise<Identity> {
    const secret = (await this.#admin.get(secrets, namespace, `${zone}-root`)) as KubeObject & {
      data: { root: string };
    };
    return new Identity(Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64'));
  }
}
