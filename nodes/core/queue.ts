/**
 * Cells of one size that wait for their tick, in one preallocated buffer.
 *
 * BOUNDED: by `capacity`; the oldest makes room, whosever it is. A queue into which one cell comes per tick and from
 * which one goes never shrinks again once a stall has filled it: every cell would be that much later for as long as the
 * link lives. So `settle` gives up one cell when two or more have waited throughout a window. A single one may be what
 * two ends with nearly coinciding ticks need, or every jitter across the tick would cost a cell: it is given up too, but
 * each time after twice as many windows as before.
 */
const WINDOW_TICKS = 50;
/** A minute: what a wrong guess then costs, one cell in 3200, nobody hears. */
const PATIENCE_WINDOWS_MAX = 64;

export class CellQueue {
  readonly cellBytes: number;
  readonly capacity: number;
  readonly bytes: Buffer<ArrayBuffer>;
  /** The same memory, for XOR by words. */
  readonly words: Uint32Array;
  count = 0;
  #head = 0;
  #lowest = Number.POSITIVE_INFINITY;
  #ticks = 0;
  #standingWindows = 0;
  #patienceWindows = 1;

  /** `cellBytes` is a multiple of 4. */
  constructor(cellBytes: number, capacity: number) {
    const memory = new ArrayBuffer(cellBytes * capacity);
    this.cellBytes = cellBytes;
    this.capacity = capacity;
    this.bytes = Buffer.from(memory);
    this.words = new Uint32Array(memory);
  }

  /** Byte offset at which the next cell is to be written; it counts at once. `full` says that the oldest made room. */
  push(): { offset: number; full: boolean } {
    const full = this.count === this.capacity;
    if (full) this.drop();
    const offset = ((this.#head + this.count) % this.capacity) * this.cellBytes;
    this.count += 1;
    return { offset, full };
  }

  /** Byte offset of the oldest cell; undefined when there is none. */
  front(): number | undefined {
    return this.count > 0 ? this.#head * this.cellBytes : undefined;
  }

  /** Gives up the oldest cell. */
  drop(): void {
    this.#head = (this.#head + 1) % this.capacity;
    this.count -= 1;
  }

  /** Moves all cells, the oldest first, behind those of another queue of such cells. */
  drainInto(other: CellQueue): void {
    for (let front = this.front(); front !== undefined; front = this.front()) {
      const { offset } = other.push();
      this.bytes.copy(other.bytes, offset, front, front + this.cellBytes);
      this.drop();
    }
  }

  clear(): void {
    this.count = 0;
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#ticks = 0;
  }

  /** Once per tick, after the tick's cell was taken. True if a cell that only stood in the way was given up. */
  settle(): boolean {
    this.#lowest = Math.min(this.#lowest, this.count);
    this.#ticks += 1;
    if (this.#ticks < WINDOW_TICKS) return false;
    const lowest = this.#lowest;
    this.#ticks = 0;
    this.#lowest = Number.POSITIVE_INFINITY;
    this.#standingWindows = lowest > 0 ? this.#standingWindows + 1 : 0;
    const impatient = this.#standingWindows >= this.#patienceWindows;
    if (lowest === 0 || (lowest === 1 && !impatient)) return false;
    if (lowest === 1) this.#patienceWindows = Math.min(PATIENCE_WINDOWS_MAX, this.#patienceWindows * 2);
    this.#standingWindows = 0;
    this.drop();
    return true;
  }
}
