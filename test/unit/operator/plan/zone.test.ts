import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { DirectoryConfig } from '../../../../operator/objects/config.ts';
import type { NodeStatefulSet } from '../../../../operator/objects/pod.ts';
import { planZone, type ZonePlan, type ZoneView } from '../../../../operator/plan/zone.ts';
import { bornMs, key, laterMs, published, running, service, superpeer, view, zone } from '../samples.ts';

const names = (plan: ZonePlan) => plan.apply.map((o) => `${o.kind}/${o.metadata.name}`);
const condition = (plan: ZonePlan, type: string) => plan.status.conditions.find((c) => c.type === type)!;
const said = (plan: ZonePlan, type: string) => [condition(plan, type).status, condition(plan, type).reason];
const hasDirectory = (plan: ZonePlan) =>
  names(plan).some((n) => n.startsWith('StatefulSet/') && n.endsWith('-directory-0'));
const directoryOf = (plan: ZonePlan): DirectoryConfig => {
  const map = plan.apply.find((o) => o.kind === 'ConfigMap' && o.metadata.name.endsWith('-directory-0'));
  return JSON.parse((map as unknown as { data: Record<string, string> }).data['node.json']!);
};

test('a zone without a directory address applies the Service and waits with the nodes', () => {
  const plan = planZone(view(zone('eu'), { services: [] }), laterMs);
  assert.deepEqual(names(plan), [
    'PodDisruptionBudget/eu-directory',
    'PodDisruptionBudget/eu-mix',
    'PodDisruptionBudget/eu-rendezvous',
    'Service/eu-directory',
  ]);
  assert.equal(plan.status.rootKey, key('eu-root'));
  assert.equal(plan.status.directoryURL, undefined);
});

test('a zone with an address applies all its nodes and its directory', () => {
  const plan = planZone(view(zone('eu', { mixes: { replicas: 2 } })), laterMs);
  const sets = names(plan).filter((n) => n.startsWith('StatefulSet/'));
  assert.deepEqual(
    sets,
    ['eu-mix-0', 'eu-mix-1', 'eu-rendezvous-0', 'eu-directory-0'].map((n) => `StatefulSet/${n}`),
  );
  assert.equal(plan.status.directoryURL, 'http://10.96.0.7:8080');
});

test('the directory serves the zones of the same provider that refer to it, sorted, each with roster and peers', () => {
  const eu = zone('eu', { peers: [{ zone: 'na' }] });
  const ch = zone('ch', { directory: { zoneRef: 'eu' }, jurisdiction: 'CH' }, published('ch'));
  const foreign = zone('fr', { directory: { zoneRef: 'eu' }, provider: 'south' }, published('fr'));
  const na = zone('na', {}, published('na'));
  const superpeers = [
    superpeer('sp-b', 'eu'),
    superpeer('sp-a', 'eu'),
    superpeer('sp-ch', 'ch'),
    superpeer('sp-na', 'na'),
  ];
  const config = directoryOf(planZone(view(eu, { zones: [eu, ch, foreign, na], superpeers }), laterMs));
  assert.deepEqual(
    config.zones.map((z) => [z.zone, z.roster.map((r) => r.id), z.peers.map((p) => p.zone)]),
    [
      ['ch', ['ch-mix-0', 'ch-rendezvous-0', 'sp-ch'], []],
      ['eu', ['eu-mix-0', 'eu-rendezvous-0', 'sp-a', 'sp-b'], ['na']],
    ],
  );
});

test('a directory waits for what exists and has published nothing, but not for ever', () => {
  const eu = zone('eu', { peers: [{ zone: 'na' }] });
  const silent: Partial<ZoneView>[] = [
    { zones: [eu, zone('na')] },
    { zones: [eu, zone('na', {}, published('na')), zone('ch', { directory: { zoneRef: 'eu' } })] },
    { zones: [eu, zone('na', {}, published('na'))], superpeers: [superpeer('sp', 'eu', false)] },
  ];
  for (const rest of silent) {
    const early = planZone(view(eu, rest), bornMs + 10_000);
    assert.equal(hasDirectory(early), false);
    assert.deepEqual(said(early, 'DirectoryReady'), ['False', 'Waiting']);
    assert.equal(hasDirectory(planZone(view(eu, rest), laterMs)), true);
  }
});

test('a directory waits a moment for peers that do not exist, then goes without them', () => {
  const eu = zone('eu', { peers: [{ zone: 'na' }] });
  assert.equal(hasDirectory(planZone(view(eu), bornMs + 1_000)), false);
  const plan = planZone(view(eu), bornMs + 5_000);
  assert.equal(hasDirectory(plan), true);
  assert.deepEqual(directoryOf(plan).zones[0]!.peers, []);
  assert.deepEqual(said(plan, 'PeersResolved'), ['False', 'PeerNotFound']);
  assert.match(condition(plan, 'PeersResolved').message, /na/);
});

test('a directory that exists is brought up to date without waiting', () => {
  const eu = zone('eu');
  const first = planZone(view(eu), bornMs + 10_000);
  const directory = first.apply.find(
    (o) => o.kind === 'StatefulSet' && o.metadata.name === 'eu-directory-0',
  ) as NodeStatefulSet;
  const superpeers = [superpeer('sp', 'eu', false)];
  assert.equal(
    hasDirectory(planZone(view(eu, { superpeers, statefulSets: [running(directory)] }), bornMs + 10_000)),
    true,
  );
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
  assert.equal(names(plan).includes('Service/sa-directory'), false);
});

