import assert from 'node:assert/strict';
import test from 'node:test';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { ApiError } from '../../../../operator/kube/errors.ts';
import { Elector, LeaseObserver, leaseMs, renewMs, retryMs } from '../../../../operator/kube/lease.ts';
import type { Lease } from '../../../../operator/kube/types.ts';

const held = (renewTime: string) => ({ holderIdentity: 'other', leaseDurationSeconds: 15, renewTime });

test('a lease that is free or ours may be taken', () => {
  const observer = new LeaseObserver();
  assert.equal(observer.available(undefined, 'me', 0), true);
  assert.equal(observer.available({ holderIdentity: '' }, 'me', 0), true);
  assert.equal(observer.available({ ...held('t'), holderIdentity: 'me' }, 'me', 0), true);
});

test('another’s lease may be taken only after we saw it unchanged for its whole duration', () => {
  const observer = new LeaseObserver();
  const lease = held('2000-01-01T00:00:00.000000Z');
  observer.observe(lease, 1_000);
  assert.equal(observer.available(lease, 'me', 1_000), false, 'however old its timestamp is');
  observer.observe(lease, 15_000);
  assert.equal(observer.available(lease, 'me', 16_000), false);
  assert.equal(observer.available(lease, 'me', 16_001), true);
});

test('each renewal that we see starts the time anew, even one with a timestamp of the past', () => {
  const observer = new LeaseObserver();
  observer.observe(held('2026-01-01T00:00:10.000000Z'), 0);
  const renewed = held('2026-01-01T00:00:05.000000Z');
  observer.observe(renewed, 14_000);
  assert.equal(observer.available(renewed, 'me', 20_000), false);
});

test('a holder stops before another may start, with time for several renewals', () => {
  assert.ok(renewMs < leaseMs);
  assert.ok(retryMs * 3 < renewMs);
});

/** An API server with one lease. */
function leaseServer() {
  let stored: Lease | undefined;
  let version = 0;
  const asked: string[] = [];
  const save = (lease: object): Lease => {
    stored = structuredClone(lease) as Lease;
    (stored.metadata as { resourceVersion: string }).resourceVersion = `${++version}`;
    return structuredClone(stored);
  };
  const client = {
    async get() {
      asked.push('get');
      return stored && structuredClone(stored);
    },
    async create(_: unknown, lease: object) {
      asked.push('create');
      if (stored) throw new ApiError(409, 'AlreadyExists', '');
      return save(lease);
    },
    async update(_: unknown, lease: Lease) {
      asked.push('update');
      if (lease.metadata.resourceVersion !== stored?.metadata.resourceVersion) throw new ApiError(409, 'Conflict', '');
      return save(lease);
    },
  } as unknown as KubeClient;
  const steal = () => save({ ...stored!, spec: { ...stored!.spec, holderIdentity: 'thief' } });
  return { client, asked, steal, holder: () => stored?.spec?.holderIdentity };
}

const never = (error: unknown) => assert.fail(String(error));

test('a write may begin while the lease is held, and may take until another could lead', async () => {
  const { client } = leaseServer();
  const elector = new Elector(client, 'n', 'lease', 'me');
  assert.equal(elector.writeMsLeft(), undefined);
  assert.equal(await elector.acquire(new AbortController().signal, never), true);
  const left = elector.writeMsLeft()!;
  assert.ok(left > leaseMs - 1_000 && left <= leaseMs, `${left}`);
  await elector.release();
  assert.equal(elector.writeMsLeft(), undefined);
});

test('renewing takes one request while nobody else writes the lease, and sees at once when somebody did', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { client, asked, steal, holder } = leaseServer();
  const elector = new Elector(client, 'n', 'lease', 'me');
  const stop = new AbortController();
  await elector.acquire(stop.signal, never);
  const held = elector.hold(stop.signal, never);
  const renewal = async () => {
    asked.length = 0;
    t.mock.timers.tick(retryMs);
    await new Promise((resolve) => setImmediate(resolve));
    return asked.join();
  };
  assert.equal(await renewal(), 'update');
  assert.equal(await renewal(), 'update');
  steal();
  assert.equal(await renewal(), 'update,get');
  assert.equal(elector.leads(), false);
  await held;
  await elector.release();
  assert.equal(holder(), 'thief', 'what is another’s is not given up');
});
