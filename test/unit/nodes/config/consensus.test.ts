import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Consensus,
  type ConsensusText,
  envelope,
  nodeTag,
  type View,
  type ViewText,
  verifyConsensus,
  verifyView,
} from '../../../../nodes/config/consensus.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { type CertifiedText, signText } from '../../../../nodes/crypto/signed.ts';
import { DEFAULT_PARAMS } from '../../../sim/zones.ts';
import { certified } from '../support/certified.ts';

const NOW_MS = Date.parse('2030-01-01T00:00:00Z');
const ROOT = new Identity(Buffer.alloc(32, 1));
const OTHER = new Identity(Buffer.alloc(32, 2));
const key = (fill: number) => Buffer.alloc(32, fill).toString('base64');

const node = (id: string, role: string, last: number) => ({
  id,
  role,
  endpoint: `10.0.0.${last}:7000`,
  identityKey: key(100 + last),
  linkKeys: [{ key: key(last), from: 0 }],
  circuitKeys: [{ key: key(50 + last), from: 0 }],
  boot: last,
  draining: false,
});

const TEXT = {
  zone: 'eu',
  provider: 'north',
  jurisdiction: 'EU',
  epoch: 5,
  validUntil: '2030-01-02T00:00:00Z',
  params: { ...DEFAULT_PARAMS, meshCellsPerTick: 2 },
  nodes: [node('eu-mix-0', 'mix', 10), node('eu-rendezvous-0', 'rendezvous', 11), node('eu-sp', 'superpeer', 12)],
  channels: [{ id: 1, superpeer: 'eu-sp', mix: 'eu-mix-0' }],
  meshRates: [{ zone: 'na', cellsPerTick: 3, from: 1_893_456_900_000 }],
};

const signed = (json: object, by = ROOT, zone = by === ROOT ? 'eu' : 'na') => certified(by, zone, JSON.stringify(json));

function accepted(document: CertifiedText, nowMs = NOW_MS): Consensus {
  const result = verifyConsensus(document, ROOT.publicKey, 'eu', nowMs);
  assert(!('refused' in result), JSON.stringify(result));
  return result;
}

function refusal(document: CertifiedText, zone = 'eu', nowMs = NOW_MS): string {
  const result = verifyConsensus(document, ROOT.publicKey, zone, nowMs);
  assert('refused' in result, 'it should have been refused');
  return result.refused;
}

test('gives the nodes with their tags and the channels with their nodes', () => {
  const consensus = accepted(signed(TEXT));
  assert.equal(consensus.epoch, 5);
  assert.equal(consensus.validUntilMs, Date.parse(TEXT.validUntil));
  const [mix, , superpeer] = consensus.nodes;
  assert.equal(mix.tag, nodeTag('eu', Buffer.alloc(32, 110)));
  assert.deepEqual(mix.linkKeys, [{ key: Buffer.alloc(32, 10), from: 0 }]);
  assert.deepEqual(mix.circuitKeys, [{ key: Buffer.alloc(32, 60), from: 0 }]);
  assert.equal(mix.boot, 10);
  assert.equal(mix.draining, false);
  assert.deepEqual(consensus.channels, [{ id: 1, superpeer, mix, standby: undefined }]);
});

test('says which node drains and which mix stands by, also when that one is not registered', () => {
  const [first, ...others] = TEXT.nodes;
  const second = node('eu-mix-1', 'mix', 13);
  const nodes = [{ ...first, draining: true }, ...others, second];
  const channel = { ...TEXT.channels[0], standby: 'eu-mix-1' };
  const consensus = accepted(signed({ ...TEXT, nodes, channels: [channel] }));
  assert.deepEqual(
    consensus.nodes.map(({ draining }) => draining),
    [true, false, false, false],
  );
  assert.equal(consensus.channels[0].standby, consensus.nodes[3]);
  const alone = accepted(signed({ ...TEXT, channels: [channel] }));
  assert.equal(alone.channels[0].standby, undefined);
});

test('a node of which it is not said whether it drains is malformed', () => {
  const { draining: _, ...silent } = TEXT.nodes[0];
  assert.match(refusal(signed({ ...TEXT, nodes: [silent] })), /at nodes\[0\]\.draining/);
});

