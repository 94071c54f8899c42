import assert from 'node:assert/strict';
import test from 'node:test';
import type { SlotRole } from '../../../../operator/api/slot.ts';
import { directoryObjects, directoryURL } from '../../../../operator/objects/directory.ts';
import { keySecret } from '../../../../operator/objects/secret.ts';
import { slotObjects } from '../../../../operator/objects/slot.ts';
import { key, slot, zone } from '../samples.ts';

const eu = zone('eu');
const directory = { url: 'http://10.96.0.7:8080', rootKey: key('root') };
const image = 'herd.local/node:test';
const ports = { cells: 21007, metrics: 21507 };
const node = (name: string, role: SlotRole, identityKey = key('a'), address = directory, given = ports) =>
  slotObjects({ slot: slot(name, role), identityKey, directory: address, ports: given, image });
const machine = 'kubernetes.io/hostname';
const mix = (identityKey = key('a'), address = directory) => node('eu-eu-mix-0', 'mix', identityKey, address);
const all = () => [
  mix().statefulSet,
  node('eu-eu-rendezvous-0', 'rendezvous').statefulSet,
  node('eu-sp', 'superpeer').statefulSet,
  directoryObjects({ zone: eu, id: 'eu-directory-0', served: [], rootKeys: [], image }).statefulSet,
];

test('node.json is what the daemon expects', () => {
  assert.deepEqual(JSON.parse(mix().configMap.data['node.json']), {
    role: 'mix',
    id: 'eu-eu-mix-0',
    zone: 'eu',
    directory,
    listen: { port: 21007 },
    metrics: { port: 21507 },
  });
});

test('a node reads its address from what its pod’s annotation says; nobody asks a directory for one', () => {
  const file = { path: 'address', fieldRef: { fieldPath: "metadata.annotations['herd.network/address']" } };
  const rows = all().map((set) => [
    template(set).volumes!.find(({ name }) => name === 'pod')?.downwardAPI?.items,
    template(set).containers[0]!.volumeMounts!.find(({ name }) => name === 'pod')?.mountPath,
  ]);
  assert.deepEqual(rows, [...new Array(3).fill([[file], '/etc/herd/pod']), [undefined, undefined]]);
});

test('nodes are in the network of their machine, at ports that nobody else may have there; a directory is not', () => {
  const rows = all().map((set) => [
    template(set).hostNetwork,
    template(set).containers[0]!.ports!.map(({ name, containerPort, hostPort }) => [name, containerPort, hostPort]),
  ]);
  const onHost = [
    ['cells', 21007, 21007],
    ['metrics', 21507, 21507],
  ];
  const inPod = [
    ['http', 8080, undefined],
    ['metrics', 9100, undefined],
  ];
  assert.deepEqual(rows, [...new Array(3).fill([true, onHost]), [undefined, inPod]]);
});

test('where the zone says so nodes are in the pod network, and no port is of a machine', () => {
  const network = { mode: 'Pod', ports: { first: 21000, count: 500 }, addresses: 'Public' } as const;
  const of = slot('eu-eu-mix-0', 'mix', {}, { network });
  const { statefulSet } = slotObjects({ slot: of, identityKey: key('a'), directory, ports, image });
  assert.equal(template(statefulSet).hostNetwork, undefined);
  for (const port of template(statefulSet).containers[0]!.ports!) assert.equal(port.hostPort, undefined);
});

