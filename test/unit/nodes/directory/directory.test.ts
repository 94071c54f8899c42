import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type ConsensusText,
  envelope,
  type View,
  type ViewText,
  verifyView,
} from '../../../../nodes/config/consensus.ts';
import { type Descriptor, signDescriptor } from '../../../../nodes/config/descriptor.ts';
import type { DirectoryConfig, DirectoryZone } from '../../../../nodes/config/node.ts';
import { signVerdict, type ZoneVerdict } from '../../../../nodes/config/verdict.ts';
import { parseEndpoint } from '../../../../nodes/core/units.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { type CertifiedText, type SignedText, signText } from '../../../../nodes/crypto/signed.ts';
import { channelsOf, DESCRIPTOR_LIFETIME_MS, Directory } from '../../../../nodes/directory/directory.ts';
import { DEFAULT_PARAMS } from '../../../sim/zones.ts';
import { certified, signerOf } from '../support/certified.ts';
import { publishing } from '../support/keys.ts';

const START_MS = Date.parse('2030-01-01T00:00:00Z');
const EPOCH_MS = 900_000;
const SKEW_MS = 300_000;

const identity = (fill: number) => new Identity(Buffer.alloc(32, fill));
const text = (key: Buffer) => key.toString('base64');
const ROOT = identity(1);
const NA_ROOT = identity(2);
const NODES = { 'eu-mix-0': identity(10), 'eu-rendezvous-0': identity(11), 'eu-sp': identity(12) };
type Id = keyof typeof NODES;

const ZONE: DirectoryZone = {
  zone: 'eu',
  provider: 'north',
  jurisdiction: 'EU',
  params: { ...DEFAULT_PARAMS, meshCellsPerTick: 2 },
  roster: [
    { id: 'eu-mix-0', role: 'mix', identityKey: text(NODES['eu-mix-0'].publicKey) },
    { id: 'eu-rendezvous-0', role: 'rendezvous', identityKey: text(NODES['eu-rendezvous-0'].publicKey) },
    { id: 'eu-sp', role: 'superpeer', identityKey: text(NODES['eu-sp'].publicKey), channels: 2 },
  ],
  peers: [{ zone: 'na', url: 'http://10.0.9.9:8080', rootKey: text(NA_ROOT.publicKey) }],
};

function directory(roster = ZONE.roster): Directory {
  const config: DirectoryConfig = {
    role: 'directory',
    id: 'eu-directory-0',
    listen: { port: 1 },
    metrics: { port: 2 },
    epochSeconds: EPOCH_MS / 1000,
    zones: [{ ...ZONE, roster }],
  };
  return new Directory(config, new Map([['eu', signerOf('eu', ROOT)]]));
}

function descriptor(id: Id, issuedAt: number, change: Partial<Descriptor> = {}, by = NODES[id]): SignedText {
  const keys = publishing(0);
  return signDescriptor(by, { zone: 'eu', id, endpoint: '10.0.0.1:7000', ...keys, boot: 1, issuedAt, ...change });
}

const consensusOf = (view: ViewText): ConsensusText => JSON.parse(view.own.consensus);
const view = (served: Directory, nowMs: number) => served.view(nowMs, 'eu')!;
const ids = (served: Directory, nowMs: number) => consensusOf(view(served, nowMs)).nodes.map(({ id }) => id);

function registerAll(served: Directory, nowMs: number): void {
  for (const id of Object.keys(NODES) as Id[])
    assert.equal(served.register(nowMs, 'eu', descriptor(id, nowMs)), 'accepted', id);
}

test('lists the nodes of the roster that have registered, and the channels whose ends both have', () => {
  const served = directory();
  assert.deepEqual(ids(served, START_MS), []);
  served.register(START_MS, 'eu', descriptor('eu-mix-0', START_MS));
  assert.deepEqual(consensusOf(view(served, START_MS)).channels, []);
  registerAll(served, START_MS + 1);
  assert.deepEqual(ids(served, START_MS + 1), Object.keys(NODES));
  assert.deepEqual(consensusOf(view(served, START_MS + 1)).channels, [
    { id: 1, superpeer: 'eu-sp', mix: 'eu-mix-0' },
    { id: 2, superpeer: 'eu-sp', mix: 'eu-mix-0' },
  ]);
  assert.deepEqual(served.registered(START_MS + 1, 'eu'), { registered: 3, roster: 3 });
});

