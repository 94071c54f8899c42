import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { NodeSlot } from '../../../../operator/api/slot.ts';
import type { ConfigMap } from '../../../../operator/kube/types.ts';
import type { DirectoryConfig } from '../../../../operator/objects/config.ts';
import type { NodeStatefulSet } from '../../../../operator/objects/pod.ts';
import { planZone, type ZonePlan, type ZoneView, zoneRotation } from '../../../../operator/plan/zone.ts';
import {
  deleted,
  key,
  laterMs,
  objectsOf,
  pod,
  published,
  running,
  service,
  slot,
  superpeer,
  timeOf,
  view,
  zone,
} from '../samples.ts';

const condition = (plan: ZonePlan, type: string) => plan.status.conditions.find((c) => c.type === type)!;
const said = (plan: ZonePlan, type: string) => [condition(plan, type).status, condition(plan, type).reason];
const slotsIn = (plan: ZonePlan) => plan.apply.filter((o) => o.kind === 'NodeSlot').map((o) => o.metadata.name);
const directoryOf = (plan: ZonePlan): DirectoryConfig => {
  const map = plan.apply.find((o) => o.kind === 'ConfigMap');
  return JSON.parse((map as unknown as { data: Record<string, string> }).data['node.json']!);
};
const mix = (name = 'eu-eu-mix-0', status = {}, spec = {}) => slot(name, 'mix', status, spec);
const rendezvous = (name = 'eu-eu-rendezvous-0', status = {}, spec = {}) => slot(name, 'rendezvous', status, spec);

test('a zone without a directory address applies the Service, and makes no slots before it has one', () => {
  const plan = planZone(view(zone('eu'), { services: [] }), laterMs);
  assert.deepEqual(objectsOf(plan), [
    'PodDisruptionBudget/eu-directory',
    'PodDisruptionBudget/eu-mix',
    'PodDisruptionBudget/eu-rendezvous',
    'PodDisruptionBudget/eu-superpeer',
    'Service/eu-directory',
  ]);
  assert.equal(plan.status.rootKey, key('eu-root'));
  assert.equal(plan.status.directoryURL, undefined);
  const mix = slot('eu-eu-mix-0', 'mix');
  const later = planZone(view(zone('eu'), { services: [], slots: [mix] }), laterMs);
  assert.deepEqual(slotsIn(later), ['eu-eu-mix-0'], 'one that is there is kept as the zone wants it');
});

test('a slot for each node of each region, and a directory in the first', () => {
  const regions = [
    { name: 'west', mixes: { replicas: 2 } },
    { name: 'east', nodeSelector: { pool: 'mixes' }, rendezvous: { replicas: 0 } },
  ];
  const plan = planZone(view(zone('eu', { regions })), laterMs);
  assert.deepEqual(slotsIn(plan), ['eu-west-mix-0', 'eu-west-mix-1', 'eu-west-rendezvous-0', 'eu-east-mix-0']);
  const selectors = plan.apply
    .filter((o) => o.kind === 'NodeSlot')
    .map((o) => (o as unknown as { spec: { nodeSelector: object } }).spec.nodeSelector);
  assert.deepEqual(selectors[0], { 'topology.kubernetes.io/region': 'west' });
  assert.deepEqual(selectors[3], { pool: 'mixes' });
  const set = plan.apply.find((o) => o.metadata.name === 'eu-directory-0' && o.kind === 'StatefulSet');
  assert.deepEqual((set as NodeStatefulSet).spec.template.spec!.nodeSelector, selectors[0]);
  assert.equal(plan.status.directoryURL, 'http://10.96.0.7:8080');
});

test('an own directory with an external URL publishes that', () => {
  const externalURL = 'https://directory.example.net';
  const plan = planZone(view(zone('eu', { directory: { externalURL } })), laterMs);
  assert.equal(plan.status.directoryURL, externalURL);
});

