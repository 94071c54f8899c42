/** Where Kubernetes' own scheduler puts the operator's pods, on machines that are no more than their objects. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import type { NodeSlotSpec, SlotRole } from '../../operator/api/slot.ts';
import { type Manifest, nodes, type Pod, pods } from '../../operator/kube/types.ts';
import { slotObjects } from '../../operator/objects/slot.ts';
import { directory, key, slot } from '../unit/operator/samples.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { apply } from './support/install.ts';

const namespace = 'herd';
const image = 'herd.local/node:test';
const region = 'topology.kubernetes.io/region';
const availabilityZone = 'topology.kubernetes.io/zone';

suite('the scheduler', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane({ controllers: false, scheduler: true });
    await apply(plane.admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  });
  after(() => plane?.stop());

  /** A machine that has joined and is ready; a cloud's says in which availability zone it is. */
  async function machine(name: string, where: string, zone?: string): Promise<void> {
    const labels = { 'kubernetes.io/hostname': name, [region]: where, ...(zone ? { [availabilityZone]: zone } : {}) };
    const about = { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
    await apply(plane.admin, about);
    const amounts = { cpu: '16', memory: '32Gi', pods: '110' };
    const status = { capacity: amounts, allocatable: amounts, conditions: [{ type: 'Ready', status: 'True' }] };
    await plane.admin.applyStatus(nodes, { ...about, status } as Manifest, 'kubelet');
    // What a server puts on a new machine until a controller has seen that it is ready.
    await plane.admin.patch(nodes, '', name, { spec: { taints: null } });
  }

  async function start(name: string, role: SlotRole, port: number, spec: Partial<NodeSlotSpec>): Promise<void> {
    const ports = { cells: port, metrics: port + 500 };
    const { statefulSet } = slotObjects({
      slot: slot(name, role, {}, spec),
      identityKey: key('a'),
      directory,
      ports,
      image,
    });
    const { metadata, spec: template } = statefulSet.spec.template;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels: metadata!.labels! },
      spec: template,
    };
    await plane.admin.create(pods, pod as Manifest);
  }

  const get = async (name: string) => (await plane.admin.get(pods, namespace, name)) as Pod;
  const placed = (name: string) =>
    eventually(async () => (await get(name)).spec!.nodeName, `a machine for ${name}`) as Promise<string>;
  const refused = (name: string) =>
    eventually(async () => {
      const said = (await get(name)).status!.conditions?.find(({ type }) => type === 'PodScheduled');
      return said?.status === 'False' && said.message;
    }, `a word on ${name}`) as Promise<string>;
  const within = (where: string, rest: Partial<NodeSlotSpec> = {}): Partial<NodeSlotSpec> => ({
    nodeSelector: { [region]: where },
    ...rest,
  });

  test('puts the layers of a zone on machines of their own, which have no availability zone', async () => {
    for (const name of ['a', 'b', 'c']) await machine(name, 'eu');
    const three: [string, SlotRole][] = [
      ['eu-mix-0', 'mix'],
      ['eu-rendezvous-0', 'rendezvous'],
      ['eu-sp', 'superpeer'],
    ];
    const on = new Map<string, string>();
    for (const [i, [name, role]] of three.entries()) {
      await start(name, role, 21000 + i, within('eu'));
      on.set(name, await placed(name));
    }
    assert.deepEqual([...on.values()].sort(), ['a', 'b', 'c']);
    await start('eu-mix-1', 'mix', 21003, within('eu'));
    assert.equal(await placed('eu-mix-1'), on.get('eu-mix-0'), 'the only one that has no other layer');
    await start('na-mix-0', 'mix', 21004, within('eu'));
    assert.ok(await placed('na-mix-0'), 'another zone’s may be on any');
  });

  test('lets a layer wait that has no machine of its own, unless the zone is a trial', async () => {
    await machine('alone', 'sa');
    await start('sa-mix-0', 'mix', 21000, within('sa'));
    await placed('sa-mix-0');
    await start('sa-rendezvous-0', 'rendezvous', 21001, within('sa'));
    assert.match(await refused('sa-rendezvous-0'), /anti-affinity/);
    const placement = { layers: 'Together', rendezvousSpread: 'Preferred' } as const;
    await machine('trial', 'au');
    for (const [i, role] of (['mix', 'rendezvous', 'superpeer'] as const).entries()) {
      await start(`au-${role}`, role, 21000 + i, within('au', { placement }));
      assert.equal(await placed(`au-${role}`), 'trial');
    }
  });

  test('spreads rendezvous evenly over availability zones where it has to, and lets them wait where there is none', async () => {
    const placement = { layers: 'Separate', rendezvousSpread: 'Required' } as const;
    for (const [name, zone] of [
      ['m1', 'x'],
      ['m2', 'x'],
      ['m3', 'x'],
      ['m4', 'y'],
    ] as const)
      await machine(name, 'ap', zone);
    const on: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      await start(`ap-rendezvous-${i}`, 'rendezvous', 21000 + i, within('ap', { placement }));
      on.push(await placed(`ap-rendezvous-${i}`));
    }
    assert.equal(on.filter((name) => name === 'm4').length, 2);
    assert.equal(new Set(on.filter((name) => name !== 'm4')).size, 2, 'within a zone over its machines');
    await machine('unlabelled', 'af');
    await start('af-rendezvous-0', 'rendezvous', 21000, within('af', { placement }));
    assert.match(await refused('af-rendezvous-0'), /topology spread constraints/);
  });

  test('keeps pods with one port apart', async () => {
    await machine('busy', 'jp');
    await start('jp-mix-0', 'mix', 21000, within('jp'));
    await placed('jp-mix-0');
    await start('jp-mix-1', 'mix', 21000, within('jp'));
    assert.match(await refused('jp-mix-1'), /free ports/);
    await start('jp-mix-2', 'mix', 21001, within('jp'));
    assert.equal(await placed('jp-mix-2'), 'busy');
  });
});