test('a node that does not answer is listed as draining while another of its role does', () => {
  const twin = identity(13);
  const entry = { id: 'eu-mix-1', role: 'mix', identityKey: text(twin.publicKey) } as const;
  const served = directory([...ZONE.roster, entry]);
  const first = (boot: number, at: number) => served.register(at, 'eu', descriptor('eu-mix-0', at, { boot }));
  const draining = (at: number) =>
    consensusOf(view(served, at)).nodes.flatMap((node) => (node.draining ? [node.id] : []));
  const probed = (id: string, boot: number, answered: boolean) => served.probed({ zone: 'eu', id, boot }, answered);
  registerAll(served, START_MS);
  served.register(START_MS, 'eu', descriptor('eu-mix-0', START_MS, { id: 'eu-mix-1' }, twin));
  assert.deepEqual(draining(START_MS), [], 'nothing is known yet');
  for (const id of ['eu-mix-0', 'eu-sp']) probed(id, 1, false);
  probed('eu-rendezvous-0', 1, true);
  assert.deepEqual(draining(START_MS), [], 'clients have no other mix or superpeer to go to');
  probed('eu-mix-1', 1, true);
  assert.deepEqual(draining(START_MS), ['eu-mix-0']);
  assert.equal(served.unanswered(START_MS), 2);
  probed('eu-mix-0', 1, true);
  assert.deepEqual(draining(START_MS), []);
  first(2, START_MS + 14_000);
  assert.deepEqual(draining(START_MS + 14_000), [], 'one of those who come at first');
  first(3, START_MS + 16_000);
  assert.deepEqual(draining(START_MS + 16_000), ['eu-mix-0'], 'one that has just begun has yet to answer');
  probed('eu-mix-0', 2, true);
  assert.deepEqual(draining(START_MS + 16_000), ['eu-mix-0'], 'word of the process before comes late');
  const later = START_MS + DESCRIPTOR_LIFETIME_MS + 1;
  first(3, later);
  assert.deepEqual(draining(later), [], 'the other one is gone');
});

test('tells where those are who have registered, for who looks for them', () => {
  const served = directory();
  served.register(START_MS, 'eu', descriptor('eu-mix-0', START_MS, { ...publishing(3, 5) }));
  const [target, ...rest] = served.targets(START_MS);
  assert.deepEqual(rest, []);
  assert.deepEqual(target, {
    zone: 'eu',
    id: 'eu-mix-0',
    boot: 1,
    endpoint: parseEndpoint('10.0.0.1:7000'),
    linkKey: Buffer.from(publishing(5).linkKeys[0]!.key, 'base64'),
  });
  assert.deepEqual(served.targets(START_MS + DESCRIPTOR_LIFETIME_MS + 1), []);
});

test('what it serves is what nodes and clients accept', () => {
  const served = directory();
  registerAll(served, START_MS);
  const verified = verifyView(view(served, START_MS), ROOT.publicKey, 'eu', START_MS) as View;
  assert.equal(verified.own.channels.length, 2);
});

