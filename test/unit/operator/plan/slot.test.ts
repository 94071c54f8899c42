import assert from 'node:assert/strict';
import test from 'node:test';
import type { NodeSlot } from '../../../../operator/api/slot.ts';
import type { NodeStatefulSet } from '../../../../operator/objects/pod.ts';
import { planSlot, type SlotPlan, type SlotView } from '../../../../operator/plan/slot.ts';
import { deleted, key, laterMs, machine, objectsOf, pod, running, slot, timeOf } from '../samples.ts';

const name = 'eu-eu-mix-0';
const listed = { registered: true, draining: false, answered: undefined, empty: undefined, expelled: undefined };
const empty = { ...listed, draining: true, empty: true };
const full = { ...listed, draining: true, empty: false };

const bare: SlotView = {
  slot: { ...slot(name, 'mix'), status: undefined },
  identityKey: key(name),
  keyProblem: undefined,
  port: 21007,
  made: [],
  statefulSet: undefined,
  pod: undefined,
  machine: undefined,
  listed: undefined,
  nodeImage: 'herd.local/node:test',
};

/** It runs what was planned, is in the consensus, and its status says so. */
function active(rest: Partial<SlotView> = {}, spec: Partial<NodeSlot['spec']> = {}): SlotView {
  const statefulSet = running(planSlot(bare, laterMs).apply[1] as NodeStatefulSet);
  return {
    ...bare,
    slot: slot(name, 'mix', {}, spec),
    statefulSet,
    pod: pod(name),
    machine: machine(),
    listed,
    ...rest,
  };
}

const cordoned = { ...machine(), spec: { unschedulable: true } };
const retired = (drain = true, status = {}) => deleted(slot(name, 'mix', status, { drain }));
const ready = (plan: SlotPlan) => {
  const { status, reason } = plan.status.conditions.find(({ type }) => type === 'Ready')!;
  return `${status} ${reason}`;
};

test('a slot has a key at once, and a pod when it knows its directory', () => {
  const waiting = planSlot(
    { ...bare, slot: { ...bare.slot, spec: { ...bare.slot.spec, directory: undefined } } },
    laterMs,
  );
  assert.deepEqual([waiting.apply, waiting.status.identityKey], [[], key(name)]);
  assert.equal(ready(waiting), 'False ZoneNotPublished');
  assert.deepEqual(objectsOf(planSlot(bare, laterMs)), [`ConfigMap/${name}`, `StatefulSet/${name}`]);
});

test('a slot goes from Pending over Publishing to Active', () => {
  const rows: [string, Partial<SlotView>, string, string][] = [
    ['no pod', { pod: undefined }, 'Pending', 'False NoPod'],
    [
      'a pod that is not ready',
      { pod: pod(name, { ready: false }), listed: 'absent' },
      'Publishing',
      'False PodNotReady',
    ],
    ['not listed', { listed: { ...listed, registered: false } }, 'Publishing', 'False NotInConsensus'],
    ['a directory that says nothing', { listed: undefined }, 'Active', 'False NotAsked'],
    ['listed', {}, 'Active', 'True Ready'],
  ];
  for (const [row, rest, state, condition] of rows) {
    const plan = planSlot(active(rest), laterMs);
    assert.deepEqual([plan.status.state, ready(plan)], [state, condition], row);
    assert.equal(plan.end, undefined, row);
  }
});

test('a pod that no machine takes says so in the scheduler’s words', () => {
  const message = '0/3 nodes are available: 3 node(s) didn’t match pod anti-affinity rules.';
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }];
  const waiting = { ...pod(name), spec: { containers: [] }, status: { phase: 'Pending', conditions } };
  const { status } = planSlot(active({ pod: waiting, listed: 'absent' }), laterMs);
  const found = status.conditions.find(({ type }) => type === 'PodReady')!;
  assert.deepEqual([status.state, found.reason, found.message], ['Pending', 'Unschedulable', message]);
});

test('a slot in its machine’s network has a pod when it has a port, and keeps the pod that it has while none is free', () => {
  const without = { ...bare, slot: { ...bare.slot, spec: { ...bare.slot.spec, port: undefined } } };
  assert.equal(planSlot(without, laterMs).grant, 21007);
  assert.equal(planSlot(bare, laterMs).grant, undefined);
  const full = { ...active(), port: undefined };
  const plan = planSlot(full, laterMs);
  assert.deepEqual([plan.grant, plan.apply, plan.end], [undefined, [], undefined]);
  assert.equal(ready(plan), 'False NoFreePort');
  const found = plan.status.conditions.find(({ type }) => type === 'PortsGiven')!;
  assert.equal(found.message, 'nodes that may be on the same machines have all ports from 21000 to 21499');
});