test('every pod meets the restricted Pod Security Standard, but for its machine’s network, and gets no token', () => {
  for (const { spec } of all()) {
    const pod = spec.template.spec!;
    const container = pod.containers[0]!;
    assert.equal(pod.automountServiceAccountToken, false);
    assert.deepEqual([pod.securityContext!.runAsNonRoot, pod.securityContext!.runAsUser], [true, 65532]);
    assert.deepEqual(pod.securityContext!.seccompProfile, { type: 'RuntimeDefault' });
    assert.deepEqual(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
  }
});

const template = (o: ReturnType<typeof all>[number]) => o.spec.template.spec!;
const trial = { layers: 'Together', rendezvousSpread: 'Preferred' } as const;

test('every pod is of the Guaranteed class: it gets what it asks for, no less and no more', () => {
  for (const set of all()) {
    const { requests, limits } = template(set).containers[0]!.resources!;
    assert.deepEqual(Object.keys(requests!).sort(), ['cpu', 'memory']);
    assert.deepEqual(requests, limits);
  }
});

test('a node keeps off the machines of the zone’s other layers, unless the zone is a trial; a directory would rather', () => {
  const rows = all().map((set) => {
    const { podAntiAffinity } = template(set).affinity!;
    const required = podAntiAffinity!.requiredDuringSchedulingIgnoredDuringExecution;
    const preferred = podAntiAffinity!.preferredDuringSchedulingIgnoredDuringExecution;
    const { labelSelector, topologyKey } = required?.[0] ?? preferred![0]!.podAffinityTerm;
    assert.deepEqual([labelSelector!.matchLabels, topologyKey], [{ 'herd.network/zone': 'eu' }, machine]);
    return [required !== undefined, ...labelSelector!.matchExpressions![0]!.values!];
  });
  assert.deepEqual(rows, [
    [true, 'rendezvous', 'superpeer'],
    [true, 'mix', 'superpeer'],
    [true, 'mix', 'rendezvous'],
    [false, 'mix', 'rendezvous', 'superpeer'],
  ]);
  const together = slotObjects({
    slot: slot('eu-eu-mix-0', 'mix', {}, { placement: trial }),
    identityKey: key('a'),
    directory,
    ports,
    image,
  });
  assert.equal(template(together.statefulSet).affinity, undefined);
});

test('nodes of a role are spread over availability zones and machines; rendezvous strictly where the zone says so', () => {
  const spread = (role: SlotRole, rendezvousSpread: 'Preferred' | 'Required') => {
    const placement = { layers: 'Separate', rendezvousSpread } as const;
    const of = slot('eu-node', role, {}, { placement });
    const { statefulSet } = slotObjects({ slot: of, identityKey: key('a'), directory, ports, image });
    return template(statefulSet).topologySpreadConstraints!.map((c) => {
      assert.deepEqual(c.labelSelector!.matchLabels, { 'herd.network/zone': 'eu', 'herd.network/role': role });
      return [c.topologyKey, c.whenUnsatisfiable];
    });
  };
  const asItGoes = [
    ['topology.kubernetes.io/zone', 'ScheduleAnyway'],
    [machine, 'ScheduleAnyway'],
  ];
  assert.deepEqual(spread('rendezvous', 'Preferred'), asItGoes);
  assert.deepEqual(spread('mix', 'Required'), asItGoes);
  assert.deepEqual(spread('rendezvous', 'Required'), [['topology.kubernetes.io/zone', 'DoNotSchedule'], asItGoes[1]]);
});

test('every node runs its role’s program in its region, and is selected by its own label alone', () => {
  const rows = all().map(({ metadata, spec }) => [
    metadata.name,
    spec.template.spec!.containers[0]!.args![0],
    spec.template.spec!.nodeSelector!['topology.kubernetes.io/region'],
    spec.selector.matchLabels,
  ]);
  assert.deepEqual(rows, [
    ['eu-eu-mix-0', 'nodes/mix/main.ts', 'eu', { 'herd.network/node': 'eu-eu-mix-0' }],
    ['eu-eu-rendezvous-0', 'nodes/rendezvous/main.ts', 'eu', { 'herd.network/node': 'eu-eu-rendezvous-0' }],
    ['eu-sp', 'nodes/superpeer/main.ts', 'eu', { 'herd.network/node': 'eu-sp' }],
    ['eu-directory-0', 'nodes/directory/main.ts', 'eu', { 'herd.network/node': 'eu-directory-0' }],
  ]);
});

test('a new configuration, key or port each make a new template, the same ones the same', () => {
  const template = (o: ReturnType<typeof mix>) => JSON.stringify(o.statefulSet.spec.template);
  assert.equal(template(mix()), template(mix()));
  assert.notEqual(template(mix()), template(mix(key('other'))));
  const moved = node('eu-eu-mix-0', 'mix', key('a'), directory, { ...ports, cells: 21008 });
  assert.notEqual(template(mix()), template(moved));
  assert.notEqual(template(mix()), template(mix(key('a'), { ...directory, url: 'http://10.96.0.8:8080' })));
});

test('a slot’s pod is ended by the operator alone, and has time to drain by itself; a directory’s rolls', () => {
  const rows = all().map(({ spec }) => [spec.updateStrategy!.type, spec.template.spec!.terminationGracePeriodSeconds]);
  assert.deepEqual(rows, [...new Array(3).fill(['OnDelete', 60]), ['RollingUpdate', 5]]);
});

test('children name their owner as controller', () => {
  const owner = {
    apiVersion: 'herd.network/v1alpha1',
    kind: 'NodeSlot',
    name: 'eu-eu-mix-0',
    uid: 'uid-eu-eu-mix-0',
    controller: true,
  };
  assert.deepEqual(mix().configMap.metadata.ownerReferences, [owner]);
});

test('a key’s Secret is immutable, and no other object holds the seed', () => {
  const wanted = { name: 'eu-root', key: 'root', labels: {} } as const;
  const secret = keySecret({ kind: 'Zone', metadata: eu.metadata }, wanted, 'SEED', key('public'));
  assert.equal(secret.immutable, true);
  assert.deepEqual(secret.stringData, { root: 'SEED' });
  assert.deepEqual(secret.metadata.annotations, { 'herd.network/public-key': key('public') });
});

test('an IPv6 address is bracketed in the directory’s URL', () => {
  assert.equal(directoryURL('fd00::7'), 'http://[fd00::7]:8080');
});