test('leaves out a channel whose superpeer or mix is not registered', () => {
  const channels = [
    ...TEXT.channels,
    { id: 2, superpeer: 'gone', mix: 'eu-mix-0' },
    { id: 3, superpeer: 'eu-sp', mix: 'gone' },
  ];
  assert.deepEqual(
    accepted(signed({ ...TEXT, channels })).channels.map(({ id }) => id),
    [1],
  );
});

test('refuses a document of another key, of another purpose, or with one changed letter', () => {
  assert.equal(refusal(signed(TEXT, OTHER, 'eu')), "the certificate of zone eu is not signed by the zone's root key");
  const wrong = /^the consensus of zone eu is not signed by the certified key$/;
  assert.match(refusal(certified(ROOT, 'eu', JSON.stringify(TEXT), 'herd-descriptor-v1')), wrong);
  const document = signed(TEXT);
  assert.match(refusal({ ...document, text: document.text.replace('north', 'south') }), wrong);
  const other = `${document.signature[0] === 'A' ? 'B' : 'A'}${document.signature.slice(1)}`;
  const ofRoot = signText(ROOT, 'herd-consensus-v1', document.text).signature;
  for (const signature of ['', 'AAAA', other, ofRoot])
    assert.match(refusal({ ...document, signature }), wrong, signature);
});

test('refuses the document of another zone, even of the same root key', () => {
  assert.equal(refusal(signed(TEXT), 'na'), 'the certificate is of zone eu, not na');
  assert.equal(refusal(certified(ROOT, 'na', JSON.stringify(TEXT)), 'na'), 'the consensus is of zone eu, not na');
});

test('takes a document until the millisecond in which it ends', () => {
  const end = Date.parse(TEXT.validUntil);
  accepted(signed(TEXT), end);
  assert.equal(refusal(signed(TEXT), 'eu', end + 1), `the consensus of zone eu ended at ${TEXT.validUntil}`);
});

test('says that a signed text is no JSON', () => {
  assert.equal(refusal(certified(ROOT, 'eu', '{')), 'the consensus of zone eu is not JSON');
});

/** What is wrong with a signed document, and the field that the refusal has to name. */
const MALFORMED: readonly (readonly [field: string, change: object])[] = [
  /*  1 */ ['zone', { zone: 'Not A Label' }],
  /*  2 */ ['provider', { provider: 'x'.repeat(254) }],
  /*  3 */ ['jurisdiction', { jurisdiction: 5 }],
  /*  4 */ ['epoch', { epoch: -1 }],
  /*  5 */ ['epoch', { epoch: 1.5 }],
  /*  6 */ ['validUntil', { validUntil: 'tomorrow' }],
  /*  7 */ ['validUntil', { validUntil: '2030-02-30T00:00:00Z' }],
  /*  8 */ ['params.profile', { params: { ...TEXT.params, profile: 'C' } }],
  /*  9 */ ['params.clientsPerChannel', { params: { ...TEXT.params, clientsPerChannel: 101 } }],
  /* 10 */ ['params.meshCellsPerTick', { params: { ...TEXT.params, meshCellsPerTick: 0 } }],
  /* 11 */ ['nodes[0].id', { nodes: [{ ...TEXT.nodes[0], id: '-' }] }],
  /* 12 */ ['nodes[0].role', { nodes: [{ ...TEXT.nodes[0], role: 'client' }] }],
  /* 13 */ ['nodes[0].endpoint', { nodes: [{ ...TEXT.nodes[0], endpoint: 'host:1' }] }],
  /* 14 */ ['nodes[0].identityKey', { nodes: [{ ...TEXT.nodes[0], identityKey: 'AAAA' }] }],
  /* 15 */ ['nodes[0].linkKeys[0].key', { nodes: [{ ...TEXT.nodes[0], linkKeys: [{ key: 'AAAA', from: 0 }] }] }],
  /* 16 */ ['nodes[0].boot', { nodes: [{ ...TEXT.nodes[0], boot: 2 ** 32 }] }],
  /* 17 */ ['channels[0].id', { channels: [{ id: 0, superpeer: 'eu-sp', mix: 'eu-mix-0' }] }],
  /* 18 */ ['channels[0].superpeer', { channels: [{ id: 1, superpeer: '', mix: 'eu-mix-0' }] }],
  /* 19 */ ['nodes', { nodes: undefined }],
  /* 20 */ ['channels', { channels: {} }],
  /* 21 */ ['meshRates[0].cellsPerTick', { meshRates: [{ zone: 'na', cellsPerTick: 65, from: 0 }] }],
  /* 22 */ ['meshRates[0].from', { meshRates: [{ zone: 'na', cellsPerTick: 3, from: '2030-01-01T00:00:00Z' }] }],
  /* 23 */ ['nodes[0].linkKeys', { nodes: [{ ...TEXT.nodes[0], linkKeys: [] }] }],
  /* 24 */ ['nodes[0].circuitKeys', { nodes: [{ ...TEXT.nodes[0], circuitKeys: undefined }] }],
  /* 25 */ [
    'nodes[0].circuitKeys[0].from',
    { nodes: [{ ...TEXT.nodes[0], circuitKeys: [{ key: key(1), from: -1 }] }] },
  ],
  /* 26 */ [
    'nodes[0].linkKeys',
    { nodes: [{ ...TEXT.nodes[0], linkKeys: new Array(5).fill({ key: key(1), from: 0 }) }] },
  ],
];

