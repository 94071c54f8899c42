import type { RosterEntry } from '../config/node.ts';
import { RECEIPTS_MAX, type Receipt, type RoundCounts, type RoundsReport } from '../config/receipt.ts';
import type { CertifiedText } from '../crypto/signed.ts';

/**
 * What mixes report of superpeers' rounds, summed up by period until it is signed (WIRE.md 8).
 *
 * Property: of a mix's process its last totals count, and of its processes the sum; so what is told twice, or told again to
 * a directory that has started anew, counts once.
 */
/** As long as it takes to know that a mix is gone. */
const SETTLE_MS = 60_000;
const PERIODS_MAX = 8;
/** The period that runs, and two that may have to be settled. */
const OPEN_MAX = 3;

interface Sum {
  expected: number;
  valid: number;
  bad: number;
  expelled: boolean;
}

interface SignedReceipt {
  readonly superpeer: string;
  readonly signed: CertifiedText;
}

interface FromMix {
  boot: number;
  /** Of that process. BOUNDED: as the report. */
  newest: readonly RoundCounts[];
  /** Of the processes before. BOUNDED: by the superpeers that there were in the period. */
  readonly before: Map<string, Sum>;
}

export class Receipts {
  #periodMs: number;
  /** By start: what each mix has reported. BOUNDED: OPEN_MAX, and by the mixes of the roster. */
  readonly #open = new Map<number, Map<string, FromMix>>();
  /** The newest last. BOUNDED: PERIODS_MAX and RECEIPTS_MAX. */
  #signed: { readonly from: number; readonly receipts: readonly SignedReceipt[] }[] = [];
  #heardFirstMs: number | undefined;

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  /** Another length: what is not signed yet is gone. */
  configure(periodMs: number): void {
    if (periodMs !== this.#periodMs) this.#open.clear();
    this.#periodMs = periodMs;
  }

  take(nowMs: number, mix: string, boot: number, reports: readonly RoundsReport[]): void {
    this.#heardFirstMs ??= nowMs;
    for (const { from, counts } of reports) {
      if (!this.#isOpen(nowMs, from)) continue;
      const mixes = this.#open.get(from) ?? new Map<string, FromMix>();
      this.#open.set(from, mixes);
      const known = mixes.get(mix);
      if (known?.boot !== boot) {
        const before = known?.before ?? new Map<string, Sum>();
        for (const one of known?.newest ?? []) add(before, one);
        mixes.set(mix, { boot, newest: counts, before });
      } else known.newest = counts;
    }
  }

  /** All that there are, or those of one superpeer, after those that are due have been signed for the superpeers of the roster. */
  all(
    nowMs: number,
    zone: string,
    roster: readonly RosterEntry[],
    sign: (receipt: Receipt) => CertifiedText,
    of?: string,
  ): CertifiedText[] {
    const settled = nowMs - SETTLE_MS;
    for (const [from, mixes] of [...this.#open].sort(([a], [b]) => a - b)) {
      const until = from + this.#periodMs;
      if (until > settled || (this.#heardFirstMs ?? nowMs) > settled) continue;
      const sums = new Map<string, Sum>();
      for (const { newest, before } of mixes.values()) {
        for (const one of newest) add(sums, one);
        for (const [superpeer, { expected, valid, bad, expelled }] of before)
          add(sums, [superpeer, expected, valid, bad, expelled ? 1 : 0]);
      }
      const receipts = roster.flatMap((entry) => {
        const sum = entry.role === 'superpeer' ? sums.get(entry.id) : undefined;
        if (entry.role !== 'superpeer' || !sum || sum.expected === 0) return [];
        const { id: superpeer, identityKey, channels } = entry;
        const receipt = { zone, superpeer, identityKey, from, until, channels, ...sum, issuedAt: nowMs };
        return [{ superpeer, signed: sign(receipt) }];
      });
      this.#open.delete(from);
      this.#signed.push({ from, receipts });
    }
    while (this.#signed.length > PERIODS_MAX || this.#count > RECEIPTS_MAX) this.#signed.shift();
    return this.#signed.flatMap(({ receipts }) =>
      receipts.flatMap(({ superpeer, signed }) => (of === undefined || of === superpeer ? [signed] : [])),
    );
  }

  get #count(): number {
    return this.#signed.reduce((sum, { receipts }) => sum + receipts.length, 0);
  }

  /** A period that has begun, by our clock, and is not signed. Whose clock is ahead tells the same again later. */
  #isOpen(nowMs: number, from: number): boolean {
    const isRecent = from <= nowMs && from > nowMs - OPEN_MAX * this.#periodMs;
    return isRecent && from % this.#periodMs === 0 && from > (this.#signed.at(-1)?.from ?? -1);
  }
}

function add(sums: Map<string, Sum>, [superpeer, expected, valid, bad, expelled]: RoundCounts): void {
  const sum = sums.get(superpeer) ?? { expected: 0, valid: 0, bad: 0, expelled: false };
  sum.expected += expected;
  sum.valid += valid;
  sum.bad += bad;
  sum.expelled ||= expelled === 1;
  sums.set(superpeer, sum);
}
