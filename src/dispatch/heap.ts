// A binary heap, least first. Not here: what is in it.

export class Heap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #items: T[] = [];

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let i = items.push(item) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = items[up];
      if (parent === undefined || !this.#before(item, parent)) break;
      items[i] = parent;
      i = up;
    }
    items[i] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return first;
    let i = 0;
    for (;;) {
      let down = 2 * i + 1;
      let least = items[down];
      const right = items[down + 1];
      if (least !== undefined && right !== undefined && this.#before(right, least)) {
        least = right;
        down += 1;
      }
      if (least === undefined || !this.#before(least, last)) break;
      items[i] = least;
      i = down;
    }
    items[i] = last;
    return first;
  }
}
