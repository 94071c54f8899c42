/** Each check of kubectl herd verify: a good zone passes it, and each of these faults fails it and says what it has seen. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Identity } from '../../../nodes/crypto/keys.ts';
import { customResourceDefinitions } from '../../../operator/api/schema.ts';
import type { NodeSlot } from '../../../operator/api/slot.ts';
import type { Zone } from '../../../operator/api/zone.ts';
import type { Deployment } from '../../../plugin/resources.ts';
import { checks, type Finding, verifyZone } from '../../../plugin/verify/checks.ts';
import type { Evidence, Had, Scrape } from '../../../plugin/verify/evidence.ts';
import { parseSamples } from '../../../plugin/verify/samples.ts';
import { drawFindings } from '../../../plugin/verify/verify.ts';
import { bornMs, pod, published, slot, superpeer, timeOf, zone } from '../operator/samples.ts';
import { type Counts, type ListedNode, metricsOf, type Says, viewOf } from './samples.ts';

const nowMs = bornMs + 3_600_000;
const epochMs = 900_000;
const root = new Identity(Buffer.alloc(32, 1));
const other = new Identity(Buffer.alloc(32, 2));
const image = 'herd.local/node:test';

const said = (type: string, status: 'False' | 'True', reason: string) => ({
  ...{ type, status, reason, message: 'as it says' },
  observedGeneration: 1,
  lastTransitionTime: timeOf(bornMs),
});
const ready = [said('Ready', 'True', 'Ready')];
const keys = [
  { name: 'circuit-1', made: timeOf(bornMs), expires: timeOf(nowMs + epochMs) },
  { name: 'link-1', made: timeOf(bornMs), expires: timeOf(nowMs + epochMs) },
];

const eu = zone(
  'eu',
  { peers: [{ zone: 'sa' }] },
  {
    ...published('eu'),
    conditions: ready,
    rootKey: root.publicKey.toString('base64'),
    keys: [{ name: 'signing-1', made: timeOf(bornMs), expires: timeOf(nowMs + epochMs) }],
  },
);
const sa = zone('sa', { peers: [{ zone: 'eu' }] }, published('sa'));
const mix = slot('eu-eu-mix-0', 'mix', { conditions: ready, keys });
const rendezvous = slot('eu-eu-rendezvous-0', 'rendezvous', { conditions: ready, keys });
const listed: ListedNode[] = [
  { id: 'eu-eu-mix-0', role: 'mix' },
  { id: 'eu-eu-rendezvous-0', role: 'rendezvous' },
];

const says = (rest: Partial<Says> = {}): Says => ({
  ...{ zone: 'eu', root, epoch: nowMs / epochMs, validUntilMs: nowMs + 86_400_000, nodes: listed },
  ...rest,
});
const saSays = says({ zone: 'sa', root: other, nodes: [] });

/** Three readings, 5 s apart. */
const scrapes = (counts: readonly Counts[], aheadMs = 0): Had<readonly Scrape[]> => ({
  value: counts.map(
    (count, i): Scrape => ({ atMs: nowMs + 5_000 * i, aheadMs, samples: parseSamples(metricsOf(count)) }),
  ),
});
const constant = [0, 250, 500].map((ticks) => ({ ticks, sent: 2 * ticks }));
const nodePod = (name: string, image_ = image) => {
  const made = pod(name);
  return { ...made, spec: { containers: [{ name: 'node', image: image_ }] } };
};
const deployment = { metadata: { name: 'herd-operator', namespace: 'herd-system' } } as Deployment;

const good: Evidence = {
  herd: { zones: [eu, sa], slots: [mix, rendezvous], superpeers: [], unread: [] },
  zone: eu,
  host: eu,
  nowMs,
  definitions: {
    value: customResourceDefinitions().map(({ metadata: { name } }) => ({
      metadata: { name, uid: '', resourceVersion: '', creationTimestamp: '' },
      status: { conditions: [{ type: 'Established', status: 'True' }] },
    })),
  },
  operator: { value: { namespace: 'herd-system', deployment, nodeImage: image } },
  lease: {
    value: {
      metadata: { name: 'herd-operator', uid: '', resourceVersion: '', creationTimestamp: '' },
      spec: { holderIdentity: 'herd-operator-abc', leaseDurationSeconds: 15, renewTime: timeOf(nowMs - 1_000) },
    },
  },
  pods: [nodePod('eu-eu-mix-0'), nodePod('eu-eu-rendezvous-0'), nodePod('eu-directory-0')],
  view: { value: viewOf(says(), [saSays]) },
  scrapes: new Map([
    ['eu-eu-mix-0-0', scrapes(constant)],
    ['eu-eu-rendezvous-0-0', scrapes(constant)],
    ['eu-directory-0-0', scrapes([{ ticks: 0, sent: 0 }])],
  ]),
};

