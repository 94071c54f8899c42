/**
 * A binary heap by due time; of two with the same time the one that was pushed first is first.
 * Its entries know their place, so that one that becomes due earlier moves up and none is left stale.
 */
export interface Timed {
  dueMs: number;
  /** Which push it was; the heap's own. */
  turn: number;
  /** Where in the heap; the heap's own. */
  place: number;
}

export class Heap<T extends Timed> {
  /** BOUNDED: by what the caller has put in and not taken out. */
  readonly #entries: T[] = [];
  #turns = 0;

  get size(): number {
    return this.#entries.length;
  }

  first(): T | undefined {
    return this.#entries[0];
  }

  push(entry: T): void {
    entry.turn = this.#turns++;
    this.#entries.push(entry);
    this.#up(entry, this.#entries.length - 1);
  }

  /** Only ever earlier: nobody here is made to wait longer. */
  advance(entry: T, dueMs: number): void {
    entry.dueMs = dueMs;
    this.#up(entry, entry.place);
  }

  pop(): T | undefined {
    const first = this.#entries[0];
    const last = this.#entries.pop();
    if (last && last !== first) this.#down(last);
    return first;
  }

  #up(entry: T, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!before(entry, this.#entries[above]!)) break;
      this.#put(this.#entries[above]!, place);
      place = above;
    }
    this.#put(entry, place);
  }

  #down(entry: T): void {
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.#entries.length) break;
      if (below + 1 < this.#entries.length && before(this.#entries[below + 1]!, this.#entries[below]!)) below++;
      if (!before(this.#entries[below]!, entry)) break;
      this.#put(this.#entries[below]!, place);
      place = below;
    }
    this.#put(entry, place);
  }

  #put(entry: T, place: number): void {
    this.#entries[place] = entry;
    entry.place = place;
  }
}

const before = (a: Timed, b: Timed) => a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.turn < b.turn);
