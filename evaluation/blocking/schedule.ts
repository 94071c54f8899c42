/**
 * Events by time, in typed arrays: a binary heap of (instant, event) without an object per event. Equal instants come in
 * any order, the same for the same history. Grows by doubling; BOUNDED by what is scheduled.
 */
export class Schedule {
  #at = new Float64Array(1024);
  #event = new Uint32Array(1024);
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Instant of the next event; infinity when there is none. */
  get nextAt(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#at[0]!;
  }

  /** `event` is an integer below 2^32. */
  add(at: number, event: number): void {
    if (this.#count === this.#at.length) this.#grow();
    let index = this.#count;
    this.#count += 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#at[parent]! <= at) break;
      this.#at[index] = this.#at[parent]!;
      this.#event[index] = this.#event[parent]!;
      index = parent;
    }
    this.#at[index] = at;
    this.#event[index] = event;
  }

  /** Takes the next event; only when there is one. */
  take(): number {
    const first = this.#event[0]!;
    this.#count -= 1;
    const at = this.#at[this.#count]!;
    const event = this.#event[this.#count]!;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#at[child + 1]! < this.#at[child]!) child += 1;
      if (this.#at[child]! >= at) break;
      this.#at[index] = this.#at[child]!;
      this.#event[index] = this.#event[child]!;
      index = child;
    }
    this.#at[index] = at;
    this.#event[index] = event;
    return first;
  }

  #grow(): void {
    const at = new Float64Array(this.#at.length * 2);
    const event = new Uint32Array(this.#event.length * 2);
    at.set(this.#at);
    event.set(this.#event);
    this.#at = at;
    this.#event = event;
  }
}
