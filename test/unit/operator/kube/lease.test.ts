import assert from 'node:assert/strict';
import test from 'node:test';
import { LeaseObserver, leaseMs, renewMs, retryMs } from '../../../../operator/kube/lease.ts';

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
