import assert from 'node:assert/strict';
import test from 'node:test';
import type { Condition } from '../../../operator/api/conditions.ts';
import { drainPlan } from '../../../plugin/drain.ts';
import type { Herd } from '../../../plugin/herd.ts';
import { rotatePlan, targetOf } from '../../../plugin/rotate.ts';
import { drawStatus, glance } from '../../../plugin/status.ts';
import { drawReceipts } from '../../../plugin/superpeer.ts';
import { formatted, lengthOf, table } from '../../../plugin/text.ts';
import { drawTopology, topologyOf } from '../../../plugin/topology.ts';
import { bornMs, published, slot, superpeer, timeOf, zone } from '../operator/samples.ts';

const condition = (type: string, status: Condition['status'], reason: string, message = 'as it says'): Condition => ({
  ...{ type, status, reason, message },
  observedGeneration: 1,
  lastTransitionTime: timeOf(bornMs),
});
const herd = (rest: Partial<Herd>): Herd => ({ zones: [], slots: [], superpeers: [], unread: [], ...rest });
const hours = (count: number) => bornMs + count * 3_600_000;

const ready = condition('Ready', 'True', 'Ready');
const settled = condition('Progressing', 'False', 'Settled');
const fine = zone('eu', {}, { ...published('eu'), conditions: [ready, settled], epoch: 7 });
const wrongs = (rest: Partial<Herd>, of = fine, nowMs = bornMs) =>
  glance(herd({ zones: [of], ...rest }), of, nowMs).wrong.map(({ name, reason }) => `${name} ${reason}`);

test('of a zone that is well nothing is wrong, not even that nothing is left to do', () => {
  const slots = [slot('eu-eu-mix-0', 'mix', { conditions: [ready] })];
  assert.deepEqual(wrongs({ slots }), []);
});

test('a reason that Ready repeats is told once', () => {
  const conditions = [
    condition('KeysReady', 'False', 'RootKeyLost'),
    condition('Ready', 'False', 'RootKeyLost'),
    settled,
  ];
  assert.deepEqual(wrongs({}, zone('eu', {}, { ...published('eu'), conditions })), ['eu RootKeyLost']);
});

test('a condition that is Unknown is no fault, one that is False is though the object is Ready', () => {
  const reached = (status: Condition['status']) =>
    slot('eu-eu-mix-0', 'mix', { conditions: [ready, condition('Reached', status, 'Looked')] });
  assert.deepEqual(wrongs({ slots: [reached('Unknown')] }), []);
  assert.deepEqual(wrongs({ slots: [reached('False')] }), ['eu-eu-mix-0 Looked']);
});

test('what the operator has not seen yet is told', () => {
  const changed = { ...fine, metadata: { ...fine.metadata, generation: 2 } };
  assert.deepEqual(wrongs({}, changed), ['eu NotObserved']);
  assert.deepEqual(wrongs({}, zone('eu')), ['eu NoStatus']);
});

test('a node that drains with permission is no fault, one that does not come up is', () => {
  const down = [condition('PodReady', 'False', 'NoPod'), condition('Ready', 'False', 'NoPod')];
  const drained = [condition('Ready', 'False', 'Draining')];
  const slots = [
    slot('eu-eu-mix-0', 'mix', { state: 'Pending', conditions: down }),
    slot('eu-eu-mix-1', 'mix', { state: 'Draining', drainReason: 'Requested', conditions: drained }, { drain: true }),
  ];
  assert.deepEqual(wrongs({ slots }), ['eu-eu-mix-0 NoPod']);
});

test('the newest key of a kind is overdue some time after it was due, an older one never', () => {
  const key = (name: string, made: number, expires: number) => ({
    ...{ name, made: timeOf(hours(made)), expires: timeOf(hours(expires)) },
  });
  const keys = [key('link-9', 0, 1), key('link-10', 1, 3), key('circuit-1', 0, 9)];
  const slots = [slot('eu-eu-mix-0', 'mix', { conditions: [ready], keys })];
  assert.deepEqual(wrongs({ slots }, fine, hours(3)), []);
  assert.deepEqual(wrongs({ slots }, fine, hours(3.5)), ['eu-eu-mix-0 KeyOverdue']);
});

test('what is wrong comes first, then the zones, then all of the one that was asked for', () => {
  const slots = [
    slot('eu-eu-mix-0', 'mix', {
      conditions: [ready],
      machine: 'worker',
      keys: [{ name: 'link-2', made: timeOf(bornMs), expires: timeOf(hours(30)) }],
    }),
  ];
  const superpeers = [superpeer('garage', 'eu', { external: { identityKey: Buffer.alloc(32).toString('base64') } })];
  const waiting = condition('Ready', 'False', 'NotApproved', 'nobody has approved the superpeer');
  superpeers[0] = { ...superpeers[0]!, status: { ...superpeers[0]!.status!, conditions: [waiting] } };
  const seen = glance(herd({ zones: [fine], slots, superpeers }), fine, bornMs);
  assert.equal(
    drawStatus([seen], [], true, false),
    `WRONG
NAMESPACE  KIND       NAME    REASON       MESSAGE
herd       Superpeer  garage  NotApproved  nobody has approved the superpeer

ZONES
NAMESPACE  ZONE  READY  MIXES  RENDEZVOUS  SUPERPEERS  EPOCH
herd       eu    True   0/1    0/1         0/0         7

CONDITIONS of eu
TYPE         STATUS  REASON   MESSAGE
Ready        True    Ready    as it says
Progressing  False   Settled  as it says

SLOTS of eu
NAME         ROLE  REGION  STATE   DRAIN  MACHINE  KEYS
eu-eu-mix-0  mix   eu      Active         worker   link-2 1d6h

SUPERPEERS of eu
NAME    RUN       CHANNELS  APPROVED  TRUSTED  READY
garage  external  1         not yet            False NotApproved
`,
  );
});

