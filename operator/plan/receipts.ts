/**
 * Receipts of superpeers and what is owed for them. Pure.
 *
 * Properties: a receipt counts if the zone's root key stands behind it, and a period once, whatever a directory that has
 * started anew signs of it again. Amounts are integers of the ninth decimal throughout, and rounded down once.
 */
import {
  claimedReceipt,
  type Receipt,
  ROUNDS_PER_CHANNEL_HOUR,
  receiptsText,
  verifyReceipt,
} from '../../nodes/config/receipt.ts';
import type { CertifiedText } from '../../nodes/crypto/signed.ts';
import type { Payment } from '../api/fields.ts';
import { type ReceiptState, receiptsMax, type Superpeer } from '../api/superpeer.ts';
import type { Zone } from '../api/zone.ts';
import { timeOf } from './status.ts';

/** Nothing of it is verified yet. */
export const readReceipts = (answer: unknown): readonly CertifiedText[] =>
  receiptsText.safeParse(answer).data?.receipts ?? [];

/** Directories sign a minute after a period's end (WIRE.md 8). */
const settleMs = 60_000;

/** Whether there may be another receipt than those in the status. */
export function isReceiptDue({ status }: Superpeer, zone: Zone, nowMs: number): boolean {
  const last = status?.receipts?.at(-1);
  return !last || nowMs >= Date.parse(last.until) + zone.spec.receiptSeconds * 1000 + settleMs;
}

export interface Payee {
  readonly zone: string;
  readonly superpeer: string;
  /** Base64 of the zone's root key. */
  readonly rootKey: string;
  readonly payment: Payment | undefined;
}

/** The receipts that are known and those that are newer than all of them; the last few, the oldest first. */
export function takeReceipts(
  known: readonly ReceiptState[],
  told: readonly CertifiedText[],
  { zone, superpeer, rootKey, payment }: Payee,
): ReceiptState[] {
  const key = Buffer.from(rootKey, 'base64');
  let paidUntil = Math.max(0, ...known.map(({ until }) => Date.parse(until)));
  const fresh = told
    .filter((signed) => (claimedReceipt(signed)?.from ?? -1) >= paidUntil)
    .map((signed) => verifyReceipt(signed, key, zone))
    .filter((receipt): receipt is Receipt => !('refused' in receipt) && receipt.superpeer === superpeer)
    .sort((a, b) => a.from - b.from);
  const taken: ReceiptState[] = [];
  for (const receipt of fresh) {
    if (receipt.from < paidUntil) continue;
    paidUntil = receipt.until;
    taken.push(stateOf(receipt, payment));
  }
  return [...known, ...taken].slice(-receiptsMax);
}

function stateOf(receipt: Receipt, payment: Payment | undefined): ReceiptState {
  const { from, until, channels, expected, valid, bad, expelled } = receipt;
  return {
    from: timeOf(from),
    until: timeOf(until),
    channels,
    roundsExpected: expected,
    roundsValid: valid,
    roundsBad: bad,
    ...(expelled && { expelled }),
    ...(payment && { payout: payout(expelled ? 0 : valid, payment) }),
  };
}

const decimals = 9;

/** Of the rounds that came (valid and bad) times one less the share of bad ones: the valid ones. */
export function payout(validRounds: number, { amount, currency }: Payment): string {
  const [whole = '', fraction = ''] = amount.split('.');
  const rate = BigInt(whole + fraction.padEnd(decimals, '0'));
  const owed = (rate * BigInt(validRounds)) / BigInt(ROUNDS_PER_CHANNEL_HOUR);
  const digits = owed.toString().padStart(decimals + 1, '0');
  const rest = digits.slice(-decimals).replace(/0+$/, '');
  return `${digits.slice(0, -decimals)}${rest === '' ? '' : `.${rest}`} ${currency}`;
}

/** Rounded down, so that 100.0% is all of them. */
export function validShare({ roundsExpected, roundsValid }: ReceiptState): string {
  const perMille = (1000n * BigInt(roundsValid)) / BigInt(Math.max(1, roundsExpected));
  return `${perMille / 10n}.${perMille % 10n}%`;
}
