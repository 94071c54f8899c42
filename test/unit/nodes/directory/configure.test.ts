import assert from 'node:assert/strict';
import test from 'node:test';
import { verifyCertified } from '../../../../nodes/config/certificate.ts';
import type { ConsensusText } from '../../../../nodes/config/consensus.ts';
import { type Descriptor, signDescriptor } from '../../../../nodes/config/descriptor.ts';
import type { DirectoryZone, RosterEntry } from '../../../../nodes/config/node.ts';
import type { NodesText } from '../../../../nodes/config/nodes.ts';
import { signVerdict } from '../../../../nodes/config/verdict.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import type { SignedPurpose } from '../../../../nodes/crypto/signed.ts';
import { Directory } from '../../../../nodes/directory/directory.ts';
import { DEFAULT_PARAMS } from '../../../sim/zones.ts';
import { certified, signerOf } from '../support/certified.ts';
import { publishing } from '../support/keys.ts';

const START_MS = Date.parse('2030-01-01T00:00:00Z');
const EPOCH_MS = 900_000;

const identity = (fill: number) => new Identity(Buffer.alloc(32, fill));
const text = (key: Buffer) => key.toString('base64');
const ROOT = identity(1);
const SIGNERS = new Map([
  ['eu', signerOf('eu', ROOT)],
  ['sa', signerOf('sa', identity(2))],
]);
const NA_ROOT = identity(3);
const NODES = {
  mix: identity(10),
  rendezvous: identity(11),
  sp: identity(12),
  'sp-new': identity(13),
  'mix-2': identity(14),
};
type Id = keyof typeof NODES;

const entry = (id: Id, more: object = {}): RosterEntry => {
  const role = id === 'mix' || id === 'rendezvous' ? id : 'superpeer';
  const identityKey = text(NODES[id].publicKey);
  return { id, role, identityKey, ...(role === 'superpeer' && { channels: 1 }), ...more } as RosterEntry;
};
const NA = { zone: 'na', url: 'http://10.0.9.9:8080', rootKey: text(NA_ROOT.publicKey) };

const zoneOf = (change: Partial<DirectoryZone> = {}): DirectoryZone => ({
  zone: 'eu',
  provider: 'north',
  jurisdiction: 'EU',
  params: { ...DEFAULT_PARAMS, meshCellsPerTick: 4, meshCellsPerTickMax: 64 },
  roster: [entry('mix'), entry('rendezvous'), entry('sp')],
  peers: [NA],
  ...change,
});

const listen = { port: 1 };
const CONFIG = { role: 'directory', id: 'd', listen, metrics: listen, epochSeconds: EPOCH_MS / 1000 } as const;

/** A directory in the middle of an epoch, where all have registered. */
function running(zone = zoneOf()) {
  const directory = new Directory({ ...CONFIG, zones: [zone] }, SIGNERS);
  for (const { id } of zone.roster) register(directory, START_MS, id as Id);
  return directory;
}

function register(directory: Directory, nowMs: number, id: Id, change: Partial<Descriptor> = {}) {
  const keys = publishing(1);
  const descriptor = { zone: 'eu', id, endpoint: '10.0.0.1:7000', ...keys, boot: 1, issuedAt: nowMs, ...change };
  return directory.register(nowMs, descriptor.zone, signDescriptor(NODES[id], descriptor));
}

const consensusOf = (directory: Directory, nowMs: number, zone = 'eu'): ConsensusText =>
  JSON.parse(directory.consensus(nowMs, zone)!.text);
const idsOf = (directory: Directory, nowMs: number) => consensusOf(directory, nowMs).nodes.map(({ id }) => id);

test('takes another roster: a new node once it registers, the others without registering again', () => {
  const directory = running();
  directory.configure(START_MS + 1, [zoneOf({ roster: [...zoneOf().roster, entry('sp-new')] })], SIGNERS);
  assert.deepEqual(idsOf(directory, START_MS + 2), ['mix', 'rendezvous', 'sp']);
  assert.equal(register(directory, START_MS + 2, 'sp-new'), 'accepted');
  assert.deepEqual(idsOf(directory, START_MS + 2), ['mix', 'rendezvous', 'sp', 'sp-new']);
  assert.equal(consensusOf(directory, START_MS + 2).channels.length, 2);
});

test('forgets the descriptor of who is listed no more, or under another identity, and of nobody else', () => {
  const directory = running();
  const roster = [entry('mix'), entry('sp', { identityKey: text(identity(99).publicKey) })];
  directory.configure(START_MS + 1, [zoneOf({ roster })], SIGNERS);
  assert.deepEqual(idsOf(directory, START_MS + 1), ['mix']);
  directory.configure(START_MS + 2, [zoneOf()], SIGNERS);
  assert.deepEqual(idsOf(directory, START_MS + 2), ['mix'], 'who comes back registers again');
});