test('wide says where a node is reached, and of all zones all', () => {
  const slots = [slot('eu-eu-mix-0', 'mix', { conditions: [ready], address: '192.0.2.7:21000' })];
  const drawn = drawStatus([glance(herd({ zones: [fine], slots }), fine, bornMs)], [], false, true);
  assert.match(drawn, /MACHINE +KEYS +ADDRESS +READY\neu-eu-mix-0 .* 192\.0\.2\.7:21000 +True\n/);
});

test('text that others wrote moves no cursor', () => {
  assert.equal(table(['A'], [['\u001b[2Jgone\nnext']]), 'A\n [2Jgone next\n');
});

test('the same data as JSON and YAML', () => {
  assert.deepEqual(JSON.parse(formatted('json', { a: 1, none: undefined }, () => '')), { a: 1 });
  assert.equal(
    formatted('yaml', { a: 1, none: undefined }, () => ''),
    'a: 1\n',
  );
  assert.equal(
    formatted('wide', {}, (isWide) => String(isWide)),
    'true',
  );
});

test('lengths of time say their two longest units', () => {
  const rows: [number, string][] = [
    [0, '0s'],
    [999, '0s'],
    [65_000, '1m5s'],
    [3_600_000, '1h'],
    [3_601_000, '1h'],
    [90_000_000, '1d1h'],
  ];
  for (const [ms, said] of rows) assert.equal(lengthOf(ms), said);
});

test('a topology is a tree of regions, roles and machines, and the links', () => {
  const eu = zone('eu', { peers: [{ zone: 'sa' }, { zone: 'us' }, { zone: 'nowhere' }] }, published('eu'));
  const sa = zone('sa', { peers: [{ zone: 'eu' }] }, published('sa'));
  const us = zone('us', {}, published('us'));
  const slots = [
    slot('eu-eu-mix-0', 'mix', { machine: 'worker-a' }),
    slot('eu-eu-mix-1', 'mix', { state: 'Pending' }),
    slot('eu-eu-rendezvous-0', 'rendezvous', { machine: 'worker-b' }),
    slot('sa-sa-mix-0', 'mix'),
  ];
  assert.equal(
    drawTopology(topologyOf(herd({ zones: [eu, sa, us], slots }), eu)),
    `zone eu in herd (north, EU)
├─ directory eu-directory-0
├─ region eu
│  ├─ mix
│  │  ├─ eu-eu-mix-0  Active  worker-a
│  │  └─ eu-eu-mix-1  Pending
│  └─ rendezvous
│     └─ eu-eu-rendezvous-0  Active  worker-b
└─ links
   ├─ sa  both ways
   ├─ us  one way: it does not name this zone
   └─ nowhere  no such zone
`,
  );
});

test('the plan of a drain says who is left, and for whom it waits', () => {
  const mixes = [slot('eu-eu-mix-0', 'mix'), slot('eu-eu-mix-1', 'mix', { state: 'Publishing' })];
  const rendezvous = slot('eu-eu-rendezvous-0', 'rendezvous');
  const all = herd({ slots: [...mixes, rendezvous] });
  assert.deepEqual(drainPlan(all, [mixes[0]!, rendezvous]), [
    'eu-eu-mix-0 (mix of zone eu, Active) drains within 30m and stays drained',
    '  it waits until these are Active: eu-eu-mix-1',
    'eu-eu-rendezvous-0 (rendezvous of zone eu, Active) drains within 30m and stays drained',
    '  nobody is left to take its calls: no other rendezvous of the zone stays',
  ]);
});

test('a name that is a zone’s and a slot’s has to say of which', () => {
  const all = herd({ zones: [fine], slots: [slot('eu', 'superpeer')] });
  assert.throws(() => targetOf(all, 'eu', 'herd'), /say zone\/eu or slot\/eu/);
  assert.equal(targetOf(all, 'zone/eu', 'herd').kind, 'zone');
  assert.equal(targetOf(all, 'slot/eu', 'herd').kind, 'slot');
  assert.throws(() => targetOf(all, 'slot/sa', 'herd'), /ZONE\|SLOT slot\/sa: not in namespace herd/);
});

test('the plan of a rotation names the keys that get successors', () => {
  const keys = [{ name: 'link-2', made: timeOf(bornMs), expires: timeOf(hours(1)) }];
  const all = herd({ zones: [fine], slots: [slot('eu-eu-mix-0', 'mix', { keys })] });
  const [zoneLine, slotLine, times] = rotatePlan(all, targetOf(all, 'eu', 'herd'));
  assert.equal(zoneLine, 'eu, its directory: successors of its keys');
  assert.equal(slotLine, 'eu-eu-mix-0: successors of link-2');
  assert.match(times!, /within 30m/);
});

test('receipts say what was carried, and what is owed for it', () => {
  assert.equal(drawReceipts([]), 'There are no receipts yet.\n');
  const counted = { channels: 2, roundsExpected: 1000, roundsValid: 995, roundsBad: 1 };
  const receipts = [
    { from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z', ...counted, payout: '3.50 EUR' },
    { from: '2026-01-02T00:00:00Z', until: '2026-01-03T00:00:00Z', ...counted, expelled: true as const },
  ];
  assert.equal(
    drawReceipts(receipts),
    `FROM                  UNTIL                 CHANNELS  EXPECTED  VALID  BAD  SHARE  PAYOUT
2026-01-01T00:00:00Z  2026-01-02T00:00:00Z  2         1000      995    1    99.5%  3.50 EUR
2026-01-02T00:00:00Z  2026-01-03T00:00:00Z  2         1000      995    1    99.5%  expelled
`,
  );
});
