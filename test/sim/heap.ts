/** What waits for its instant; of two at the same instant the one of the lower order comes first. */
export interface Timed {
  at: number;
  order: number;
}

/** A binary heap by instant. BOUNDED: by whoever pushes. */
export class TimeHeap<T extends Timed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The earliest, which stays. */
  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#items.push(item);
    this.#rise(this.#items.length - 1, item);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    const last = this.#items.pop();
    if (last && this.#items.length > 0) this.#sink(0, last);
    return first;
  }

  /** Puts the earliest where its new, later instant belongs. */
  postponeFirst(): void {
    this.#sink(0, this.#items[0]!);
  }

  /** Gives any item of the heap another instant; takes as long as the heap is large. */
  move(item: T, at: number): void {
    const index = this.#items.indexOf(item);
    const earlier = at < item.at;
    item.at = at;
    if (earlier) this.#rise(index, item);
    else this.#sink(index, item);
  }

  #rise(from: number, item: T): void {
    const items = this.#items;
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = item;
  }

  #sink(from: number, item: T): void {
    const items = this.#items;
    const count = items.length;
    let index = from;
    for (let child = 2 * index + 1; child < count; child = 2 * index + 1) {
      if (child + 1 < count && before(items[child + 1]!, items[child]!)) child += 1;
      if (before(item, items[child]!)) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = item;
  }
}

function before(a: Timed, b: Timed): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