/** What is handed in, and the one word that the directory has for it. */
const REGISTRATIONS: readonly (readonly [what: string, word: string, zone: string, signed: SignedText])[] = [
  ['a zone that is not served', 'unknown-zone', 'na', descriptor('eu-mix-0', START_MS)],
  ['no JSON', 'malformed', 'eu', signText(NODES['eu-mix-0'], 'herd-descriptor-v1', '{')],
  ['an endpoint that is none', 'malformed', 'eu', descriptor('eu-mix-0', START_MS, { endpoint: 'eu-mix-0:7000' })],
  ['a node that no roster lists', 'not-in-roster', 'eu', descriptor('eu-mix-0', START_MS, { id: 'eu-mix-1' })],
  ['a stranger’s signature', 'bad-signature', 'eu', descriptor('eu-mix-0', START_MS, {}, identity(99))],
  ['another node’s signature', 'bad-signature', 'eu', descriptor('eu-mix-0', START_MS, {}, NODES['eu-sp'])],
  ['a descriptor for another zone', 'bad-signature', 'eu', descriptor('eu-mix-0', START_MS, { zone: 'na' })],
  ['a clock far behind', 'stale', 'eu', descriptor('eu-mix-0', START_MS - SKEW_MS - 1)],
  ['a clock far ahead', 'stale', 'eu', descriptor('eu-mix-0', START_MS + SKEW_MS + 1)],
  ['a clock just within the skew', 'accepted', 'eu', descriptor('eu-mix-0', START_MS + SKEW_MS)],
];

for (const [what, word, zone, signed] of REGISTRATIONS) {
  test(`answers "${word}" to ${what}`, () => {
    const served = directory();
    assert.equal(served.register(START_MS, zone, signed), word);
    assert.deepEqual(ids(served, START_MS), word === 'accepted' ? ['eu-mix-0'] : []);
  });
}

test('an old descriptor played again is stale, also after the node has moved or has been forgotten', () => {
  const served = directory();
  const old = descriptor('eu-mix-0', START_MS, { endpoint: '10.0.0.1:7000' });
  served.register(START_MS, 'eu', old);
  assert.equal(served.register(START_MS + 1, 'eu', old), 'stale', 'the same again');
  served.register(
    START_MS + 1000,
    'eu',
    descriptor('eu-mix-0', START_MS + 1000, { endpoint: '10.0.0.2:7000', boot: 2 }),
  );
  assert.equal(served.register(START_MS + 2000, 'eu', old), 'stale');
  const [node] = consensusOf(view(served, START_MS + 2000)).nodes;
  assert.deepEqual([node.endpoint, node.boot], ['10.0.0.2:7000', 2]);
  const later = START_MS + 1000 + DESCRIPTOR_LIFETIME_MS + 1;
  assert.deepEqual(ids(served, later), []);
  assert.equal(served.register(later, 'eu', old), 'stale');
});

test('tells of a newer key with the instant from which it is used, and refuses one that goes back', () => {
  const served = directory();
  const publish = (afterMs: number, ...numbers: number[]) =>
    served.register(START_MS + afterMs, 'eu', descriptor('eu-mix-0', START_MS + afterMs, publishing(...numbers)));
  const told = (afterMs: number) => {
    const [{ linkKeys, circuitKeys }] = consensusOf(view(served, START_MS + afterMs)).nodes;
    return { linkKeys, circuitKeys };
  };
  const expected = (...keys: (readonly [number: number, from: number])[]) => {
    const { linkKeys, circuitKeys } = publishing(...keys.map(([number]) => number));
    const withFrom = (published: typeof linkKeys) => published.map(({ key }, at) => ({ key, from: keys[at][1] }));
    return { linkKeys: withFrom(linkKeys), circuitKeys: withFrom(circuitKeys) };
  };
  const from = START_MS + 2 * EPOCH_MS;
  assert.equal(publish(0, 1), 'accepted');
  assert.equal(publish(1000, 1, 2), 'accepted');
  assert.deepEqual(told(1000), expected([1, 0], [2, from]));
  assert.equal(publish(2000, 1), 'old-key');
  assert.deepEqual(told(2000), expected([1, 0], [2, from]), 'and keeps what it had');
  assert.equal(publish(3 * EPOCH_MS, 2), 'accepted');
  assert.deepEqual(told(3 * EPOCH_MS), expected([2, from]));
  assert.equal(publish(3 * EPOCH_MS + 1000, 1, 2), 'old-key');
});

