import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Receipt } from '../../../../nodes/config/receipt.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import type { ReceiptState } from '../../../../operator/api/superpeer.ts';
import { isReceiptDue, payout, readReceipts, takeReceipts, validShare } from '../../../../operator/plan/receipts.ts';
import { planSuperpeer } from '../../../../operator/plan/superpeer.ts';
import { certified } from '../../nodes/support/certified.ts';
import { laterMs, published, superpeer, timeOf, zone } from '../samples.ts';

const dayMs = 86_400_000;
const startMs = Date.parse('2026-01-01T00:00:00Z');
const root = new Identity(Buffer.alloc(32, 1));
const rootKey = root.publicKey.toString('base64');
const euros = { amount: '0.0012', currency: 'EUR', per: 'channel-hour' } as const;
const payee = { zone: 'eu', superpeer: 'eu-sp', rootKey, payment: euros };

const receipt = (day: number, change: Partial<Receipt> = {}): Receipt => ({
  ...{
    zone: 'eu',
    superpeer: 'eu-sp',
    identityKey: rootKey,
    channels: 1,
    expected: 4_320_000,
    valid: 4_320_000,
    bad: 0,
  },
  ...{ from: startMs + day * dayMs, until: startMs + (day + 1) * dayMs, expelled: false, issuedAt: laterMs },
  ...change,
});
const signed = (day: number, change: Partial<Receipt> = {}, by = root) =>
  certified(by, 'eu', JSON.stringify(receipt(day, change)), 'herd-receipt-v1');
const brief = (states: readonly ReceiptState[]) =>
  states.map(({ from, payout: paid }) => `${from.slice(5, 10)} ${paid}`);

test('a day of one channel earns the rate times 24, less what did not come', () => {
  assert.equal(payout(4_320_000, euros), '0.0288 EUR');
  assert.equal(payout(3_024_000, euros), '0.02016 EUR', 'seven tenths');
  assert.equal(payout(0, euros), '0 EUR');
  assert.equal(payout(1, { ...euros, amount: '1' }), '0.000005555 EUR', 'rounded down');
  const most = { amount: '999999999.999999999', currency: 'USDTX', per: 'channel-hour' } as const;
  assert.equal(payout(Number.MAX_SAFE_INTEGER, most).length <= 64, true);
  assert.equal(payout(180_000 * 1_000_003, most), '1000002999999999.998999997 USDTX');
});

test('payouts are exact, proportional and never more than the rate', () => {
  const amount = fc.tuple(fc.nat(999_999_999), fc.nat(999_999_999)).map(([whole, rest]) => {
    return { text: `${whole}.${String(rest).padStart(9, '0')}`, nanos: BigInt(whole) * 10n ** 9n + BigInt(rest) };
  });
  fc.assert(
    fc.property(amount, fc.nat(1_000_000), fc.nat(179_999), ({ text, nanos }, hours, rounds) => {
      const paid = payout(180_000 * hours + rounds, { amount: text, currency: 'EUR', per: 'channel-hour' });
      const [whole = '', rest = ''] = paid.replace(' EUR', '').split('.');
      const back = BigInt(whole) * 10n ** 9n + BigInt(rest.padEnd(9, '0'));
      const exact = nanos * BigInt(180_000 * hours + rounds);
      assert(back * 180_000n <= exact && exact < (back + 1n) * 180_000n, paid);
      assert(!rest.endsWith('0'));
    }),
  );
});

test('receipts that the zone has signed for the superpeer are taken, the oldest first, and no others', () => {
  const other = new Identity(Buffer.alloc(32, 2));
  const told = [
    signed(1, { valid: 2_160_000 }),
    signed(0),
    signed(2, {}, other),
    signed(3, { superpeer: 'eu-other' }),
    signed(4, { zone: 'na' }),
    { text: '{', signature: '', certificate: { text: '', signature: '' } },
  ];
  assert.deepEqual(takeReceipts([], told, payee), [
    {
      ...{ from: '2026-01-01T00:00:00Z', until: '2026-01-02T00:00:00Z', channels: 1, payout: '0.0288 EUR' },
      ...{ roundsExpected: 4_320_000, roundsValid: 4_320_000, roundsBad: 0 },
    },
    {
      ...{ from: '2026-01-02T00:00:00Z', until: '2026-01-03T00:00:00Z', channels: 1, payout: '0.0144 EUR' },
      ...{ roundsExpected: 4_320_000, roundsValid: 2_160_000, roundsBad: 0 },
    },
  ]);
});

