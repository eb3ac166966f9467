// A value in a JSON document with its place, so that what is wrong can be said. Not here: what ought to be there.

/** Most mistakes that are told: the rest is rarely of another kind. */
const MOST_MISTAKES = 20;

/** Asked for what it is, it answers undefined when it is not that, and says so once. */
export class Place {
  readonly #value: unknown;
  readonly #path: string;
  readonly #mistakes: string[];

  constructor(value: unknown, path: string, mistakes: string[]) {
    this.#value = value;
    this.#path = path;
    this.#mistakes = mistakes;
  }

  get isThere(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  /** What must be there under that key. */
  at(key: string): Place {
    return new Place(this.#under(key), this.#path === "" ? key : `${this.#path}.${key}`, this.#mistakes);
  }

  /** What may be there under that key. */
  maybe(key: string): Place | undefined {
    const place = this.at(key);
    return place.isThere ? place : undefined;
  }

  text(): string | undefined {
    if (typeof this.#value !== "string") return this.#not("a text");
    return this.#value.includes("\0") ? this.wrong("must not hold NUL characters") : this.#value;
  }

  number(least: number, most = Number.MAX_SAFE_INTEGER, why = ""): number | undefined {
    const value = this.#value;
    if (typeof value !== "number" || Number.isNaN(value) || value < least)
      return this.#not(`a number of at least ${least}`);
    return value <= most ? value : this.wrong(`is ${value}, more than ${most}${why}`);
  }

  list(): readonly Place[] | undefined {
    if (!Array.isArray(this.#value)) return this.#not("a list");
    return this.#value.map((item, i) => new Place(item, `${this.#path}[${i}]`, this.#mistakes));
  }

  wrong(message: string): undefined {
    if (this.#mistakes.length < MOST_MISTAKES)
      this.#mistakes.push(this.#path === "" ? message : `${this.#path}: ${message}`);
    return undefined;
  }

  #under(key: string): unknown {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    return (value as Record<string, unknown>)[key];
  }

  #not(wanted: string): undefined {
    this.wrong(this.isThere ? `must be ${wanted}` : `is missing; it must be ${wanted}`);
  }
}
