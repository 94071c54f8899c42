import assert from 'node:assert/strict';
import test from 'node:test';
import type { ClusterStatus, Zone } from '../../../../operator/api/zone.ts';
import type { ConfigMap } from '../../../../operator/kube/types.ts';
import type { DirectoryConfig, RosterEntry } from '../../../../operator/objects/config.ts';
import { homeLabel } from '../../../../operator/objects/labels.ts';
import { type MemberView, ofItsRegions, type PlacedSlot } from '../../../../operator/plan/members.ts';
import { planSuperpeer, type SuperpeerView } from '../../../../operator/plan/superpeer.ts';
import { planZone, type ZonePlan, type ZoneView } from '../../../../operator/plan/zone.ts';
import { deleted, key, laterMs, metadata, published, slot, superpeer, view, zone } from '../samples.ts';

/** Two regions, the second in a member. */
const regions = [{ name: 'east' }, { name: 'west', cluster: { kubeconfigSecretRef: { name: 'west' } } }];
const directory = { externalURL: 'http://directory.example' };
const told: ClusterStatus = {
  secret: 'west',
  namespace: 'herd',
  reachable: true,
  reason: 'Reachable',
  regions: ['west'],
};
const eu = (spec: object = {}, clusters: ClusterStatus[] = [told]): Zone =>
  zone('eu', { regions, directory, ...spec }, { ...published('eu'), clusters });

const at = (
  name: string,
  role: 'mix' | 'rendezvous' | 'superpeer',
  region: string,
  more: Partial<PlacedSlot> = {},
) => ({
  ...slot(name, role, {}, { region, zone: 'eu' }),
  ...more,
});
const here = [at('eu-east-mix-0', 'mix', 'east'), at('eu-east-rendezvous-0', 'rendezvous', 'east')];
const there = [
  at('eu-west-mix-0', 'mix', 'west', { member: 'west/herd' }),
  at('eu-west-rendezvous-0', 'rendezvous', 'west', { member: 'west/herd' }),
];
const unreachable = { reason: 'Unreachable', message: 'its API server does not answer' };
const member = (rest: Partial<MemberView> = {}): MemberView => ({
  secret: 'west',
  namespace: 'herd',
  zone: 'eu',
  slots: there,
  unread: new Set(),
  taken: new Set(),
  problem: undefined,
  ...rest,
});
const notSeen = member({ slots: undefined, problem: unreachable });

const rosterBefore: RosterEntry[] = [...here, ...there].map(({ metadata: { name }, spec: { role } }) => ({
  id: name,
  role: role as 'mix',
  identityKey: key(name),
}));
const before = (roster: readonly RosterEntry[]): ConfigMap => ({
  metadata: { ...metadata('eu-directory-0'), resourceVersion: '1' },
  data: { 'node.json': JSON.stringify({ zones: [{ zone: 'eu', roster }] }) },
});

const planned = (of: Zone, members: MemberView[], rest: Partial<ZoneView> = {}) =>
  planZone(view(of, { members, slots: [...here, ...members.flatMap((m) => m.slots ?? [])], ...rest }), laterMs);
const wishOf = (plan: ZonePlan) => plan.members.get('west/herd')!;
const said = (plan: ZonePlan, type: string) => {
  const { status, reason } = plan.status.conditions.find((c) => c.type === type)!;
  return `${status} ${reason}`;
};
const rosterOf = (plan: ZonePlan) => {
  const map = plan.apply.find((o) => o.kind === 'ConfigMap') as unknown as { data: Record<string, string> };
  return (JSON.parse(map.data['node.json']!) as DirectoryConfig).zones[0]!.roster;
};
const names = (objects: readonly { metadata: { name: string } }[]) => objects.map((o) => o.metadata.name);
const slotsHere = (plan: ZonePlan) => names(plan.apply.filter((o) => o.kind === 'NodeSlot'));

test('a region’s slots are made in its cluster, bear the Zone’s uid and no owner, and wait until the status tells of it', () => {
  const first = planned(eu({}, []), [member({ slots: [] })]);
  assert.deepEqual(names(wishOf(first).apply), []);
  assert.deepEqual(first.status.clusters, [told]);
  const plan = planned(eu(), [member({ slots: [] })]);
  assert.deepEqual(slotsHere(plan), ['eu-east-mix-0', 'eu-east-rendezvous-0']);
  assert.deepEqual(names(wishOf(plan).apply), ['eu-west-mix-0', 'eu-west-rendezvous-0']);
  const { metadata: made } = wishOf(plan).apply[0]!;
  assert.deepEqual([made.namespace, made.labels![homeLabel], made.ownerReferences], ['herd', 'uid-eu', undefined]);
});

test('a member that was never seen has no regions in the status, and is forgotten with its region', () => {
  assert.deepEqual(planned(eu({}, []), [notSeen]).status.clusters, [
    { ...told, reachable: false, reason: 'Unreachable', regions: [] },
  ]);
  assert.equal(planned(eu({ regions: [{ name: 'east' }] }, []), [notSeen]).status.clusters, undefined);
});