test('a slot in the pod network needs no port', () => {
  const network = { mode: 'Pod', ports: { first: 21000, count: 500 }, addresses: 'Public' } as const;
  const plan = planSlot(
    { ...bare, port: undefined, slot: slot(name, 'mix', {}, { network, port: undefined }) },
    laterMs,
  );
  assert.deepEqual([plan.grant, objectsOf(plan)], [undefined, [`ConfigMap/${name}`, `StatefulSet/${name}`]]);
});

test('a pod is told its address once, and again when its machine’s is another, beside what it was told of keys', () => {
  const told = (rest: Partial<SlotView>) => planSlot(active(rest), laterMs).nudge?.annotations;
  const untold = { ...pod(name), metadata: { ...pod(name).metadata, annotations: {} } };
  assert.deepEqual(told({ pod: untold }), { 'herd.network/address': '203.0.113.7' });
  const paused = slot(name, 'mix', {}, { paused: true });
  assert.deepEqual(told({ pod: untold, slot: paused }), { 'herd.network/address': '203.0.113.7' }, 'it came back');
  assert.equal(told({}), undefined);
  const other = machine([{ type: 'ExternalIP', address: '203.0.113.8' }]);
  assert.deepEqual(told({ machine: other }), { 'herd.network/address': '203.0.113.8' });
  const second = { kind: 'link', number: 2, madeMs: laterMs } as const;
  const both = { 'herd.network/address': '203.0.113.7', 'herd.network/keys': 'link-2' };
  assert.deepEqual(told({ made: [second] }), both);
  assert.deepEqual(told({ made: [second], machine: machine([]) }), both, 'where it was, while nothing else is known');
});

test('a slot says at which address and port its pod is reached, and what to do when there is none', () => {
  const { status } = planSlot(active(), laterMs);
  assert.equal(status.address, '203.0.113.7:21007');
  const unready = pod(name, { ready: false });
  const lost = planSlot(
    active({ pod: unready, machine: machine([]), listed: { ...listed, registered: false } }),
    laterMs,
  );
  assert.deepEqual([lost.status.state, lost.status.address, ready(lost)], ['Publishing', undefined, 'False NoAddress']);
});

test('whether the directory reaches the node is said, and is no part of being Ready', () => {
  const said = (answered: boolean | undefined) => {
    const plan = planSlot(active({ listed: { ...listed, answered } }), laterMs);
    const { status, reason } = plan.status.conditions.find(({ type }) => type === 'Reached')!;
    return [status, reason, ready(plan), plan.requeueAfterMs];
  };
  assert.deepEqual(said(true), ['True', 'Answered', 'True Ready', 60_000]);
  assert.deepEqual(said(false), ['False', 'NoAnswer', 'True Ready', 60_000]);
  assert.deepEqual(said(undefined), ['Unknown', 'NotTried', 'True Ready', 60_000]);
});

test('what makes a slot wish to drain', () => {
  const rows: [Partial<SlotView>, string | undefined][] = [
    [{}, undefined],
    [{ slot: retired(false) }, 'Retired'],
    [{ machine: cordoned }, 'Cordoned'],
    [{ pod: pod(name, { revision: 'older' }) }, 'Outdated'],
    [
      {
        slot: {
          ...slot(name, 'mix'),
          metadata: { ...slot(name, 'mix').metadata, annotations: { 'herd.network/drain': '' } },
        },
      },
      'Requested',
    ],
  ];
  for (const [rest, reason] of rows) {
    const plan = planSlot(active(rest), laterMs);
    assert.equal(plan.status.drainReason, reason);
    assert.equal(plan.end, undefined, 'not without permission');
  }
});

test('a template that the StatefulSet’s controller has not seen yet says nothing of the pod', () => {
  const seen = active({ pod: pod(name, { revision: 'older' }) });
  const unseen = { ...seen.statefulSet!, metadata: { ...seen.statefulSet!.metadata, generation: 2 } };
  assert.equal(planSlot({ ...seen, statefulSet: unseen }, laterMs).status.drainReason, undefined);
});