test('a verdict stands until the superpeer leaves the roster or gets another identity', () => {
  const directory = running();
  const said = { zone: 'eu', mix: 'mix', superpeer: 'sp', reason: 'sum', issuedAt: START_MS };
  assert.equal(directory.judge(START_MS, 'eu', signVerdict(NODES.mix, said)), 'accepted');
  directory.configure(START_MS + 1, [zoneOf({ provider: 'south' })], SIGNERS);
  assert.equal(directory.expelled(), 1);
  directory.configure(START_MS + 2, [zoneOf({ roster: [entry('mix'), entry('rendezvous')] })], SIGNERS);
  assert.equal(directory.expelled(), 0);
});

test('keeps a peer’s document while its root key stays, whatever becomes of the others', () => {
  const directory = running();
  const document = { ...consensusOf(directory, START_MS), zone: 'na' };
  const signed = certified(NA_ROOT, 'na', JSON.stringify(document));
  assert.equal(directory.learnPeer(START_MS, 'eu', 'na', signed), undefined);
  const peers = () => directory.view(START_MS + 1, 'eu')!.peers.map(({ zone }) => zone);
  const other = { zone: 'sa', url: 'http://10.0.9.8:8080', rootKey: text(identity(4).publicKey) };
  directory.configure(START_MS + 1, [zoneOf({ peers: [other, { ...NA, url: 'http://10.0.9.7:8080' }] })], SIGNERS);
  assert.deepEqual(peers(), ['na']);
  directory.configure(START_MS + 1, [zoneOf({ peers: [{ ...NA, rootKey: other.rootKey }] })], SIGNERS);
  assert.deepEqual(peers(), []);
});

test('rates that are under way go on towards the zones that stay, on the same ladder', () => {
  const directory = running();
  const half = START_MS + EPOCH_MS / 2;
  register(directory, half, 'mix', { demand: [{ zone: 'na', cells: 50 }] });
  const rates = (nowMs: number) => consensusOf(directory, nowMs).meshRates.map(({ zone, from }) => ({ zone, from }));
  const decided = [{ zone: 'na', from: START_MS + EPOCH_MS }];
  assert.deepEqual(rates(half), decided);
  const { params } = zoneOf();
  const sa = { zone: 'sa', url: 'http://10.0.9.8:8080', rootKey: text(identity(4).publicKey) };
  directory.configure(half + 1, [zoneOf({ peers: [sa, NA] })], SIGNERS);
  assert.deepEqual(rates(half + 1), decided);
  directory.configure(half + 2, [zoneOf({ params: { ...params, meshCellsPerTick: 6 } })], SIGNERS);
  assert.deepEqual(rates(half + 2), []);
});

test('serves a new zone with its key, and no longer one that is gone; without the key nothing changes', () => {
  const directory = running();
  const sa = zoneOf({ zone: 'sa', peers: [] });
  const onlyEu = new Map([...SIGNERS].slice(0, 1));
  const renamed = zoneOf({ provider: 'south' });
  assert.throws(() => directory.configure(START_MS, [renamed, sa], onlyEu), /no root key for zone sa/);
  assert.equal(consensusOf(directory, START_MS).provider, 'north');
  directory.configure(START_MS, [renamed, sa], SIGNERS);
  assert.equal(register(directory, START_MS, 'mix', { zone: 'sa' }), 'accepted');
  assert.deepEqual(
    directory.zones().map(({ zone }) => zone),
    ['eu', 'sa'],
  );
  directory.configure(START_MS, [sa], SIGNERS);
  assert.equal(directory.consensus(START_MS, 'eu'), undefined);
  assert.equal(consensusOf(directory, START_MS, 'sa').nodes.length, 1);
});

test('that a node drains counts from the next epoch on, that it does not any more at once', () => {
  const directory = running();
  const drains = (nowMs: number) => consensusOf(directory, nowMs).nodes.find(({ id }) => id === 'mix')!.draining;
  const draining = zoneOf({ roster: [entry('mix', { draining: true }), entry('rendezvous'), entry('sp')] });
  const [asked, boundary] = [START_MS + 1000, START_MS + EPOCH_MS];
  directory.configure(asked, [draining], SIGNERS);
  directory.configure(asked + 1000, [{ ...draining, provider: 'south' }], SIGNERS);
  assert.equal(drains(asked + 1000), false);
  register(directory, boundary - 1, 'mix');
  assert.deepEqual([drains(boundary - 1), drains(boundary)], [false, true]);
  directory.configure(boundary + 1, [zoneOf()], SIGNERS);
  assert.equal(drains(boundary + 1), false);
  directory.configure(boundary + 2, [draining], SIGNERS);
  register(directory, boundary + EPOCH_MS, 'mix');
  assert.deepEqual(
    [drains(boundary + 3), drains(boundary + EPOCH_MS)],
    [false, true],
    'asked for again, it waits again',
  );
});