test('a member that can’t be asked keeps its slots as last seen: in the roster, wanted, and no other of their roles drains', () => {
  const wishes = [at('eu-east-mix-0', 'mix', 'east', { status: { ...here[0]!.status!, drainReason: 'Outdated' } })];
  const members = [member({ problem: unreachable })];
  const plan = planned(eu(), members, { slots: [...wishes, ...there] });
  assert.deepEqual(
    rosterOf(plan).map(({ id }) => id),
    ['eu-east-mix-0', 'eu-west-mix-0', 'eu-west-rendezvous-0'],
  );
  assert.deepEqual(plan.permissions, []);
  assert.deepEqual(wishOf(plan).remove, []);
  assert.equal(said(plan, 'ClustersReachable'), 'False Unreachable');
  const seen = planned(eu(), [member()], { slots: [...wishes, ...there] });
  assert.deepEqual(
    seen.permissions.map(
      ({
        slot: {
          metadata: { name },
        },
        drain,
      }) => `${name} ${drain}`,
    ),
    ['eu-east-mix-0 true'],
  );
  assert.equal(said(seen, 'ClustersReachable'), 'True AllReachable');
});

test('of a member that was not seen since the start the roster stays as it is, whatever else there is in it', () => {
  const stray = { id: 'eu-east-mix-7', role: 'mix' as const, identityKey: key('gone') };
  const draining = { ...rosterBefore[2]!, draining: true as const };
  const known = [...rosterBefore.slice(0, 2), draining, rosterBefore[3]!, stray];
  const plan = planned(eu(), [notSeen], { configMaps: [before(known)] });
  assert.deepEqual(rosterOf(plan), [rosterBefore[0], rosterBefore[1], draining, rosterBefore[3]]);
  const none = planned(eu(), [member({ slots: [] })], { configMaps: [before(known)] });
  assert.deepEqual(rosterOf(none), rosterBefore.slice(0, 2), 'once it is seen, what is seen counts');
});

test('a region whose name begins like another’s is not taken for it', () => {
  const roster = [{ id: 'eu-west-coast-mix-0', role: 'mix' as const, identityKey: key('a') }];
  assert.deepEqual(rosterOf(planned(eu(), [notSeen], { configMaps: [before(roster)] })).length, 2);
});

test('of superpeers stay those that are wanted in the unseen region and trusted', () => {
  const [wanted, expelled] = ['eu-sp', 'eu-bad'].map((name) => superpeer(name, 'eu', { managed: { region: 'west' } }));
  const verdict = { type: 'Trusted', status: 'False' as const, reason: 'Expelled', message: '' };
  const condition = { ...verdict, observedGeneration: 1, lastTransitionTime: '2026-01-01T00:00:00Z' };
  const bad = { ...expelled!, status: { ...expelled!.status!, conditions: [condition] } };
  const roster = ['eu-sp', 'eu-bad', 'eu-left'].map((id) => ({
    id,
    role: 'superpeer' as const,
    identityKey: key(id),
    channels: 1,
    firstChannel: 4,
  }));
  const plan = planned(eu(), [notSeen], { superpeers: [wanted!, bad], configMaps: [before(roster)] });
  assert.deepEqual(
    rosterOf(plan).filter(({ role }) => role === 'superpeer'),
    [{ ...roster[0], dealt: [] }],
  );
});

test('slots that this version can’t read stay in the roster, and nothing of the Zone is let go', () => {
  const unread = member({ slots: [there[1]!], unread: new Set(['eu-west-mix-0']) });
  const plan = planned(eu(), [unread], { configMaps: [before(rosterBefore)] });
  assert.deepEqual(rosterOf(plan), rosterBefore);
  assert.equal(planned(deleted(eu()), [{ ...unread, slots: [] }], { slots: [] }).finalizer, true);
});

test('a region that is left out is removed in its cluster, which stays in the status until it is empty', () => {
  const spec = { regions: [{ name: 'east' }] };
  const plan = planned(eu(spec), [member()]);
  assert.deepEqual(names(wishOf(plan).remove), ['eu-west-mix-0', 'eu-west-rendezvous-0']);
  assert.deepEqual(plan.status.clusters, [told]);
  assert.deepEqual(planned(eu(spec), [notSeen]).status.clusters![0]!.regions, ['west'], 'also while it is not seen');
  assert.equal(planned(eu(spec), [member({ slots: [] })]).status.clusters, undefined);
});

test('a node is made in another cluster only when its former slot has gone, or surely is not there', () => {
  const spec = { regions: [{ name: 'east' }, { name: 'west' }] };
  const of = (members: MemberView[]) => slotsHere(planned(eu(spec), members));
  const own = ['eu-east-mix-0', 'eu-east-rendezvous-0'];
  const moved = ['eu-west-mix-0', 'eu-west-rendezvous-0'];
  assert.deepEqual(of([member()]), own);
  assert.deepEqual(of([notSeen]), own);
  assert.deepEqual(of([member({ slots: [] })]), [...own, ...moved]);
});

