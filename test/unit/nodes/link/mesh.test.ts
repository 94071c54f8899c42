import assert from 'node:assert/strict';
import test from 'node:test';
import { type Consensus, type ConsensusNode, nodeTag } from '../../../../nodes/config/consensus.ts';
import { parseEndpoint } from '../../../../nodes/core/units.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { meshNodes } from '../../../../nodes/link/mesh.ts';

const { publicKey: linkKey } = new Identity(Buffer.alloc(32, 1)).link;

function zone(name: string, endpoint: string): Consensus {
  const node: ConsensusNode = {
    id: `${name}-rendezvous`,
    role: 'rendezvous',
    endpoint: parseEndpoint(endpoint)!,
    linkKey,
    boot: 1,
    tag: nodeTag(linkKey),
  };
  const params = { profile: 'A', clientsPerChannel: 20, meshCellsPerTick: 2 } as const;
  return { zone: name, epoch: 1, validUntilMs: 1, params, nodes: [node], channels: [] };
}

test('a peer zone that lists one of our nodes does not move it', () => {
  const view = { own: zone('eu', '10.0.0.1:7000'), peers: [zone('evil', '10.66.0.1:7000')] };
  const [node] = meshNodes(view, 'somebody else').values();
  assert.equal(node!.endpoint, parseEndpoint('10.0.0.1:7000'));
});

test('nobody is a peer of himself', () => {
  assert.equal(meshNodes({ own: zone('eu', '10.0.0.1:7000'), peers: [] }, nodeTag(linkKey)).size, 0);
});
