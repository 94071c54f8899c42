import { AUDIT_ROUNDS } from '../wire/constants.ts';

/**
 * What the last rounds of a channel were made of, for the audit: s, T and B of every packet.
 *
 * The round that an AUDIT names is copied before it is shown: showing takes a tick per packet, in which later rounds
 * overwrite the kept ones. BOUNDED: AUDIT_ROUNDS + 1 rounds of all slots in one preallocated buffer, 320 KiB for 20
 * clients of profile A.
 */
export class History {
  readonly #slots: number;
  readonly #packetBytes: number;
  /** The kept rounds in a ring, then the one that is shown. */
  readonly #bytes: Buffer;
  /** Whether the slot was in the round, likewise. */
  readonly #present: Uint8Array;
  /** Round numbers, likewise; -1 for none. */
  readonly #rounds = new Float64Array(AUDIT_ROUNDS + 1).fill(-1);
  #nextSlot: number;

  constructor(slots: number, packetBytes: number) {
    this.#slots = slots;
    this.#packetBytes = packetBytes;
    this.#bytes = Buffer.alloc((AUDIT_ROUNDS + 1) * slots * packetBytes);
    this.#present = new Uint8Array((AUDIT_ROUNDS + 1) * slots);
    this.#nextSlot = slots;
  }

  /** A new round begins; the oldest makes room. */
  begin(round: number): void {
    const index = round % AUDIT_ROUNDS;
    this.#rounds[index] = round;
    this.#present.fill(0, index * this.#slots, (index + 1) * this.#slots);
  }

  /** The packet at `at` is in the round that has begun. */
  keep(round: number, slot: number, packets: Buffer, at: number): void {
    const entry = (round % AUDIT_ROUNDS) * this.#slots + slot;
    this.#present[entry] = 1;
    packets.copy(this.#bytes, entry * this.#packetBytes, at, at + this.#packetBytes);
  }

  /** Begins to show a round, from the first packet on; false if it is not kept. */
  show(round: number): boolean {
    const index = round % AUDIT_ROUNDS;
    if (this.shown !== round) {
      if (this.#rounds[index] !== round) return false;
      const entries = this.#slots;
      this.#rounds[AUDIT_ROUNDS] = round;
      this.#present.copyWithin(AUDIT_ROUNDS * entries, index * entries, (index + 1) * entries);
      const roundBytes = entries * this.#packetBytes;
      this.#bytes.copyWithin(AUDIT_ROUNDS * roundBytes, index * roundBytes, (index + 1) * roundBytes);
    }
    this.#nextSlot = 0;
    return true;
  }

  /** The round that is or was shown last; -1 before the first. */
  get shown(): number {
    return this.#rounds[AUDIT_ROUNDS]!;
  }

  /** The next slot of the shown round that was in it, whose packet `copy` gives; -1 when all have been shown. */
  next(): number {
    while (this.#nextSlot < this.#slots) {
      const slot = this.#nextSlot;
      this.#nextSlot += 1;
      if (this.#present[AUDIT_ROUNDS * this.#slots + slot] === 1) return slot;
    }
    return -1;
  }

  /** Writes the shown packet of a slot: s, T, B. */
  copy(slot: number, into: Buffer, offset: number): void {
    const at = (AUDIT_ROUNDS * this.#slots + slot) * this.#packetBytes;
    this.#bytes.copy(into, offset, at, at + this.#packetBytes);
  }
}
