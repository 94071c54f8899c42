/** Plays the directories of a namespace, which may have nodes in another: they serve what their ConfigMaps say and list the nodes whose pods are ready. */
import { envelope } from '../../../nodes/config/consensus.ts';
import type { Receipt } from '../../../nodes/config/receipt.ts';
import { Identity } from '../../../nodes/crypto/keys.ts';
import type { ManagerOptions } from '../../../operator/controllers/manager.ts';
import * as kube from '../../../operator/kube/types.ts';
import type { DirectoryConfig, RosterEntry } from '../../../operator/objects/config.ts';
import { rootSecretName } from '../../../operator/objects/labels.ts';
import { certified } from '../../unit/nodes/support/certified.ts';
import { isReady } from './kubelet.ts';
import type { Mirror } from './mirror.ts';

/** The superpeer that has a receipt, of a day long ago. */
export const paidSuperpeer = 'eu-paid';
const fromMs = Date.parse('2026-01-01T00:00:00Z');
const dayMs = 86_400_000;

function carried(zone: string, { id: superpeer, identityKey, channels }: RosterEntry): Receipt {
  const rounds = { channels: channels!, expected: 4_320_000, valid: 4_320_000, bad: 0, expelled: false };
  return { zone, superpeer, identityKey, from: fromMs, until: fromMs + dayMs, ...rounds, issuedAt: fromMs + dayMs };
}

export function directoriesIn(mirror: Mirror, namespace: string, member: string): ManagerOptions['askDirectory'] {
  /** A directory keeps its key while it runs, whatever becomes of the Secret. BOUNDED: by the zones of the world. */
  const roots = new Map<string, Identity>();
  const runs = (id: string) => {
    const pods = [namespace, member].map((where) => mirror.get(kube.pods, where, `${id}-0`));
    return pods.some((pod) => pod !== undefined && isReady(pod));
  };
  const configOf = (zone: string): DirectoryConfig | undefined =>
    mirror
      .all(kube.configMaps, namespace)
      .map((map) => JSON.parse(map.data?.['node.json'] ?? '{}') as DirectoryConfig)
      .find((config) => config.role === 'directory' && config.zones.some((z) => z.zone === zone) && runs(config.id));
  const rootOf = (zone: string): Identity => {
    const secret = mirror.get(kube.secrets, namespace, rootSecretName(zone)) as { data?: { root: string } } | undefined;
    const seed = secret?.data && Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64');
    if (seed) roots.set(zone, new Identity(seed));
    return roots.get(zone)!;
  };
  return async (url) => {
    const [, zone, what] = /\/v1\/zones\/([^/]+)\/(view|nodes|receipts\/.*)$/.exec(url)! as unknown as [
      string,
      string,
      string,
    ];
    const config = configOf(zone);
    if (!config) throw new Error('the directory answers 503');
    const { roster } = config.zones.find((z) => z.zone === zone)!;
    if (what === 'view') {
      const validUntil = new Date(Date.now() + 60_000).toISOString();
      const nodes = roster.filter(({ id }) => runs(id)).map(({ id }) => ({ id }));
      const consensus = JSON.stringify({ zone, epoch: 7, validUntil, nodes });
      return { own: envelope(certified(rootOf(zone), zone, consensus)), peers: [] };
    }
    if (what !== 'nodes') {
      const told = roster.filter(({ id }) => what === `receipts/${id}` && id === paidSuperpeer);
      const receipts = told.map((entry) => JSON.stringify(carried(zone, entry)));
      return { receipts: receipts.map((text) => certified(rootOf(zone), zone, text, 'herd-receipt-v1')) };
    }
    const nodes = roster.map(listed);
    return certified(rootOf(zone), zone, JSON.stringify({ zone, issuedAt: Date.now(), nodes }), 'herd-nodes-v1');
  };

  /** Nothing ever rides on a played node. */
  function listed(entry: RosterEntry) {
    const { id, role } = entry;
    const draining = entry.draining === true;
    return { id, role, boot: 1, registered: runs(id), draining, ...(draining ? { empty: true } : {}), expelled: null };
  }
}