const look = (rest: Partial<Evidence>) => verifyZone({ ...good, ...rest });
const find = (findings: readonly Finding[], check: string) => findings.find((finding) => finding.check === check)!;

test('a good zone passes all checks, but for a call, which is not placed yet', () => {
  for (const { check, result, seen } of look({}))
    assert.equal(result, check === 'probe-call' ? 'skip' : 'pass', `${check}: ${seen}`);
});

const withSlots = (...slots: NodeSlot[]): Partial<Evidence> => ({ herd: { ...good.herd, slots } });
const withZone = (changed: Zone): Partial<Evidence> => ({
  zone: changed,
  herd: { ...good.herd, zones: [changed, sa] },
});
const withScrapes = (had: Had<readonly Scrape[]>): Partial<Evidence> => ({
  scrapes: new Map([...good.scrapes, ['eu-eu-mix-0-0', had]]),
});
const counted = (change: (count: Counts, i: number) => Counts) => withScrapes(scrapes(constant.map(change)));
const listing = (rest: Partial<Says>, peers: readonly Says[] = [saSays]): Partial<Evidence> => ({
  view: { value: viewOf(says(rest), peers) },
});

const faults: [what: string, check: string, rest: Partial<Evidence>, seen: RegExp][] = [
  ['a CRD is not there', 'crds', { definitions: { value: [] } }, /not established: nodeslots\.herd\.network/],
  ['CRDs may not be looked at', 'crds', { definitions: { problem: 'not allowed: no' } }, /not allowed/],
  ['nobody renews the lease', 'operator', { nowMs: nowMs + 60_000 }, /nobody leads: .* 1m1s ago/],
  ['the operator is not there', 'operator', { operator: { problem: 'there is none' } }, /there is none/],
  [
    'a condition is False',
    'zone',
    withZone({ ...eu, status: { ...eu.status!, conditions: [said('KeysReady', 'False', 'RootKeyLost')] } }),
    /RootKeyLost/,
  ],
  [
    'a slot is not active',
    'slots',
    withSlots({ ...mix, status: { ...mix.status!, state: 'Pending' } }, rendezvous),
    /eu-eu-mix-0 is Pending/,
  ],
  ['a slot is missing', 'slots', withSlots(rendezvous), /0 of 1 slots of role mix in region eu/],
  [
    'a superpeer is found out',
    'superpeers',
    {
      herd: {
        ...good.herd,
        superpeers: [
          {
            ...superpeer('garage', 'eu'),
            status: { observedGeneration: 1, conditions: [said('Trusted', 'False', 'Expelled')] },
          },
        ],
      },
    },
    /garage \(Expelled/,
  ],
  ['the directory does not answer', 'directory', { view: { problem: 'no endpoints' } }, /no endpoints/],
  ['the consensus is another’s', 'signature', listing({ root: other }), /not signed by the zone's root key/],
  ['the consensus has ended', 'signature', listing({ validUntilMs: nowMs - 1_000 }), /ended/],
  ['the directory is behind', 'freshness', listing({ epoch: nowMs / epochMs - 2 }), /2 epochs behind/],
  ['the directory is ahead', 'freshness', listing({ epoch: nowMs / epochMs + 3 }), /3 epochs ahead/],
  ['a node is not in the consensus', 'nodes', listing({ nodes: listed.slice(1) }), /not in the consensus: eu-eu-mix-0/],
  ['a peer’s consensus is missing', 'peers', listing({}, []), /sa: the directory has no consensus of it/],
  [
    'a peer does not name the zone',
    'peers',
    { herd: { ...good.herd, zones: [eu, zone('sa', {}, published('sa'))] } },
    /sa: it does not name eu/,
  ],
  [
    'a key is overdue',
    'keys',
    withSlots({ ...mix, status: { ...mix.status!, keys: [{ ...keys[0]!, expires: timeOf(bornMs) }] } }, rendezvous),
    /eu-eu-mix-0: circuit-1 was due/,
  ],
  [
    'a slot tells of no keys',
    'keys',
    withSlots({ ...mix, status: { ...mix.status!, keys: [] } }, rendezvous),
    /no keys are told of/,
  ],
  [
    'the consensus keeps an old key in force',
    'keys',
    listing({ keysFromMs: nowMs - 720 * 3_600_000 - 5 * epochMs }),
    /eu-eu-mix-0: the consensus has a link key of .* in force/,
  ],
  ['a pod has another image', 'images', { pods: [nodePod('eu-eu-mix-0', 'other:1')] }, /eu-eu-mix-0-0 runs other:1/],
  ['a pod does not answer', 'metrics', withScrapes({ problem: 'no route' }), /eu-eu-mix-0-0: no route/],
  ['there are no pods', 'metrics', { scrapes: new Map() }, /no pods/],
  ['a clock is off', 'clocks', withScrapes(scrapes(constant, -42_000)), /eu-eu-mix-0-0 is 42s behind/],
  ['a clock is not told', 'clocks', withScrapes(scrapes(constant, Number.NaN)), /does not tell the time/],
  [
    'a node has not read its new key',
    'keys-read',
    withSlots({ ...mix, status: { ...mix.status!, keys: [{ ...keys[1]!, name: 'link-2' }] } }, rendezvous),
    /eu-eu-mix-0-0 is at link-1, the newest is link-2/,
  ],
  ['a link is down', 'links', counted((count) => ({ ...count, up: 1 })), /eu-eu-mix-0-0 has 1 of 2/],
  [
    'ticks are rare',
    'rates',
    counted((count) => ({ ...count, ticks: count.ticks * 0.9 })),
    /ticks 45\.0 times a second/,
  ],
  ['slots are late', 'rates', counted((count, i) => ({ ...count, late: i * 5 })), /late in 2\.0 %/],
  [
    'the rate changes',
    'rates',
    counted((count, i) => ({ ...count, sent: count.sent + (i === 2 ? 20 : 0) })),
    /sends 2\.00, then 2\.08 datagrams a tick/,
  ],
  [
    'the rate is another than the configured one',
    'rates',
    counted((count) => ({ ...count, sent: count.ticks })),
    /sends 1\.00 datagrams a tick, and should send 2\.00$/,
  ],
  [
    'a node does not tell what it should send',
    'rates',
    counted((count) => ({ ...count, configured: Number.NaN })),
    /does not tell/,
  ],
  ['a node does not tick', 'rates', counted(() => ({ ticks: 1, sent: 1 })), /ticks 0\.0 times/],
];

test('when what should be sent changes, what is sent may', () => {
  const changing = counted((count, i) => ({
    ...count,
    configured: i === 2 ? 2.5 : 2,
    sent: count.sent + (i === 2 ? 50 : 0),
  }));
  assert.equal(find(look(changing), 'rates').result, 'pass');
});

for (const [what, check, rest, seen] of faults) {
  test(`${what}: ${check} fails`, () => {
    const finding = find(look(rest), check);
    assert.equal(finding.result, 'fail');
    assert.match(finding.seen, seen);
    assert.notEqual(finding.todo, '');
  });
}

test('every check but the call fails for one of these faults', () => {
  const failing = new Set(faults.map(([, check]) => check));
  assert.deepEqual(
    checks.map(({ name }) => name).filter((name) => !failing.has(name)),
    ['probe-call'],
  );
});

test('what needs the directory’s answer is skipped when there is none, since another check says so', () => {
  const findings = look({ view: { problem: 'no endpoints' } });
  for (const check of ['signature', 'freshness', 'nodes', 'peers']) assert.equal(find(findings, check).result, 'skip');
});

test('a node that drains with permission is well', () => {
  const draining: NodeSlot = {
    ...mix,
    spec: { ...mix.spec, drain: true },
    status: {
      ...mix.status!,
      state: 'Draining',
      drainReason: 'Requested',
      conditions: [said('Ready', 'False', 'Draining')],
    },
  };
  assert.equal(find(look(withSlots(draining, rendezvous)), 'slots').result, 'pass');
});

test('the table ends with what to do about each fault, and the counts', () => {
  const text = drawFindings(look({ view: { problem: 'no endpoints' } }));
  assert.match(text, /^ZONE {2}CHECK .*\neu {4}crds +pass +\d+ established\n/);
  assert.match(text, /\neu directory: see the directory’s pod/);
  assert.match(text, /\n\d+ checks passed, 1 failed, 5 skipped\n$/);
});
