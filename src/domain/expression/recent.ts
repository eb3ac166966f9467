// A bounded store of what is made from texts; what was used longest ago goes first. Not here: what is made.

export class Recent<T> {
  readonly #limit: number;
  readonly #kept = new Map<string, T>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What `make` once made of this text, or makes of it now. */
  get(text: string, make: (text: string) => T): T {
    let value = this.#kept.get(text);
    if (value === undefined) {
      value = make(text);
      if (this.#kept.size >= this.#limit) {
        for (const oldest of this.#kept.keys()) {
          this.#kept.delete(oldest);
          break;
        }
      }
    } else this.#kept.delete(text);
    this.#kept.set(text, value);
    return value;
  }
}
