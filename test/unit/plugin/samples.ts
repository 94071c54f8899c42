/** What directories and nodes answer whom verify asks. */
import { type ConsensusText, envelope } from '../../../nodes/config/consensus.ts';
import type { Identity } from '../../../nodes/crypto/keys.ts';
import { certified } from '../nodes/support/certified.ts';

export interface ListedNode {
  readonly id: string;
  readonly role: ConsensusText['nodes'][number]['role'];
}

export interface Says {
  readonly zone: string;
  readonly root: Identity;
  readonly epoch: number;
  readonly validUntilMs: number;
  readonly nodes: readonly ListedNode[];
  /** From when its nodes' link keys are in force. */
  readonly keysFromMs?: number;
}

const key = (seed: string) => Buffer.alloc(32, seed).toString('base64');

function consensusOf({ zone, root, epoch, validUntilMs, nodes, keysFromMs = 0 }: Says) {
  const text: ConsensusText = {
    ...{ zone, provider: 'north', jurisdiction: 'EU', epoch },
    validUntil: new Date(validUntilMs).toISOString(),
    params: {
      profile: 'B',
      clientsPerChannel: 20,
      meshCellsPerTick: 2,
      attachmentsPerClient: 3,
      assignment: 'augment',
      directClients: 0,
    },
    nodes: nodes.map(({ id, role }) => ({
      ...{ id, role, endpoint: '192.0.2.7:7000', identityKey: key(id), boot: 1, draining: false },
      linkKeys: [{ key: key(`${id}-link`), from: keysFromMs }],
      circuitKeys: [{ key: key(`${id}-circuit`), from: 0 }],
    })),
    channels: [],
    meshRates: [],
  };
  return envelope(certified(root, zone, JSON.stringify(text)));
}

/** A directory's answer. */
export const viewOf = (own: Says, peers: readonly Says[]) => ({
  own: consensusOf(own),
  peers: peers.map((peer) => ({
    zone: peer.zone,
    rootKey: peer.root.publicKey.toString('base64'),
    signed: consensusOf(peer),
  })),
});

export interface Counts {
  readonly ticks: number;
  readonly late?: number;
  readonly sent: number;
  /** What should be sent in a tick. */
  readonly configured?: number;
  readonly up?: number;
  readonly expected?: number;
  readonly linkKey?: number;
}

/** A node's metrics, as prom-client writes them. */
export function metricsOf({
  ticks,
  late = 0,
  sent,
  configured = 2,
  up = 2,
  expected = 2,
  linkKey = 1,
}: Counts): string {
  const labels = 'role="mix",zone="eu"';
  return `# HELP herd_node_ticks_total Ticks of the data plane, one per 20 ms.
# TYPE herd_node_ticks_total counter
herd_node_ticks_total{${labels}} ${ticks}
herd_node_late_slots_total{${labels}} ${late}
herd_node_sent_datagrams_total{${labels}} ${sent}
herd_node_configured_datagrams_per_second{${labels}} ${50 * configured}
herd_node_links_up{${labels}} ${up}
herd_node_links_expected{${labels}} ${expected}
herd_node_key_number{key="circuit",${labels}} 1
herd_node_key_number{key="link",${labels}} ${linkKey}
`;
}
