/** The CRDs as a real API server takes them: accepted, defaulting, and refusing with the field's name. */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { ApiError } from '../../operator/kube/errors.ts';
import { type Manifest, zones } from '../../operator/kube/types.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { apply, install } from './support/install.ts';
import { namespace, superpeer, zone } from './support/samples.ts';

suite('the Zone and Superpeer API', { skip }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    await install(plane.admin, namespace);
  });
  after(() => plane?.stop());

  const refused = async (manifest: Manifest, ...words: RegExp[]) => {
    await assert.rejects(apply(plane.admin, manifest), (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.code, 422);
      for (const word of words) assert.match(error.message, word);
      return true;
    });
  };

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
      directory: { replicas: 1 },
      profile: 'B',
      clientsPerChannel: 20,
      attachmentsPerClient: 3,
      assignment: 'augment',
      directClients: 0,
      chaff: { cellsPerTick: 2 },
      drainDeadlineSeconds: 1800,
      epochSeconds: 900,
      peers: [],
      paused: false,
    });
  });

  test('a bad value is refused with its field, several with all of theirs', async () => {
    const spec = { regions: [{ name: 'a', mixes: { replicas: 65 } }], profile: 'C', epochSeconds: 5 };
    await refused(zone('bad', spec), /spec\.regions\[0\]\.mixes\.replicas/, /spec\.profile/, /spec\.epochSeconds/);
    await refused(superpeer('bad', 'eu', { channels: 65 }), /spec\.channels/);
  });

  test('the frozen baseline of the paper is only to be had whole', async () => {
    await refused(zone('half', { assignment: 'paper' }), /spec\.assignment/, /profile A/);
    await apply(plane.admin, zone('paper', { assignment: 'paper', profile: 'A', attachmentsPerClient: 2 }));
  });

  test('a directory has exactly one of replicas and zoneRef', async () => {
    await refused(zone('both', { directory: { replicas: 1, zoneRef: 'eu' } }), /spec\.directory/, /exactly one/);
    await refused(zone('neither', { directory: {} }), /spec\.directory/, /exactly one/);
  });

  test('a zone neither peers with itself nor refers to itself', async () => {
    await refused(zone('self', { peers: [{ zone: 'self' }] }), /spec\.peers/, /itself/);
    await refused(zone('self', { directory: { zoneRef: 'self' } }), /spec\.directory/, /another zone/);
  });

  test('a peer is named once', async () => {
    const twice = zone('twice', { peers: [{ zone: 'a' }, { zone: 'a' }] });
    await assert.rejects(plane.admin.create(zones, twice), /spec\.peers\[1\]: Duplicate value/);
  });

  test('provider and jurisdiction of a zone stay', async () => {
    await apply(plane.admin, zone('stay'));
    await refused(
      zone('stay', { provider: 'south', jurisdiction: 'US' }),
      /provider is immutable/,
      /jurisdiction is immutable/,
    );
    await apply(plane.admin, zone('stay', { epochSeconds: 60 }));
  });

  test('a name that could not head a pod’s name is refused', async () => {
    const regions = [{ name: 'a' }];
    await refused(zone('9lives', { regions }), /metadata\.name must be/);
    await refused(zone('a.b', { regions }), /metadata\.name must be/);
    await refused(zone('a'.repeat(21), { regions }), /metadata\.name must be/);
    await refused(superpeer('eu-mix-0', 'eu'), /must not end like/);
  });
});
