/** The CRDs as a real API server takes them: accepted, and defaulting. What it refuses of them is in invalid.test.ts. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { zones } from '../../operator/kube/types.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { apply, install } from './support/install.ts';
import { namespace, zone } from './support/samples.ts';

suite('the Zone and Superpeer API', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    await install(plane.admin, namespace);
  });
  after(() => plane?.stop());

  test('a condition of each CRD says that the schema is structural', async () => {
    for (const name of ['zones.herd.network', 'superpeers.herd.network', 'nodeslots.herd.network']) {
      const resource = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions', kind: '' };
      const crd = (await eventually(() => plane.admin.get(resource, '', name), name)) as unknown as {
        status: { conditions: { type: string; status: string }[] };
      };
      const status = Object.fromEntries(crd.status.conditions.map((c) => [c.type, c.status]));
      assert.equal(status.Established, 'True');
      assert.notEqual(status.NonStructuralSchema, 'True');
    }
  });

  test('a Zone that says little gets the defaults', async () => {
    await apply(plane.admin, zone('small'));
    const stored = await plane.admin.get(zones, namespace, 'small');
    assert.deepEqual(stored!.spec, {
      provider: 'north',
      jurisdiction: 'EU',
      regions: [{ name: 'small', mixes: { replicas: 1 }, rendezvous: { replicas: 1 } }],
      placement: { layers: 'Separate', rendezvousSpread: 'Preferred' },
      network: { mode: 'Host', ports: { first: 21000, count: 500 }, addresses: 'Public' },
      resources: { cpu: '1', memory: '256Mi' },
      directory: {},
      profile: 'B',
      clientsPerChannel: 20,
      attachmentsPerClient: 3,
      assignment: 'augment',
      directClients: 0,
      chaff: { cellsPerTick: 2 },
      drainDeadlineSeconds: 1800,
      receiptSeconds: 86400,
      epochSeconds: 900,
      keyLifetimes: { circuit: '24h', link: '720h', signing: '168h' },
      peers: [],
      paused: false,
    });
  });
});