test('the directory serves the zones of the same provider that refer to it, sorted, each with roster and peers', () => {
  const eu = zone('eu', { peers: [{ zone: 'na' }] });
  const ch = zone('ch', { directory: { zoneRef: 'eu' }, jurisdiction: 'CH' }, published('ch'));
  const foreign = zone('fr', { directory: { zoneRef: 'eu' }, provider: 'south' }, published('fr'));
  const na = zone('na', {}, published('na'));
  const slots = [
    slot('eu-b', 'superpeer'),
    slot('eu-a', 'superpeer'),
    mix(),
    rendezvous(),
    slot('ch-ch-mix-0', 'mix'),
    slot('na-na-mix-0', 'mix'),
  ];
  const superpeers = [superpeer('eu-b', 'eu'), superpeer('eu-a', 'eu', { managed: { region: 'eu' }, channels: 7 })];
  const config = directoryOf(planZone(view(eu, { zones: [eu, ch, foreign, na], slots, superpeers }), laterMs));
  assert.deepEqual(
    config.zones.map((z) => [z.zone, z.roster.map((r) => r.id), z.peers.map((p) => p.zone)]),
    [
      ['ch', ['ch-ch-mix-0'], []],
      ['eu', ['eu-a', 'eu-b', 'eu-eu-mix-0', 'eu-eu-rendezvous-0'], ['na']],
    ],
  );
  assert.deepEqual(
    config.zones[1]!.roster.map((r) => r.channels),
    [7, 1, undefined, undefined],
  );
});

test('a peer of another provider is taken by the address that the zone names', () => {
  const peer = { zone: 'far', url: 'https://far.example.net', rootKey: key('far') };
  const plan = planZone(view(zone('eu', { peers: [peer] })), laterMs);
  assert.deepEqual(directoryOf(plan).zones[0]!.peers, [peer]);
  assert.deepEqual(said(plan, 'PeersResolved'), ['True', 'Resolved']);
});

test('a slot is in the roster from its key on until it is retired and drained, and drains with permission alone', () => {
  const rows: [string, Parameters<typeof mix>, object | undefined][] = [
    ['no key yet', ['eu-eu-mix-0', { identityKey: undefined }], undefined],
    ['a key', ['eu-eu-mix-0', { state: 'Pending' }], {}],
    ['a wish to drain', ['eu-eu-mix-0', { drainReason: 'Outdated' }], {}],
    ['a wish and permission', ['eu-eu-mix-0', { drainReason: 'Outdated' }, { drain: true }], { draining: true }],
    ['permission that is of no use any more', ['eu-eu-mix-0', {}, { drain: true }], {}],
    ['drained, to be made anew', ['eu-eu-mix-0', { drainReason: 'Outdated', drained: true }], {}],
    ['drained, to be no more', ['eu-eu-mix-0', { drainReason: 'Retired', drained: true }, { drain: true }], undefined],
  ];
  for (const [row, args, expected] of rows) {
    const [entry] = directoryOf(planZone(view(zone('eu'), { slots: [mix(...args)] }), laterMs)).zones[0]!.roster;
    const full = expected && { id: 'eu-eu-mix-0', role: 'mix', identityKey: key('eu-eu-mix-0'), ...expected };
    assert.deepEqual(entry, full, row);
  }
});