test('a node that does not renew is left out after its lifetime, with its channels', () => {
  const served = directory();
  registerAll(served, START_MS);
  const last = START_MS + DESCRIPTOR_LIFETIME_MS;
  served.register(last, 'eu', descriptor('eu-mix-0', last));
  assert.equal(ids(served, last).length, 3);
  assert.deepEqual(ids(served, last + 1), ['eu-mix-0']);
  assert.deepEqual(consensusOf(view(served, last + 1)).channels, []);
  assert.deepEqual(served.registered(last + 1, 'eu'), { registered: 1, roster: 3 });
});

test('signs anew when something has changed or an epoch has begun, and only then', () => {
  const served = directory();
  registerAll(served, START_MS);
  const first = view(served, START_MS).own;
  served.register(START_MS + 10_000, 'eu', descriptor('eu-mix-0', START_MS + 10_000));
  assert.deepEqual(view(served, START_MS + 10_000).own, first, 'a renewal changes nothing');
  served.register(START_MS + 20_000, 'eu', descriptor('eu-mix-0', START_MS + 20_000, { boot: 2 }));
  assert.notEqual(view(served, START_MS + 20_000).own.signature, first.signature, 'a restart does');
  const before = consensusOf(view(served, START_MS + 50_000));
  const next = consensusOf(view(served, START_MS + EPOCH_MS));
  assert.equal(next.epoch, before.epoch + 1);
  assert.equal(Date.parse(next.validUntil) - Date.parse(before.validUntil), EPOCH_MS);
});

test('a consensus outlives the directory by most of a day', () => {
  const served = directory();
  const own = view(served, START_MS + EPOCH_MS - 1);
  const verify = (nowMs: number) => verifyView(own, ROOT.publicKey, 'eu', nowMs);
  assert(!('refused' in verify(START_MS + 23 * 3_600_000)));
  assert('refused' in verify(START_MS + 25 * 3_600_000));
});

const NA_TEXT = JSON.stringify({
  ...consensusOf(view(directory(), START_MS)),
  zone: 'na',
  validUntil: '2030-01-01T12:00:00Z',
});

test('hands on a peer’s consensus that its configured root key has signed', () => {
  const served = directory();
  assert.deepEqual(view(served, START_MS).peers, []);
  const signed = certified(NA_ROOT, 'na', NA_TEXT);
  assert.equal(served.learnPeer(START_MS, 'eu', 'na', signed), undefined);
  const [peer] = view(served, START_MS).peers;
  assert.deepEqual(peer, {
    zone: 'na',
    rootKey: text(NA_ROOT.publicKey),
    signed: envelope(signed),
  });
});