test('a period counts once: not again, not with other figures, not in part, and not when it is long forgotten', () => {
  const first = takeReceipts([], [signed(0), signed(0, { valid: 1 })], payee);
  assert.deepEqual(brief(first), ['01-01 0.0288 EUR']);
  const again = [signed(0, { valid: 9 }), signed(0, { from: startMs + dayMs / 2, valid: 9 }), signed(-1)];
  assert.deepEqual(takeReceipts(first, again, payee), first);
  const all = takeReceipts(
    first,
    Array.from({ length: 12 }, (_, day) => signed(day)),
    { ...payee, payment: undefined },
  );
  assert.equal(all.length, 8);
  assert.deepEqual(brief(all.slice(-1)), ['01-12 undefined']);
  assert.deepEqual(takeReceipts(all, [signed(0)], payee), all);
});

test('who is expelled earns nothing in that period', () => {
  const [state] = takeReceipts([], [signed(0, { expelled: true })], payee);
  assert.deepEqual([state!.expelled, state!.payout], [true, '0 EUR']);
});

test('the share is rounded down, so that all is all', () => {
  const share = (roundsValid: number) => validShare({ ...takeReceipts([], [signed(0)], payee)[0]!, roundsValid });
  assert.deepEqual([share(4_320_000), share(4_319_999), share(0)], ['100.0%', '99.9%', '0.0%']);
});

test('a directory is asked when there may be another receipt', () => {
  const eu = zone('eu');
  const of = (receipts?: ReceiptState[]) => {
    const sp = superpeer('eu-sp', 'eu');
    return { ...sp, status: { ...sp.status!, ...(receipts && { receipts }) } };
  };
  const known = of(takeReceipts([], [signed(0)], payee));
  assert.equal(isReceiptDue(of(), eu, startMs), true);
  assert.equal(isReceiptDue(known, eu, startMs + 2 * dayMs + 59_999), false);
  assert.equal(isReceiptDue(known, eu, startMs + 2 * dayMs + 60_000), true);
});

test('what is no list of receipts is none', () => {
  for (const answer of [undefined, {}, { receipts: {} }, { receipts: [{ text: 'x' }] }])
    assert.deepEqual(readReceipts(answer), []);
  assert.equal(readReceipts({ receipts: [signed(0)] }).length, 1);
});

test('the status has the receipts and the last payout, at the superpeer’s rate or else the zone’s', () => {
  const eu = (payment?: object) =>
    zone('eu', payment ? { superpeerPayment: payment } : {}, { ...published('eu'), rootKey });
  const plan = (of: object, payment?: object) =>
    planSuperpeer(
      {
        superpeer: superpeer('eu-sp', 'eu', { managed: { region: 'eu' }, ...of }),
        zone: eu(payment),
        host: undefined,
        slot: undefined,
        members: [],
        listed: undefined,
        receipts: [signed(0)],
      },
      laterMs,
    ).status;
  const dollars = { amount: '2', currency: 'USD' };
  assert.equal(plan({}).lastPayout, undefined);
  assert.equal(plan({}).lastValid, '100.0%');
  assert.equal(plan({}, dollars).lastPayout, '48 USD');
  assert.equal(plan({ payment: euros }, dollars).lastPayout, '0.0288 EUR');
  const sp = superpeer('eu-sp', 'eu');
  const known = { ...sp, status: { ...sp.status!, receipts: plan({}, dollars).receipts! } };
  const without = { zone: undefined, host: undefined, slot: undefined, members: [], listed: undefined, receipts: [] };
  assert.deepEqual(
    planSuperpeer({ superpeer: known, ...without }, laterMs).status.receipts?.map(({ from }) => from),
    [timeOf(startMs)],
    'a zone that is gone takes none of them along',
  );
});