/** The view of a zone whose pods all run what was planned. */
function settledView(registered: string[]): ZoneView {
  const eu = zone('eu');
  const statefulSets = planZone(view(eu), laterMs)
    .apply.filter((o) => o.kind === 'StatefulSet')
    .map((o) => running(o as NodeStatefulSet));
  return view(eu, { statefulSets, consensus: { kind: 'verified', epoch: 5, registered: new Set(registered) } });
}

test('a zone is Ready when all pods are and all nodes are in the consensus', () => {
  const plan = planZone(settledView(['eu-mix-0', 'eu-rendezvous-0']), laterMs);
  assert.deepEqual(said(plan, 'Ready'), ['True', 'Ready']);
  assert.deepEqual(said(plan, 'Progressing'), ['False', 'Settled']);
  assert.deepEqual([plan.status.epoch, plan.status.mixesReady], [5, '1/1']);
});

test('a zone is not Ready while a node is missing in the consensus', () => {
  const plan = planZone(settledView(['eu-mix-0']), laterMs);
  assert.deepEqual(said(plan, 'Ready'), ['False', 'NodesNotRegistered']);
  assert.match(condition(plan, 'Ready').message, /eu-rendezvous-0$/);
});

test('a ready pod of the template before does not count', () => {
  const settled = settledView(['eu-mix-0', 'eu-rendezvous-0']);
  const plan = planZone({ ...settled, nodeImage: 'herd.local/node:next' }, laterMs);
  assert.deepEqual([plan.status.mixesReady, condition(plan, 'Ready').status], ['0/1', 'False']);
});

test('an unreachable directory is a condition, and the epoch last seen stays', () => {
  const settled = settledView([]);
  const before = { ...published('eu'), epoch: 4 };
  const consensus = { kind: 'unreachable', problem: 'no answer' } as const;
  const plan = planZone({ ...settled, zone: { ...settled.zone, status: before }, consensus }, laterMs);
  assert.deepEqual(said(plan, 'DirectoryReady'), ['False', 'NoConsensus']);
  assert.equal(plan.status.epoch, 4);
});

test('what the spec no longer names is removed, a node’s StatefulSet last', () => {
  const eu = zone('eu', { mixes: { replicas: 2 } });
  const sets = planZone(view(eu), laterMs).apply.filter((o) => o.kind === 'StatefulSet') as NodeStatefulSet[];
  const fewer = { ...eu, spec: { ...eu.spec, mixes: { replicas: 1 } } };
  const plan = planZone(view(fewer, { statefulSets: sets.map(running) }), laterMs);
  assert.deepEqual(plan.remove, [
    { kind: 'Secret', name: 'eu-mix-1-identity' },
    { kind: 'StatefulSet', name: 'eu-mix-1' },
  ]);
});

test('what is wanted but can’t be built just now stays', () => {
  const settled = settledView([]);
  assert.deepEqual(planZone({ ...settled, services: [] }, laterMs).remove, []);
});

test('a zone that gives up its own directory loses Service and directory', () => {
  const settled = settledView([]);
  const moved = { ...settled.zone, spec: { ...settled.zone.spec, directory: { zoneRef: 'na' } } };
  const plan = planZone({ ...settled, zone: moved, zones: [moved], services: [service('eu')] }, laterMs);
  const removed = plan.remove.map((r) => `${r.kind}/${r.name}`);
  assert.deepEqual(removed, ['Service/eu-directory', 'Secret/eu-directory-0-identity', 'StatefulSet/eu-directory-0']);
});

test('a paused zone changes nothing and says so', () => {
  const plan = planZone(view(zone('eu', { paused: true })), laterMs);
  assert.deepEqual([plan.apply, plan.remove], [[], []]);
  assert.deepEqual(said(plan, 'Progressing'), ['False', 'Paused']);
});

test('a change of peers, roster or parameters changes the directory’s template; the order of what is read does not', () => {
  const template = (plan: ZonePlan) =>
    JSON.stringify(
      (plan.apply.find((o) => o.metadata.name === 'eu-directory-0' && o.kind === 'StatefulSet') as NodeStatefulSet)
        .spec,
    );
  const eu = zone('eu', { peers: [{ zone: 'na' }] });
  const others = [zone('na', {}, published('na')), zone('ch', { directory: { zoneRef: 'eu' } }, published('ch'))];
  const superpeers = ['a', 'b', 'c'].map((n) => superpeer(n, 'eu'));
  const base = template(planZone(view(eu, { zones: [eu, ...others], superpeers }), laterMs));
  const shuffled = fc.tuple(
    fc.shuffledSubarray([eu, ...others], { minLength: 3 }),
    fc.shuffledSubarray(superpeers, { minLength: 3 }),
  );
  fc.assert(
    fc.property(shuffled, ([zones, sps]) => template(planZone(view(eu, { zones, superpeers: sps }), laterMs)) === base),
  );
  const changes: [string, ZoneView][] = [
    ['a peer gone', view(eu, { zones: [eu, others[1]!], superpeers })],
    ['a superpeer fewer', view(eu, { zones: [eu, ...others], superpeers: superpeers.slice(1) })],
    ['other epochs', view({ ...eu, spec: { ...eu.spec, epochSeconds: 60 } }, { zones: [eu, ...others], superpeers })],
  ];
  for (const [row, changed] of changes) assert.notEqual(template(planZone(changed, laterMs)), base, row);
});

test('planning its own outcome again changes no transition time and no child', () => {
  const settled = settledView(['eu-mix-0', 'eu-rendezvous-0']);
  const first = planZone(settled, laterMs);
  const again = planZone({ ...settled, zone: { ...settled.zone, status: first.status } }, laterMs + 60_000);
  assert.deepEqual(again, first);
});