test('channels go to the others when a mix of the roster drains, from the next epoch on, and it stands by for them', () => {
  const two = (draining?: true) => {
    const mix2 = { id: 'mix-2', role: 'mix' as const, identityKey: text(NODES['mix-2'].publicKey) };
    return zoneOf({ roster: [...zoneOf().roster, { ...mix2, ...(draining && { draining }) }] });
  };
  const directory = running(zoneOf());
  const dealt = (nowMs: number, of = directory) => consensusOf(of, nowMs).channels;
  const alone = { id: 1, superpeer: 'sp', mix: 'mix' };
  assert.deepEqual(dealt(START_MS), [alone]);
  const boundary = START_MS + EPOCH_MS;
  directory.configure(START_MS + 1, [two()], SIGNERS);
  assert.equal(register(directory, START_MS + 1, 'mix-2'), 'accepted');
  assert.deepEqual(dealt(boundary - 900_000 + 2), [alone], 'a mix that comes too');
  for (const { id } of two().roster) register(directory, boundary, id as Id);
  assert.deepEqual(dealt(boundary), [{ ...alone, standby: 'mix-2' }]);
  const drains = (draining?: true) => zoneOf({ roster: [entry('mix', { draining }), ...two().roster.slice(1)] });
  directory.configure(boundary + 1, [drains(true)], SIGNERS);
  assert.deepEqual(dealt(boundary + 2), [{ ...alone, standby: 'mix-2' }]);
  const early = zoneOf({ roster: [entry('mix', { draining: true }), ...two().roster.slice(1)] });
  const idle = new Directory({ ...CONFIG, zones: [two()] }, SIGNERS);
  idle.configure(boundary + 1, [early], SIGNERS);
  for (const { id } of two().roster) register(idle, boundary + 2, id as Id);
  assert.equal(dealt(boundary + 2, idle)[0]!.mix, 'mix-2', 'at once where nobody is yet');
  const next = boundary + EPOCH_MS;
  for (const { id } of two().roster) register(directory, next, id as Id);
  assert.deepEqual(dealt(next), [{ id: 1, superpeer: 'sp', mix: 'mix-2', standby: 'mix' }]);
});

test('that a node drains counts at once when it says so itself, and no longer than it says so', () => {
  const directory = running();
  const drains = (nowMs: number) => consensusOf(directory, nowMs).nodes.find(({ id }) => id === 'mix')!.draining;
  register(directory, START_MS + 1, 'mix', { draining: true, empty: false });
  assert.equal(drains(START_MS + 1), true);
  register(directory, START_MS + 2, 'mix', { boot: 2 });
  assert.equal(drains(START_MS + 2), false, 'the next process does not drain');
});

test('reports every node of the roster, signed for nothing else, and whether one that drains is empty', () => {
  const directory = running(zoneOf({ roster: [...zoneOf().roster.slice(0, 3), entry('sp-new', { draining: true })] }));
  const said = { zone: 'eu', mix: 'mix', superpeer: 'sp', reason: 'sum', issuedAt: START_MS };
  directory.judge(START_MS, 'eu', signVerdict(NODES.mix, said));
  register(directory, START_MS + 1, 'sp-new', { boot: 8, empty: false });
  const later = START_MS + 61_000;
  register(directory, later, 'mix', { draining: true, empty: true });
  register(directory, later, 'sp');
  const signed = directory.nodes(later, 'eu')!;
  const verify = (purpose: SignedPurpose) =>
    verifyCertified('list of nodes', purpose, signed, ROOT.publicKey, 'eu', START_MS + 1);
  assert('refused' in verify('herd-consensus-v1'));
  const verified = verify('herd-nodes-v1');
  assert('text' in verified, JSON.stringify(verified));
  const { nodes, ...about }: NodesText = JSON.parse(verified.text);
  assert.deepEqual(about, { zone: 'eu', issuedAt: later });
  const rest = { registered: true, draining: false, answered: null, expelled: null, boot: 1 };
  assert.deepEqual(nodes, [
    { ...rest, id: 'mix', role: 'mix', draining: true, empty: true },
    { ...rest, id: 'rendezvous', role: 'rendezvous', registered: false },
    { ...rest, id: 'sp', role: 'superpeer', expelled: 'sum' },
    { ...rest, id: 'sp-new', role: 'superpeer', draining: true, boot: 8, registered: false },
  ]);
  assert.equal(directory.nodes(later, 'na'), undefined);
});