test('with permission the pod is ended when the directory says that nothing rides on it, or at the deadline', () => {
  const outdated = pod(name, { revision: 'older' });
  const at = (rest: Partial<SlotView>, nowMs = laterMs, drainingSince = timeOf(laterMs)) => {
    const draining = slot(name, 'mix', { drainingSince, drainReason: 'Outdated', state: 'Draining' }, { drain: true });
    return planSlot(active({ slot: draining, pod: outdated, ...rest }), nowMs);
  };
  const first = planSlot(active({ pod: outdated }, { drain: true }), laterMs);
  assert.deepEqual(
    [first.status.state, first.status.drainingSince, first.end],
    ['Draining', timeOf(laterMs), undefined],
  );
  assert.equal(at({ listed }).end, undefined, 'the directory does not say yet that it drains');
  assert.equal(at({ listed: full }).end, undefined);
  assert.deepEqual(at({ listed: empty }).end, { kind: 'Pod', name: `${name}-0`, uid: `uid-${name}-0` });
  assert.equal(at({ listed: undefined }).end, undefined);
  assert.equal(at({ listed: full }, laterMs + 1_799_000).end, undefined);
  assert.ok(at({ listed: full }, laterMs + 1_800_000).end);
  assert.ok(at({ listed: undefined }, laterMs + 1_800_000).end);
});

test('a pod that neither is ready nor listed carries nothing and is replaced at once; one that is ready may only be forgotten', () => {
  const unlisted = { ...listed, registered: false };
  const stuck = active({ pod: pod(name, { revision: 'older', ready: false }), listed: unlisted });
  assert.ok(planSlot(stuck, laterMs).end);
  assert.equal(planSlot({ ...stuck, pod: pod(name, { revision: 'older' }) }, laterMs).end, undefined);
});

test('a node that somebody asked to drain stays, drained', () => {
  const annotations = { 'herd.network/drain': 'looking at its disk' };
  const asked = slot(name, 'mix', { drainingSince: timeOf(laterMs) }, { drain: true });
  const plan = planSlot(
    active({ slot: { ...asked, metadata: { ...asked.metadata, annotations } }, listed: empty }),
    laterMs,
  );
  assert.deepEqual([plan.status.state, plan.status.drained, plan.end], ['Draining', true, undefined]);
});

test('a slot that is to be no more drains, leaves the roster, loses its pod and is let go, in this order', () => {
  const since = { drainingSince: timeOf(laterMs), drainReason: 'Retired' } as const;
  const steps: [string, Partial<SlotView>, unknown[]][] = [
    ['it drains', { slot: retired(true, since), listed: full }, ['Draining', false, false, true]],
    ['nothing rides on it', { slot: retired(true, since), listed: empty }, ['Draining', true, false, true]],
    [
      'out of the roster',
      { slot: retired(true, { ...since, drained: true }), listed: 'absent' },
      ['Draining', true, true, true],
    ],
    [
      'its pod has ended',
      { slot: retired(true, { ...since, drained: true }), listed: 'absent', pod: undefined, statefulSet: undefined },
      ['Gone', true, false, false],
    ],
  ];
  for (const [row, rest, expected] of steps) {
    const { status, end, finalizer, apply } = planSlot(active(rest), laterMs);
    assert.deepEqual([status.state, status.drained, end !== undefined, finalizer], expected, row);
    assert.deepEqual(apply, [], row);
  }
});

test('a retired slot waits for nobody when it never had a pod or is forced, and not for ever for a directory that is gone', () => {
  assert.equal(planSlot({ ...bare, slot: retired(false) }, laterMs).finalizer, false);
  const forced = retired(false);
  const force = { ...forced, metadata: { ...forced.metadata, annotations: { 'herd.network/force': 'true' } } };
  assert.ok(planSlot(active({ slot: force, listed: full }), laterMs).end);
  const alone = active({ slot: retired(false), listed: undefined });
  assert.equal(planSlot(alone, laterMs + 1_799_000).end, undefined);
  assert.ok(planSlot(alone, laterMs + 1_800_000).end);
});

test('a paused slot is left as it is', () => {
  const drain = { drain: true, paused: true };
  const plan = planSlot(active({ slot: slot(name, 'mix', {}, drain), machine: cordoned, listed: empty }), laterMs);
  assert.deepEqual([plan.apply, plan.end], [[], undefined]);
});