test('names the field that is malformed, row by row', () => {
  for (const [index, [field, change]] of MALFORMED.entries()) {
    const said = refusal(signed({ ...TEXT, ...change }));
    assert(said.includes(`at ${field}`), `row ${index + 1}: ${said}`);
  }
});

test('names all malformed fields at once', () => {
  const said = refusal(signed({ ...TEXT, epoch: -1, validUntil: 0, channels: 7 }));
  for (const field of ['epoch', 'validUntil', 'channels']) assert(said.includes(`at ${field}`), said);
});

const NA: Omit<ConsensusText, 'params'> & { params: object } = {
  ...TEXT,
  zone: 'na',
  nodes: [{ ...node('na-mix-0', 'mix', 20), role: 'mix' }],
  channels: [],
};

function viewOf(peers: unknown[], own = signed(TEXT)): View | { refused: string } {
  return verifyView({ own: envelope(own), peers }, ROOT.publicKey, 'eu', NOW_MS);
}

const peer = (zone: string, document: CertifiedText, root = OTHER) => ({
  zone,
  rootKey: root.publicKey.toString('base64'),
  signed: envelope(document),
});

test('a view holds the own zone and the peers that verify under their own keys', () => {
  const view = viewOf([peer('na', signed(NA, OTHER))]) as View;
  assert.deepEqual([view.own.zone, ...view.peers.map(({ zone }) => zone)], ['eu', 'na']);
});

test('a broken peer is left out and harms nobody else', () => {
  const broken = {
    'wrong key': peer('na', signed(NA, ROOT)),
    'other zone': peer('na', signed({ ...NA, zone: 'sa' }, OTHER)),
    expired: peer('na', signed({ ...NA, validUntil: '2029-12-31T00:00:00Z' }, OTHER)),
    malformed: peer('na', signed({ ...NA, epoch: 'first' }, OTHER)),
    'no JSON': peer('na', certified(OTHER, 'na', 'null and void')),
    'the own zone again': peer('eu', signed(TEXT), ROOT),
  };
  const good = peer('au', signed({ ...NA, zone: 'au' }, OTHER, 'au'));
  for (const [what, one] of Object.entries(broken)) {
    const view = viewOf([one, good]) as View;
    assert.deepEqual(
      view.peers?.map(({ zone }) => zone),
      ['au'],
      what,
    );
  }
});

test('without a valid consensus of the own zone there is no view', () => {
  const refused = viewOf([], signed(TEXT, OTHER, 'eu')) as { refused: string };
  assert.match(refused.refused, /not signed by the zone's root key/);
});

test('an answer that is no view is refused with the fields that are missing', () => {
  for (const json of [undefined, null, 7, 'view', [], {}, { own: envelope(signed(TEXT)) }, { own: {}, peers: [] }]) {
    const result = verifyView(json, ROOT.publicKey, 'eu', NOW_MS) as { refused: string };
    assert.match(result.refused, /^the directory's answer is malformed: /, JSON.stringify(json));
  }
  const answer: Partial<ViewText> = { own: envelope(signed(TEXT)) };
  const result = verifyView({ ...answer, peers: [{ zone: 'na' }] }, ROOT.publicKey, 'eu', NOW_MS) as {
    refused: string;
  };
  for (const field of ['peers[0].rootKey', 'peers[0].signed']) assert(result.refused.includes(`at ${field}`));
});