test('refuses a peer that is not configured, another key, an ended consensus, and keeps what it had', () => {
  const served = directory();
  const signed = certified(NA_ROOT, 'na', NA_TEXT);
  served.learnPeer(START_MS, 'eu', 'na', signed);
  const refused = (nowMs: number, zone: string, peer: string, document: CertifiedText, why: RegExp) =>
    assert.match(served.learnPeer(nowMs, zone, peer, document)?.refused ?? 'taken', why);
  refused(START_MS, 'eu', 'sa', signed, /zone eu has no peer sa/);
  refused(START_MS, 'sa', 'na', signed, /zone sa has no peer na/);
  refused(START_MS, 'eu', 'na', certified(ROOT, 'na', NA_TEXT), /not signed by the zone's root key/);
  refused(START_MS + 86_400_000, 'eu', 'na', signed, /ended at/);
  assert.equal(view(served, START_MS).peers[0].signed.signature, signed.signature);
});

test('serves no zone that it does not have, and does not start without a zone’s key', () => {
  assert.equal(directory().view(START_MS, 'na'), undefined);
  const config = {
    role: 'directory',
    id: 'd',
    listen: { port: 1 },
    metrics: { port: 2 },
    epochSeconds: 60,
    zones: [ZONE],
  } as const;
  assert.throws(() => new Directory({ ...config, zones: [ZONE] }, new Map()), /no root key for zone eu/);
});

/** A zone with two mixes, and superpeers of two and one channels. */
function twoMixes(identityKey: (id: string) => string = () => text(ROOT.publicKey)): DirectoryZone['roster'] {
  return [
    { id: 'sp-b', role: 'superpeer', identityKey: identityKey('sp-b'), channels: 1 },
    { id: 'mix-1', role: 'mix', identityKey: identityKey('mix-1') },
    { id: 'sp-a', role: 'superpeer', identityKey: identityKey('sp-a'), channels: 2 },
    { id: 'mix-0', role: 'mix', identityKey: identityKey('mix-0') },
  ];
}

test('deals channels to the mixes in turn, the next standing by, whatever the order of the roster', () => {
  const roster = twoMixes();
  const dealt = [
    { id: 1, superpeer: 'sp-a', mix: 'mix-0', standby: 'mix-1' },
    { id: 2, superpeer: 'sp-a', mix: 'mix-1', standby: 'mix-0' },
    { id: 3, superpeer: 'sp-b', mix: 'mix-0', standby: 'mix-1' },
  ];
  assert.deepEqual(channelsOf({ ...ZONE, roster }, []), dealt);
  assert.deepEqual(channelsOf({ ...ZONE, roster: roster.toReversed() }, []), dealt);
  assert.deepEqual(channelsOf({ ...ZONE, roster: roster.filter(({ role }) => role !== 'mix') }, []), []);
});

test('deals as the roster says, and what it does not say after what was dealt before', () => {
  const places = [{ mix: 'mix-1' }, { mix: 'mix-0', standby: 'mix-1' }];
  const roster = twoMixes().map((entry) =>
    entry.id === 'sp-a' ? { ...entry, firstChannel: 5, dealt: places } : entry,
  );
  const before = [{ id: 7, superpeer: 'sp-b', mix: 'mix-1', standby: 'mix-0' }];
  assert.deepEqual(channelsOf({ ...ZONE, roster: roster as DirectoryZone['roster'] }, before), [
    { id: 5, superpeer: 'sp-a', mix: 'mix-1', standby: 'mix-0' },
    { id: 6, superpeer: 'sp-a', mix: 'mix-0', standby: 'mix-1' },
    { id: 7, superpeer: 'sp-b', mix: 'mix-1', standby: 'mix-0' },
  ]);
});

test('no mix stands by in a zone of one mix, nor where the paper is to be compared with', () => {
  const roster = twoMixes();
  const standbys = (zone: DirectoryZone) => channelsOf(zone, []).map(({ standby }) => standby);
  assert.deepEqual(standbys({ ...ZONE, roster: roster.filter(({ id }) => id !== 'mix-1') }), Array(3).fill(undefined));
  assert.deepEqual(
    standbys({ ...ZONE, roster, params: { ...ZONE.params, assignment: 'paper' } }),
    Array(3).fill(undefined),
  );
});

test('serves a channel by its standby mix while its own is gone, and as before when that is back', () => {
  const keys: Record<string, Identity> = {};
  for (const [index, id] of ['mix-0', 'mix-1', 'sp-a', 'sp-b'].entries()) keys[id] = identity(20 + index);
  const roster = twoMixes((id) => text(keys[id].publicKey));
  const served = new Directory(
    {
      role: 'directory',
      id: 'd',
      listen: { port: 1 },
      metrics: { port: 2 },
      epochSeconds: 900,
      zones: [{ ...ZONE, roster }],
    },
    new Map([['eu', signerOf('eu', ROOT)]]),
  );
  const register = (nowMs: number, ...who: string[]) => {
    for (const id of who) {
      const signed = signDescriptor(keys[id], {
        zone: 'eu',
        id,
        endpoint: '10.0.0.1:7000',
        ...publishing(0),
        boot: 1,
        issuedAt: nowMs,
      });
      assert.equal(served.register(nowMs, 'eu', signed), 'accepted');
    }
  };
  const channel = (nowMs: number) => consensusOf(view(served, nowMs)).channels[0];
  register(START_MS, 'mix-1', 'sp-a', 'sp-b');
  assert.deepEqual(channel(START_MS), { id: 1, superpeer: 'sp-a', mix: 'mix-1' });
  register(START_MS + 1, 'mix-0');
  assert.deepEqual(channel(START_MS + 1), { id: 1, superpeer: 'sp-a', mix: 'mix-0', standby: 'mix-1' });
});

test('the consensus says that a node drains when the roster does', () => {
  const drains = (draining?: boolean) => {
    const roster = [{ ...ZONE.roster[0], ...(draining !== undefined && { draining }) }];
    const served = new Directory(
      {
        role: 'directory',
        id: 'd',
        listen: { port: 1 },
        metrics: { port: 2 },
        epochSeconds: 900,
        zones: [{ ...ZONE, roster }],
      },
      new Map([['eu', signerOf('eu', ROOT)]]),
    );
    served.register(START_MS, 'eu', descriptor('eu-mix-0', START_MS));
    return consensusOf(view(served, START_MS)).nodes[0].draining;
  };
  assert.deepEqual([drains(), drains(false), drains(true)], [false, false, true]);
});

function verdict(change: Partial<ZoneVerdict> = {}, by: Id = 'eu-mix-0'): SignedText {
  const said = { zone: 'eu', mix: 'eu-mix-0', superpeer: 'eu-sp', reason: 'sum', issuedAt: START_MS };
  return signVerdict(NODES[by], { ...said, ...change });
}

test('a superpeer that a mix of the roster has expelled is in no consensus, nor are its channels, however often it registers', () => {
  const served = directory();
  registerAll(served, START_MS);
  assert.equal(served.expelled(), 0);
  assert.equal(served.judge(START_MS, 'eu', verdict()), 'accepted');
  assert.equal(served.judge(START_MS, 'eu', verdict()), 'accepted', 'again, as after an answer that was lost');
  assert.equal(served.expelled(), 1);
  registerAll(served, START_MS + 1);
  assert.deepEqual(ids(served, START_MS + 1), ['eu-mix-0', 'eu-rendezvous-0']);
  assert.deepEqual(consensusOf(view(served, START_MS + 1)).channels, []);
});

test('a verdict counts only if a mix of this zone has signed it, now, on a superpeer of this zone', () => {
  const rows: [string, SignedText, string, string][] = [
    ['of no mix', verdict({ mix: 'eu-rendezvous-0' }, 'eu-rendezvous-0'), 'eu', 'not-in-roster'],
    ['of the superpeer itself', verdict({ mix: 'eu-sp' }, 'eu-sp'), 'eu', 'not-in-roster'],
    ['in a mix’s name', verdict({}, 'eu-sp'), 'eu', 'bad-signature'],
    ['on a mix', verdict({ superpeer: 'eu-mix-0' }), 'eu', 'not-in-roster'],
    ['of another zone', verdict({ zone: 'na' }), 'eu', 'bad-signature'],
    ['to another zone', verdict(), 'na', 'unknown-zone'],
    ['from long ago', verdict({ issuedAt: START_MS - SKEW_MS - 1 }), 'eu', 'stale'],
    ['that is none', { text: '{}', signature: '' }, 'eu', 'malformed'],
    [
      'whose signature was made for a descriptor',
      signText(NODES['eu-mix-0'], 'herd-descriptor-v1', verdict().text),
      'eu',
      'bad-signature',
    ],
  ];
  for (const [what, signed, zone, result] of rows) {
    const served = directory();
    registerAll(served, START_MS);
    assert.equal(served.judge(START_MS, zone, signed), result, what);
    assert.equal(served.expelled(), 0, what);
    assert.equal(consensusOf(view(served, START_MS)).channels.length, 2, what);
  }
});

test('a directory that has just started says what it still gathers, but not for ever', () => {
  const served = directory();
  assert.equal(served.gathering(0, START_MS, 'eu'), 'nodes');
  assert.equal(served.gathering(14_999, START_MS, 'eu'), 'nodes');
  assert.equal(served.gathering(15_000, START_MS, 'eu'), undefined, 'who has not come by then does not count');
  assert.equal(served.gathering(0, START_MS, 'na'), undefined, 'a zone that is not served here');
});
