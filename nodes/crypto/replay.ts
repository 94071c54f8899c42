/**
 * Accepts each counter at most once, within a window behind the highest one seen (RFC 6479's ring of words).
 *
 * The window holds WORDS·32 bits, of which one word is being overwritten, so a counter up to WINDOW behind is still
 * told apart: enough for the reordering of one path, far less than a replay that could hurt.
 */
const WORDS = 8;
export const REPLAY_WINDOW = (WORDS - 1) * 32;

export class ReplayWindow {
  readonly #bits = new Uint32Array(WORDS);
  #highest = -1;

  /** True if `counter` was neither seen nor left behind. Call before opening; `mark` after the tag has verified. */
  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true;
    if (counter + REPLAY_WINDOW < this.#highest) return false;
    return (this.#bits[this.#word(counter)]! & (1 << (counter & 31))) === 0;
  }

  /** True if `counter` was marked for certain: one that is left behind is neither fresh nor known. */
  has(counter: number): boolean {
    return counter <= this.#highest && counter + REPLAY_WINDOW >= this.#highest && !this.isFresh(counter);
  }

  mark(counter: number): void {
    if (counter > this.#highest) {
      const from = Math.floor(this.#highest / 32);
      const to = Math.floor(counter / 32);
      for (let word = Math.max(from + 1, to - WORDS + 1); word <= to; word += 1) this.#bits[word & (WORDS - 1)] = 0;
      this.#highest = counter;
    }
    this.#bits[this.#word(counter)]! |= 1 << (counter & 31);
  }

  #word(counter: number): number {
    return Math.floor(counter / 32) & (WORDS - 1);
  }
}
