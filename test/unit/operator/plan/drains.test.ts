import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { DrainReason, NodeSlot, SlotRole, SlotState } from '../../../../operator/api/slot.ts';
import { planDrains } from '../../../../operator/plan/drains.ts';
import { deleted, slot } from '../samples.ts';

const mix = (number: number, drainReason?: DrainReason, drain = false, state: SlotState = 'Active') =>
  slot(`eu-eu-mix-${number}`, 'mix', { state, ...(drainReason ? { drainReason } : {}) }, { drain });
const changes = (slots: readonly NodeSlot[], leaving = false, unseen: readonly SlotRole[] = []) =>
  planDrains(slots, leaving, new Set(unseen)).map(({ slot: { metadata }, drain }) => `${metadata.name} ${drain}`);

test('of two that would like to drain the more urgent may, then the first by name', () => {
  assert.deepEqual(changes([mix(0, 'Outdated'), mix(1, 'Cordoned'), mix(2)]), ['eu-eu-mix-1 true']);
  assert.deepEqual(changes([mix(1, 'Outdated'), mix(0, 'Outdated')]), ['eu-eu-mix-0 true']);
});

test('nobody else may while one has the permission, until it is Active again without a reason', () => {
  assert.deepEqual(changes([mix(0, 'Outdated', true, 'Draining'), mix(1, 'Cordoned')]), []);
  assert.deepEqual(
    changes([mix(0, undefined, true, 'Pending'), mix(1, 'Outdated')]),
    [],
    'its successor is not up yet',
  );
  assert.deepEqual(changes([mix(0, undefined, true), mix(1, 'Outdated')]), ['eu-eu-mix-0 false', 'eu-eu-mix-1 true']);
});

test('one that is down keeps the others from draining, one that is to be no more does not', () => {
  assert.deepEqual(changes([mix(0, 'Outdated'), mix(1, undefined, false, 'Pending')]), []);
  const retired = [deleted(mix(1, 'Retired')), deleted(mix(2, 'Retired'))];
  assert.deepEqual(changes([mix(0), ...retired]), ['eu-eu-mix-1 true'], 'both wait for nobody but each other');
});

test('of different roles one drains after the other', () => {
  const rendezvous = (reason?: DrainReason, drain = false, state: SlotState = 'Active', drained = false) =>
    slot('eu-eu-rendezvous-0', 'rendezvous', { state, drained, ...(reason ? { drainReason: reason } : {}) }, { drain });
  assert.deepEqual(changes([mix(0, 'Outdated'), rendezvous('Outdated')]), ['eu-eu-mix-0 true']);
  assert.deepEqual(changes([mix(0, 'Cordoned'), rendezvous('Outdated', true, 'Draining')]), []);
  const leftBy = (reason: DrainReason) => changes([mix(0, reason), rendezvous(undefined, true, 'Publishing')]);
  assert.deepEqual(leftBy('Outdated'), [], 'another image waits for the successor');
  assert.deepEqual(leftBy('Cordoned'), ['eu-eu-mix-0 true'], 'somebody’s kubectl drain does not: nothing rides on it');
  const asked = rendezvous('Requested', true, 'Draining', true);
  assert.deepEqual(changes([mix(0, 'Outdated'), asked]), ['eu-eu-mix-0 true'], 'it may stay so for weeks');
});

test('none of a role gets the permission while some of it can’t be seen, and who has it keeps it', () => {
  assert.deepEqual(changes([mix(0, 'Cordoned'), mix(1)], false, ['mix']), []);
  assert.deepEqual(changes([mix(0, 'Cordoned'), mix(1)], false, ['rendezvous']), ['eu-eu-mix-0 true']);
  assert.deepEqual(changes([mix(0, 'Cordoned', true, 'Draining'), mix(1)], false, ['mix']), []);
  assert.deepEqual(changes([mix(0, 'Retired')], true, ['mix']), ['eu-eu-mix-0 true'], 'of a deleted zone it does');
});

test('of a deleted zone all drain', () => {
  assert.deepEqual(changes([mix(0, 'Retired'), mix(1, 'Retired', true)], true), ['eu-eu-mix-0 true']);
});

const anySlot = fc.record({
  role: fc.constantFrom('mix' as const, 'rendezvous' as const, 'superpeer' as const),
  state: fc.constantFrom<SlotState>('Pending', 'Publishing', 'Active', 'Draining'),
  reason: fc.constantFrom<DrainReason | undefined>(undefined, 'Retired', 'Cordoned', 'Outdated', 'Requested'),
  drain: fc.boolean(),
});

test('whatever the slots are like, at most one more may drain than could before, and none of a role while one still does', () => {
  fc.assert(
    fc.property(fc.array(anySlot, { maxLength: 12 }), (rows) => {
      const slots = rows.map(({ role, state, reason, drain }, index) => {
        const made = slot(`eu-${index}`, role, { state, ...(reason ? { drainReason: reason } : {}) }, { drain });
        return reason === 'Retired' ? deleted(made) : made;
      });
      const decided = planDrains(slots, false, new Set());
      const mayNow = (one: NodeSlot) => decided.find(({ slot: s }) => s === one)?.drain ?? one.spec.drain;
      assert.ok(slots.filter((one) => mayNow(one) && !one.spec.drain).length <= 1);
      for (const role of ['mix', 'rendezvous', 'superpeer'] as const) {
        const of = slots.filter(({ spec }) => spec.role === role);
        const added = of.filter((one) => mayNow(one) && !one.spec.drain);
        const kept = of.filter((one) => mayNow(one) && one.spec.drain);
        assert.ok(added.length <= (kept.length === 0 ? 1 : 0));
        for (const one of added) {
          assert.notEqual(one.status!.drainReason, undefined);
          for (const other of of.filter((o) => o !== one && !o.metadata.deletionTimestamp))
            assert.equal(other.status!.state, 'Active');
        }
      }
    }),
  );
});