test('what others run is admitted when it is approved', () => {
  const external = superpeer('garage', 'eu', { external: { identityKey: key('garage') }, channels: 3 });
  const approved = (status: 'True' | 'False') => ({
    type: 'Approved',
    status,
    reason: 'Looked',
    message: '',
    observedGeneration: 1,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const rosterWith = (conditions: object[]) => {
    const status = { ...external.status!, conditions: conditions as NonNullable<typeof external.status>['conditions'] };
    return directoryOf(planZone(view(zone('eu'), { superpeers: [{ ...external, status }] }), laterMs)).zones[0]!.roster;
  };
  assert.deepEqual(rosterWith([]), []);
  assert.deepEqual(rosterWith([approved('False')]), []);
  const entry = {
    id: 'garage',
    role: 'superpeer',
    identityKey: key('garage'),
    channels: 3,
    firstChannel: 1,
    dealt: [],
  };
  assert.deepEqual(rosterWith([approved('True')]), [entry]);
  assert.deepEqual(rosterWith([approved('True'), { ...approved('False'), type: 'Trusted' }]), []);
});

test('a zone of another’s directory takes its address, or says what is wrong with it', () => {
  const sa = zone('sa', { directory: { zoneRef: 'eu' } });
  const rows: [string, ZoneView['zones'], unknown][] = [
    ['no such zone', [sa], ['False', 'DirectoryNotFound']],
    ['not a host', [sa, zone('eu', { directory: { zoneRef: 'na' } })], ['False', 'DirectoryNotHosted']],
    ['another provider', [sa, zone('eu', { provider: 'south' })], ['False', 'DirectoryOfAnotherProvider']],
    ['no address yet', [sa, zone('eu')], ['False', 'NoAddress']],
    ['an address', [sa, zone('eu', {}, published('eu'))], ['False', 'NotAsked']],
  ];
  for (const [row, zones, expected] of rows)
    assert.deepEqual(said(planZone(view(sa, { zones }), laterMs), 'DirectoryReady'), expected, row);
  const plan = planZone(view(sa, { zones: [sa, zone('eu', {}, published('eu'))] }), laterMs);
  assert.equal(plan.status.directoryURL, published('eu').directoryURL);
  assert.equal(objectsOf(plan).includes('Service/sa-directory'), false);
});

const verified = { kind: 'verified', epoch: 5, meshRates: [] } as const;

/** A zone whose directory runs what was planned, and whose slots are these. */
function settledView(slots = [mix(), rendezvous()], of = zone('eu')): ZoneView {
  const planned = planZone(view(of, { slots }), laterMs);
  const statefulSets = planned.apply.filter((o) => o.kind === 'StatefulSet').map((o) => running(o as NodeStatefulSet));
  return view(of, { slots, statefulSets, consensus: verified });
}

test('a zone is Ready when its directory is and all its slots are Active', () => {
  const plan = planZone(settledView(), laterMs);
  assert.deepEqual(said(plan, 'Ready'), ['True', 'Ready']);
  assert.deepEqual(said(plan, 'Progressing'), ['False', 'Settled']);
  assert.deepEqual([plan.status.epoch, plan.status.mixesReady], [5, '1/1']);
});

test('the status has the rates that are in force, and keeps them while the directory does not answer', () => {
  const meshRates = [
    { zone: 'na', cellsPerTick: 5, from: laterMs - 900_000 },
    { zone: 'na', cellsPerTick: 6, from: laterMs },
    { zone: 'na', cellsPerTick: 7, from: laterMs + 1 },
    { zone: 'eu', cellsPerTick: 4, from: laterMs + 900_000 },
    { zone: 'ap', cellsPerTick: 9, from: laterMs - 900_000 },
  ];
  const { status } = planZone({ ...settledView(), consensus: { ...verified, meshRates } }, laterMs);
  const inForce = [
    { zone: 'ap', cellsPerTick: 9, since: timeOf(laterMs - 900_000) },
    { zone: 'na', cellsPerTick: 6, since: timeOf(laterMs) },
  ];
  assert.deepEqual(status.meshRates, inForce);
  const silent = {
    ...settledView([mix(), rendezvous()], zone('eu', {}, status)),
    consensus: { kind: 'unasked' } as const,
  };
  assert.deepEqual(planZone(silent, laterMs).status.meshRates, inForce);
  assert.equal(planZone(settledView(), laterMs).status.meshRates, undefined);
});

test('a zone is not Ready while a slot is not Active, unless it is made anew with permission', () => {
  const down = planZone(settledView([mix(), rendezvous('eu-eu-rendezvous-0', { state: 'Publishing' })]), laterMs);
  assert.deepEqual(said(down, 'Ready'), ['False', 'NodesNotActive']);
  assert.match(condition(down, 'Ready').message, /eu-eu-rendezvous-0$/);
  const slots = [mix('eu-eu-mix-0', { state: 'Pending' }, { drain: true }), rendezvous()];
  const plan = planZone(settledView(slots), laterMs);
  assert.deepEqual([said(plan, 'Ready'), plan.status.mixesReady], [['True', 'Ready'], '0/1']);
});

test('superpeers keep the numbers of their channels when another comes', () => {
  const slots = [slot('eu-b', 'superpeer'), slot('eu-c', 'superpeer')];
  const first = planZone(view(zone('eu'), { slots }), laterMs);
  const configMap = first.apply.find((o) => o.kind === 'ConfigMap') as unknown as ConfigMap;
  const more = planZone(
    view(zone('eu'), { slots: [slot('eu-a', 'superpeer'), ...slots], configMaps: [configMap] }),
    laterMs,
  );
  assert.deepEqual(
    directoryOf(more).zones[0]!.roster.map(({ id, firstChannel }) => [id, firstChannel]),
    [
      ['eu-a', 3],
      ['eu-b', 1],
      ['eu-c', 2],
    ],
  );
});

test('channels keep their mixes when another mix comes, but for its share; those of one that drains go to the others', () => {
  const superpeers = ['eu-a', 'eu-b', 'eu-c', 'eu-d'].map((name) => slot(name, 'superpeer'));
  const dealt = (slots: NodeSlot[], before: ConfigMap[], replicas = slots.length) => {
    const eu = zone('eu', { regions: [{ name: 'eu', mixes: { replicas } }] });
    const plan = planZone(view(eu, { slots: [...slots, ...superpeers], configMaps: before }), laterMs);
    const { roster } = directoryOf(plan).zones[0]!;
    const configMap = plan.apply.find((o) => o.kind === 'ConfigMap') as unknown as ConfigMap;
    return { mixes: roster.flatMap(({ dealt = [] }) => dealt.map(({ mix }) => mix.at(-1))).join(''), configMap };
  };
  const none = dealt([mix('eu-eu-mix-1')], [], 2);
  assert.equal(none.mixes, '', 'nothing while another mix is to come');
  const one = dealt([mix('eu-eu-mix-0')], [none.configMap]);
  const two = dealt([mix('eu-eu-mix-0'), mix('eu-eu-mix-1')], [one.configMap]);
  const draining = mix('eu-eu-mix-0', { drainReason: 'Cordoned' }, { drain: true });
  const left = dealt([draining, mix('eu-eu-mix-1')], [two.configMap]);
  const back = dealt([mix('eu-eu-mix-0'), mix('eu-eu-mix-1')], [left.configMap]);
  const whole = dealt([mix('eu-eu-mix-0'), mix('eu-eu-mix-1')], [back.configMap], 3);
  assert.deepEqual(
    [one, two, left, back, whole].map(({ mixes }) => mixes),
    ['0000', '0011', '1111', '1100', '1100'],
  );
});

test('a zone that is Ready and has something to drain is Progressing, and looks again soon', () => {
  const plan = planZone(settledView([mix('eu-eu-mix-0', { drainReason: 'Cordoned' }), rendezvous()]), laterMs);
  assert.deepEqual(
    [said(plan, 'Ready'), said(plan, 'Progressing')],
    [
      ['True', 'Ready'],
      ['True', 'Draining'],
    ],
  );
  assert.match(condition(plan, 'Progressing').message, /eu-eu-mix-0 \(Cordoned\)/);
  assert.ok(plan.requeueAfterMs < planZone(settledView(), laterMs).requeueAfterMs);
});

test('an unreachable directory is a condition, and the epoch last seen stays', () => {
  const settled = settledView();
  const before = { ...published('eu'), epoch: 4 };
  const consensus = { kind: 'unreachable', problem: 'no answer' } as const;
  const known = { ...settled.zone, status: before };
  const plan = planZone({ ...settled, zone: known, zones: [known], consensus }, laterMs);
  assert.deepEqual(said(plan, 'DirectoryReady'), ['False', 'NoConsensus']);
  assert.equal(plan.status.epoch, 4);
});

test('a slot that the spec no longer names is deleted once, a superpeer’s is not the zone’s to delete', () => {
  const slots = [mix(), mix('eu-eu-mix-1'), deleted(mix('eu-eu-mix-2')), rendezvous(), slot('eu-sp', 'superpeer')];
  assert.deepEqual(planZone(settledView(slots), laterMs).remove, [{ kind: 'NodeSlot', name: 'eu-eu-mix-1' }]);
});

test('what is wanted but can’t be built just now stays', () => {
  assert.deepEqual(planZone({ ...settledView(), services: [] }, laterMs).remove, []);
});

test('a zone that gives up its own directory loses Service and directory', () => {
  const settled = settledView();
  const moved = { ...settled.zone, spec: { ...settled.zone.spec, directory: { zoneRef: 'na' } } };
  const plan = planZone({ ...settled, zone: moved, zones: [moved], services: [service('eu')] }, laterMs);
  const removed = plan.remove.map((r) => `${r.kind}/${r.name}`);
  assert.deepEqual(removed, ['Service/eu-directory', 'StatefulSet/eu-directory-0']);
});

test('a paused zone changes nothing but tells its slots, and says so', () => {
  const slots = [mix('eu-eu-mix-0', { drainReason: 'Outdated' }), mix('eu-eu-mix-1'), rendezvous()];
  const plan = planZone(view(zone('eu', { paused: true }), { slots }), laterMs);
  assert.deepEqual(
    slotsIn(plan),
    objectsOf(plan).map((name) => name.replace('NodeSlot/', '')),
  );
  for (const manifest of plan.apply)
    assert.equal((manifest as unknown as { spec: { paused: boolean } }).spec.paused, true);
  assert.deepEqual([plan.remove, plan.permissions, plan.nudge], [[], [], undefined]);
  assert.deepEqual(said(plan, 'Progressing'), ['False', 'Paused']);
});

test('a deleted zone keeps its directory and tells all slots to drain, until the last has gone', () => {
  const of = deleted(zone('eu'));
  const slots = [mix(), deleted(mix('eu-eu-mix-1', { drainReason: 'Retired' })), slot('eu-sp', 'superpeer')];
  const configMaps = [{ ...pod('eu-directory-0'), metadata: { ...pod('').metadata, name: 'eu-directory-0' } }];
  const plan = planZone(view(of, { slots, configMaps }), laterMs);
  assert.deepEqual(plan.remove, [{ kind: 'NodeSlot', name: 'eu-eu-mix-0' }]);
  assert.deepEqual(
    plan.permissions.map(({ slot: { metadata }, drain }) => [metadata.name, drain]),
    [
      ['eu-eu-mix-0', true],
      ['eu-eu-mix-1', true],
      ['eu-sp', true],
    ],
  );
  assert.deepEqual(objectsOf(plan), ['ConfigMap/eu-directory-0'], 'the roster says that they drain; nothing is made');
  assert.deepEqual(planZone(view(of, { slots }), laterMs).apply, [], 'nor what has gone already');
  assert.equal(plan.finalizer, true);
  assert.deepEqual(said(plan, 'Ready'), ['False', 'Deleted']);
  assert.equal(planZone(view(of, { slots: [slot('eu-sp', 'superpeer')] }), laterMs).finalizer, false);
  const forced = { ...of, metadata: { ...of.metadata, annotations: { 'herd.network/force': 'true' } } };
  const slotsGoing = slots.map(deleted);
  const byForce = planZone(view(forced, { slots: slotsGoing }), laterMs);
  assert.deepEqual(byForce.forced, slotsGoing);
  assert.equal(byForce.finalizer, true, 'it waits for the pods, not for who rides on them');
  assert.deepEqual(planZone(view(of, { slots: slotsGoing }), laterMs).forced, []);
  const [going, , sp] = slotsGoing;
  assert.equal(planZone(view(of, { slots: [sp!] }), laterMs).finalizer, true, 'a superpeer that goes as well');
  const told = { ...going!, metadata: { ...going!.metadata, annotations: forced.metadata.annotations } };
  assert.deepEqual(planZone(view(forced, { slots: [told] }), laterMs).forced, []);
  assert.equal(planZone(view(forced, { slots: [] }), laterMs).finalizer, false);
});

test('a change of roster, peers or parameters does not change the directory’s template, and its pod is told', () => {
  const eu = zone('eu', { peers: [{ zone: 'na' }] });
  const others = [zone('na', {}, published('na')), zone('ch', { directory: { zoneRef: 'eu' } }, published('ch'))];
  const slots = ['a', 'b', 'c'].map((n) => slot(`eu-${n}`, 'superpeer'));
  const base: Partial<ZoneView> = { zones: [eu, ...others], slots, directoryPod: pod('eu-directory-0') };
  const template = (plan: ZonePlan) =>
    JSON.stringify((plan.apply.find((o) => o.kind === 'StatefulSet') as NodeStatefulSet).spec);
  const first = planZone(view(eu, base), laterMs);
  const told = pod('eu-directory-0');
  Object.assign(told.metadata, { annotations: first.nudge!.annotations });
  assert.equal(planZone(view(eu, { ...base, directoryPod: told }), laterMs).nudge, undefined);

  const shuffled = fc.tuple(
    fc.shuffledSubarray([eu, ...others], { minLength: 3 }),
    fc.shuffledSubarray(slots, { minLength: 3 }),
  );
  fc.assert(
    fc.property(shuffled, ([zones, some]) => {
      const plan = planZone(view(eu, { ...base, zones, slots: some, directoryPod: told }), laterMs);
      return plan.nudge === undefined;
    }),
  );
  const wider = { ...eu, spec: { ...eu.spec, chaff: { cellsPerTick: 9 } } };
  const changes: [string, ZoneView][] = [
    ['a peer gone', view(eu, { ...base, zones: [eu, others[1]!] })],
    ['a superpeer fewer', view(eu, { ...base, slots: slots.slice(1) })],
    ['other rates', view(wider, { ...base, zones: [wider, ...others] })],
  ];
  for (const [row, changed] of changes) {
    const plan = planZone({ ...changed, directoryPod: told }, laterMs);
    assert.equal(template(plan), template(first), row);
    assert.notDeepEqual(plan.nudge?.annotations, first.nudge!.annotations, row);
    assert.ok(plan.nudge, row);
  }
  const alone = planZone(view(eu, { ...base, zones: [eu, others[0]!] }), laterMs);
  assert.notEqual(template(alone), template(first), 'a zone fewer is a root key fewer, which is mounted');
});

test('keys change by the epochs of the directory that serves the zone', () => {
  const host = zone('eu', { epochSeconds: 60 });
  const served = zone('sa', { directory: { zoneRef: 'eu' } });
  assert.equal(zoneRotation([served, host], served).epochMs, 60_000);
  assert.equal(zoneRotation([served], served).epochMs, 900_000, 'while there is none, its own');
});

test('planning its own outcome again changes no transition time and no child', () => {
  const settled = settledView();
  const first = planZone(settled, laterMs);
  const known = { ...settled.zone, status: first.status };
  const again = planZone({ ...settled, zone: known, zones: [known] }, laterMs + 60_000);
  assert.deepEqual({ ...again, isPassing: first.isPassing }, first);
});