test('a name that another Zone’s slot has is left to it, and said', () => {
  const plan = planned(eu(), [member({ slots: [there[1]!], taken: new Set(['eu-west-mix-0']) })]);
  assert.deepEqual(names(wishOf(plan).apply), ['eu-west-rendezvous-0']);
  assert.equal(said(plan, 'Ready'), 'False SlotOfAnother');
  assert.deepEqual(slotsHere(planned(eu(), [member()], { taken: new Set(['eu-east-mix-0']) })), [
    'eu-east-rendezvous-0',
  ]);
});

test('a member adds nothing to the roster that was not asked of it, and speaks of no node elsewhere', () => {
  const claims = [
    ...there,
    at('eu-west-mix-1', 'mix', 'west', { member: 'west/herd' }),
    at('eu-east-mix-1', 'mix', 'east', { member: 'west/herd' }),
    at('eu-east-mix-2', 'mix', 'west', { member: 'west/herd' }),
    at('eu-east-mix-3', 'superpeer', 'west', { member: 'west/herd' }),
    at('eu-sp', 'superpeer', 'west', { member: 'west/herd' }),
  ];
  const believed = ofItsRegions(eu(), member(), claims);
  assert.deepEqual(names(believed), [...names(there), 'eu-west-mix-1', 'eu-sp']);
  const ids = (rest: Partial<ZoneView> = {}) =>
    rosterOf(planned(eu(), [member({ slots: believed })], rest)).map(({ id }) => id);
  assert.deepEqual(ids(), names([...here, ...there]));
  const known = [{ id: 'eu-west-mix-1', role: 'mix' as const, identityKey: key('eu-west-mix-1') }];
  assert.ok(ids({ configMaps: [before(known)] }).includes('eu-west-mix-1'), 'until it has drained');
  assert.equal(
    ids({ configMaps: [before([{ ...known[0]!, identityKey: key('a') }])] }).includes('eu-west-mix-1'),
    false,
  );
});

test('a deleted Zone drains and waits for slots elsewhere, seen or not, and by force only until those that answer are told', () => {
  const leaving = deleted(eu());
  const gone = { slots: [] };
  const plan = planned(leaving, [member()], { slots: there });
  assert.deepEqual([plan.finalizer, names(wishOf(plan).apply)], [true, []]);
  assert.deepEqual(names(wishOf(plan).remove), names(there));
  assert.deepEqual(
    wishOf(plan).permissions.map(({ drain }) => drain),
    [true, true],
  );
  assert.equal(planned(leaving, [notSeen], gone).finalizer, true);
  assert.equal(planned(deleted(eu({}, [])), [notSeen], gone).finalizer, false, 'it never had any');
  assert.equal(planned(leaving, [member(gone)], gone).finalizer, false);
  const forced = { ...leaving, metadata: { ...leaving.metadata, annotations: { 'herd.network/force': 'true' } } };
  assert.equal(planned(forced, [member()], { slots: there }).finalizer, true, 'not told yet');
  assert.equal(
    planned(forced, [member({ slots: there.map(deleted) })], { slots: there.map(deleted) }).finalizer,
    false,
  );
  assert.equal(planned(forced, [member({ problem: unreachable })], { slots: there }).finalizer, false);
});

const base: SuperpeerView = {
  superpeer: superpeer('eu-sp', 'eu', { managed: { region: 'west' } }),
  zone: eu(),
  host: undefined,
  receipts: [],
  slot: undefined,
  members: [member({ slots: [] })],
  listed: { registered: true, draining: false, empty: undefined, expelled: undefined, answered: true },
};

test('a superpeer’s slot is made in the cluster of its region, after one that was made here while there was no zone', () => {
  const plan = planSuperpeer(base, laterMs);
  assert.deepEqual([plan.apply, plan.member!.id, plan.member!.home], [[], 'west/herd', 'uid-eu']);
  assert.equal(plan.member!.manifest.metadata.labels![homeLabel], 'uid-eu');
  const stray = planSuperpeer({ ...base, slot: at('eu-sp', 'superpeer', 'west') }, laterMs);
  assert.deepEqual([stray.member, stray.remove], [undefined, [{ kind: 'NodeSlot', name: 'eu-sp' }]]);
});

test('a superpeer whose cluster can’t be asked is not called Ready, and one that has gone is removed by its Zone', () => {
  const plan = planSuperpeer({ ...base, members: [notSeen] }, laterMs);
  const { status, reason } = plan.status.conditions.find(({ type }) => type === 'Ready')!;
  assert.deepEqual([status, reason], ['Unknown', 'Unreachable']);
  const left = at('eu-sp', 'superpeer', 'west', { member: 'west/herd' });
  const has = [member({ slots: [...there, left] })];
  assert.deepEqual(names(wishOf(planned(eu(), has)).remove), ['eu-sp']);
  assert.deepEqual(names(wishOf(planned(eu(), has, { superpeers: [base.superpeer] })).remove), []);
});
