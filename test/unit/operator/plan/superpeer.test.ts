import assert from 'node:assert/strict';
import test from 'node:test';
import { planSuperpeer, type SuperpeerPlan, type SuperpeerView } from '../../../../operator/plan/superpeer.ts';
import { key, laterMs, objectsOf, published, slot, superpeer, timeOf, zone } from '../samples.ts';

const listed = { registered: true, draining: false, answered: undefined, empty: undefined, expelled: undefined };
const base: SuperpeerView = {
  superpeer: superpeer('eu-sp', 'eu'),
  zone: zone('eu', {}, published('eu')),
  host: undefined,
  slot: undefined,
  members: [],
  listed: undefined,
  receipts: [],
};
const said = (plan: SuperpeerPlan) => plan.status.conditions.map((c) => `${c.type}=${c.status} ${c.reason}`);

test('a superpeer of a missing zone names the zone, and gets no slot before there is a directory', () => {
  const plan = planSuperpeer({ ...base, zone: undefined }, laterMs);
  assert.deepEqual(said(plan), [
    'Reached=Unknown NotTried',
    'Ready=False ZoneNotFound',
    'Registered=False NotAsked',
    'Trusted=True NoVerdict',
    'ZoneFound=False ZoneNotFound',
  ]);
  assert.match(plan.status.conditions[4]!.message, /^zone eu does not exist/);
  assert.deepEqual(objectsOf(plan), []);
  const there = planSuperpeer({ ...base, zone: undefined, slot: slot('eu-sp', 'superpeer') }, laterMs);
  assert.deepEqual(objectsOf(there), ['NodeSlot/eu-sp']);
});

test('a superpeer is Ready when its slot is Active and the directory lists it', () => {
  const rows: [Partial<SuperpeerView>, string][] = [
    [{ listed }, 'Ready=False NotActive'],
    [{ slot: slot('eu-sp', 'superpeer') }, 'Ready=False NotAsked'],
    [{ slot: slot('eu-sp', 'superpeer'), listed: 'absent' }, 'Ready=False NotInConsensus'],
    [{ slot: slot('eu-sp', 'superpeer', { state: 'Draining' }), listed }, 'Ready=False NotActive'],
    [
      { slot: slot('eu-sp', 'superpeer'), listed: { ...listed, registered: false, expelled: 'tampering' } },
      'Ready=False Expelled',
    ],
    [
      { slot: slot('eu-sp', 'superpeer'), listed: { ...listed, registered: false, expelled: 'unserviceable' } },
      'Ready=False Unserviceable',
    ],
    [{ slot: slot('eu-sp', 'superpeer'), listed }, 'Ready=True Ready'],
  ];
  for (const [rest, expected] of rows) assert.equal(said(planSuperpeer({ ...base, ...rest }, laterMs))[1], expected);
  assert.equal(planSuperpeer({ ...base, slot: slot('eu-sp', 'superpeer') }, laterMs).status.identityKey, key('eu-sp'));
});

test('one that others run has no slot, and is not Ready before it is approved', () => {
  const external = superpeer('garage', 'eu', { external: { identityKey: key('garage') } });
  const plan = planSuperpeer({ ...base, superpeer: external, listed: 'absent' }, laterMs);
  assert.deepEqual(plan.apply, []);
  assert.equal(said(plan)[1], 'Ready=False NotApproved');
  assert.equal(
    said(plan).some((condition) => condition.startsWith('Approved')),
    false,
    'that is a person’s to say',
  );
});

test('a verdict stands when the directory has forgotten it, until somebody forgives it', () => {
  const expelled = { ...listed, registered: false, expelled: 'tampering' };
  const slotOf = slot('eu-sp', 'superpeer');
  const first = planSuperpeer({ ...base, slot: slotOf, listed: expelled }, laterMs);
  const told = { ...base.superpeer, status: first.status };
  const trusted = (rest: object, annotations = {}) => {
    const metadata = { ...told.metadata, annotations };
    const plan = planSuperpeer({ ...base, slot: slotOf, superpeer: { ...told, metadata }, ...rest }, laterMs + 60_000);
    return said(plan).find((condition) => condition.startsWith('Trusted'));
  };
  assert.equal(trusted({ listed: 'absent' }), 'Trusted=False Expelled');
  assert.equal(
    trusted({ listed: 'absent' }, { 'herd.network/readmit': timeOf(laterMs - 1_000) }),
    'Trusted=False Expelled',
  );
  assert.equal(
    trusted({ listed: 'absent' }, { 'herd.network/readmit': timeOf(laterMs + 1_000) }),
    'Trusted=True NoVerdict',
  );
});
