import { z } from 'zod';
import type { CertifiedText } from '../crypto/signed.ts';
import { certifiedText, verifyCertified } from './certificate.ts';
import type { ZoneParams } from './consensus.ts';
import { keyText } from './key-text.ts';

/**
 * What a superpeer has carried for a zone in a period: counted by the mixes, signed by the directory, verified by the
 * operator who pays for it and by the superpeer's host (WIRE.md 8).
 *
 * It holds nothing of clients or calls: a channel has a round in every tick, whoever speaks.
 */
const name = z.string().max(63);
const count = z.int().min(0);

/** Rounds of one channel in an hour. */
export const ROUNDS_PER_CHANNEL_HOUR = 180_000;
const RECEIPT_SECONDS = 86_400;
export const receiptPeriodMs = ({ receiptSeconds = RECEIPT_SECONDS }: ZoneParams): number => receiptSeconds * 1000;

/** The longest that a mix reports on: with one channel each, it would take 25 600 rounds a second. */
export const SUPERPEERS_COUNTED_MAX = 512;
/** The period that runs and the one before. */
const PERIODS_REPORTED_MAX = 2;

/** Totals of one superpeer at one mix: its id, rounds expected, valid and bad, and whether the mix has expelled it. */
const roundCounts = z.tuple([name, count, count, count, z.literal([0, 1])]);
export type RoundCounts = z.infer<typeof roundCounts>;

const roundsReport = z.object({
  /** The period's start, ms since 1970. */
  from: count,
  counts: z.array(roundCounts).max(SUPERPEERS_COUNTED_MAX),
});
export type RoundsReport = z.infer<typeof roundsReport>;
export const roundsReports = z.array(roundsReport).max(PERIODS_REPORTED_MAX);

const receiptText = z.object({
  zone: name,
  superpeer: name,
  identityKey: keyText,
  /** Milliseconds since 1970; `until` is the start of the next period. */
  from: count,
  until: count,
  /** By the roster when it was signed. */
  channels: z.int().min(1).max(64),
  expected: count,
  valid: count,
  bad: count,
  /** In this period a mix has found it out: it earns nothing. */
  expelled: z.boolean(),
  issuedAt: count,
});
export type Receipt = z.infer<typeof receiptText>;

/** What `/v1/zones/ZONE/receipts` answers. */
export const RECEIPTS_MAX = 4096;
export const receiptsText = z.object({ receipts: z.array(certifiedText).max(RECEIPTS_MAX) });

/** What a receipt says, without a look at who says it; undefined if it is none. */
export function claimedReceipt({ text }: CertifiedText): Receipt | undefined {
  try {
    return receiptText.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** The receipt if a key that `rootKey` certified for `zone` when it was issued has signed it; else one sentence saying why not. */
export function verifyReceipt(
  signed: CertifiedText,
  rootKey: Uint8Array,
  zone: string,
): Receipt | { readonly refused: string } {
  const receipt = claimedReceipt(signed);
  if (!receipt) return { refused: `the receipt of zone ${zone} is malformed` };
  if (receipt.zone !== zone) return { refused: `the receipt is of zone ${receipt.zone}, not ${zone}` };
  const verified = verifyCertified('receipt', 'herd-receipt-v1', signed, rootKey, zone, receipt.issuedAt);
  return 'refused' in verified ? verified : receipt;
}
