// Kinds of values in a plan file. Each reads a YAML node, telling what is wrong with it and where, and says the same as
// JSON Schema for editors: one description, two uses. Not here: which values a file has, see shape.ts.
import { isAlias, isMap, isScalar, isSeq } from "yaml";
import type { Document, LineCounter, Node } from "yaml";
import type { Mistake } from "./mistakes.ts";
import { didYouMean } from "./suggest.ts";

export type JsonSchema = { readonly [key: string]: unknown };
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A place in the file, and everything that is found wrong on the way. */
export interface Place {
  readonly node: Node | null;
  readonly path: string;
  readonly reader: Reader;
}

export interface Kind<T> {
  readonly schema: JsonSchema;
  read(place: Place): T | undefined;
}

const MOST_NODES = 500_000;
const DEEPEST = 64;
/** Tags that say what JSON can say. Others would be taken for something else than they name. */
const PLAIN_TAGS = /^(!|tag:yaml\.org,2002:(str|int|float|bool|null|map|seq|merge))$/;

/** Walks the nodes of a document, following aliases within bounds: a small file may otherwise stand for an endless one. */
export class Reader {
  readonly mistakes: Mistake[] = [];
  /** Where each path begins, for mistakes that are found later. */
  readonly places = new Map<string, { line: number; column: number }>();
  readonly #document: Document;
  readonly #lines: LineCounter;
  /** Nodes of which everything that holds for them alone was told: some are met more than once. */
  readonly #looked = new WeakSet<Node>();
  #nodes = 0;

  constructor(document: Document, lines: LineCounter) {
    this.#document = document;
    this.#lines = lines;
  }

  place(node: unknown, path: string): Place {
    const resolved = isAlias(node) ? node.resolve(this.#document) : node;
    const place = { node: (resolved ?? null) as Node | null, path, reader: this };
    this.#nodes++;
    this.places.set(path, this.#position(node as Node | null));
    if (place.node !== null && !this.#looked.has(place.node)) {
      this.#looked.add(place.node);
      this.#look(place, place.node);
    }
    return place;
  }

  #look(place: Place, node: Node): void {
    const tag = "tag" in node && typeof node.tag === "string" ? node.tag : "!";
    if (!PLAIN_TAGS.test(tag))
      this.wrong(place, `has the tag ${tag.replace("tag:yaml.org,2002:", "!!")}, which a plan file does not know`);
    if (!isMap(node)) return;
    const names = new Set<string>();
    for (const { key } of node.items) {
      const name = isScalar(key) && typeof key.value !== "symbol" ? String(key.value) : undefined;
      if (name !== undefined && names.has(name))
        this.wrong({ ...place, path: join(place.path, name) }, "the key is there twice", key as Node);
      if (name !== undefined) names.add(name);
    }
  }

  get exhausted(): boolean {
    return this.#nodes > MOST_NODES;
  }

  wrong(place: Place, message: string, at: Node | null = place.node): undefined {
    const known = this.places.get(place.path);
    const position = at === null ? (known ?? { line: 0, column: 0 }) : this.#position(at);
    this.mistakes.push({ ...position, path: place.path, message });
    return undefined;
  }

  #position(node: Node | null): { line: number; column: number } {
    const offset = node?.range?.[0];
    if (offset === undefined) return { line: 0, column: 0 };
    const { line, col } = this.#lines.linePos(offset);
    return { line, column: col };
  }
}

function scalar(place: Place): unknown {
  return isScalar(place.node) ? place.node.value : undefined;
}

function describe(place: Place): string {
  if (place.node === null) return "nothing";
  if (isMap(place.node)) return "a map";
  if (isSeq(place.node)) return "a list";
  const value = scalar(place);
  if (value === null) return "nothing";
  if (!isNumber(value)) return JSON.stringify(value);
  const number = Number(value);
  return Number.isFinite(number) ? String(number) : Number.isNaN(number) ? ".nan" : number < 0 ? "-.inf" : ".inf";
}

export function wrongKind(place: Place, wanted: string): undefined {
  return place.reader.wrong(place, `must be ${wanted}, and is ${describe(place)}`);
}

export function text(options: { readonly description?: string; readonly maxBytes?: number } = {}): Kind<string> {
  const { maxBytes = 65_536 } = options;
  return {
    schema: { type: "string", maxLength: maxBytes },
    read: (place) => {
      const value = scalar(place);
      if (typeof value !== "string") return wrongKind(place, "text");
      if (value.includes("\0")) return place.reader.wrong(place, "must not hold NUL characters");
      return Buffer.byteLength(value) <= maxBytes
        ? value
        : place.reader.wrong(place, `must have at most ${maxBytes} bytes`);
    },
  };
}

export function matching(pattern: RegExp, wanted: string, maxBytes: number): Kind<string> {
  const plain = text({ maxBytes });
  return {
    schema: { ...plain.schema, pattern: pattern.source },
    read: (place) => {
      const value = plain.read(place);
      return value === undefined || pattern.test(value) ? value : wrongKind(place, wanted);
    },
  };
}

/** Text as such, or parsed by `parse`, which says undefined when it is none. Numbers are taken as text when `numbers` is set. */
export function parsed<T>(
  wanted: string,
  schema: JsonSchema,
  parse: (value: string | number) => T | undefined,
): Kind<T> {
  return {
    schema,
    read: (place) => {
      const value = scalar(place);
      const result = typeof value === "string" ? parse(value) : isNumber(value) ? parse(Number(value)) : undefined;
      return result ?? wrongKind(place, wanted);
    },
  };
}

export function number(minimum: number, maximum: number, whole = false): Kind<number> {
  const wanted = `a ${whole ? "whole " : ""}number from ${minimum} to ${maximum}`;
  return {
    schema: { type: whole ? "integer" : "number", minimum, maximum },
    read: (place) => {
      const value = scalar(place);
      if (!isNumber(value)) return wrongKind(place, wanted);
      const plain = Number(value);
      const fits = plain >= minimum && plain <= maximum && (!whole || Number.isInteger(plain));
      return fits ? plain : wrongKind(place, wanted);
    },
  };
}

export const truth: Kind<boolean> = {
  schema: { type: "boolean" },
  read: (place) => {
    const value = scalar(place);
    return typeof value === "boolean" ? value : wrongKind(place, "true or false");
  },
};

export function oneOf<const W extends string>(...words: readonly W[]): Kind<W> {
  return {
    schema: { enum: words },
    read: (place) => {
      const value = scalar(place);
      const found = words.find((word) => word === value);
      if (found !== undefined) return found;
      const hint = typeof value === "string" ? didYouMean(value, words) : "";
      return wrongKind(place, `one of ${words.join(", ")}${hint === "" ? "" : ` (${hint})`}`);
    },
  };
}

/** The first kind that `isFirst` says yes to; `wanted` names both for what is neither of them, nor a map. */
export function either<A, B>(
  isFirst: (place: Place) => boolean,
  first: Kind<A>,
  second: Kind<B>,
  wanted?: string,
): Kind<A | B> {
  return {
    schema: { anyOf: [first.schema, second.schema] },
    read: (place) => {
      if (isFirst(place)) return first.read(place);
      return wanted === undefined || isMap(place.node) ? second.read(place) : wrongKind(place, wanted);
    },
  };
}

export const isText = (place: Place): boolean => typeof scalar(place) === "string";
export const isList = (place: Place): boolean => isSeq(place.node);

export function list<T>(of: Kind<T>, bounds: { readonly least?: number; readonly most: number }): Kind<T[]> {
  const { least = 0, most } = bounds;
  return {
    schema: { type: "array", items: of.schema, minItems: least, maxItems: most },
    read: (place) => {
      if (!isSeq(place.node)) return wrongKind(place, "a list");
      const { items } = place.node;
      if (items.length < least || items.length > most)
        return place.reader.wrong(place, `must have ${least} to ${most} entries`);
      const values = items.map((item, i) => of.read(place.reader.place(item, `${place.path}[${i}]`)));
      return values.filter((value) => value !== undefined);
    },
  };
}

/** A map whose keys are names of the file's author. */
export function named<T>(
  key: { readonly pattern: RegExp; readonly wanted: string },
  of: Kind<T>,
  most: number,
): Kind<Map<string, T>> {
  return {
    schema: {
      type: "object",
      propertyNames: { pattern: key.pattern.source },
      additionalProperties: of.schema,
      maxProperties: most,
    },
    read: (place) => {
      if (!isMap(place.node)) return wrongKind(place, "a map");
      if (place.node.items.length > most) return place.reader.wrong(place, `must have at most ${most} entries`);
      const values = new Map<string, T>();
      for (const { key: name, node, at } of pairs(place)) {
        const inner = place.reader.place(node, join(place.path, name));
        if (!key.pattern.test(name)) place.reader.wrong(inner, `"${name}" must be ${key.wanted}`, at);
        const value = of.read(inner);
        if (value !== undefined) values.set(name, value);
      }
      return values;
    },
  };
}

export interface Field<T> {
  readonly kind: Kind<T>;
  readonly required: boolean;
  readonly description: string;
}

export function need<T>(kind: Kind<T>, description: string): Field<T> & { readonly required: true } {
  return { kind, description, required: true };
}

export function may<T>(kind: Kind<T>, description: string): Field<T> & { readonly required: false } {
  return { kind, description, required: false };
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type ValueOf<F> = F extends Field<infer T> ? T : never;
export type Read<K> = K extends Kind<infer T> ? T : never;
export type ObjectOf<F extends Fields> = {
  readonly [N in keyof F as F[N] extends { required: true } ? N : never]: ValueOf<F[N]>;
} & { readonly [N in keyof F as F[N] extends { required: true } ? never : N]?: ValueOf<F[N]> };

/** A map with these keys and no others. */
export function object<const F extends Fields>(fields: F): Kind<ObjectOf<F>> {
  const names = Object.keys(fields);
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, { kind, description }]) => [name, { description, ...kind.schema }]),
  );
  const required = names.filter((name) => fields[name]?.required);
  return {
    schema: { type: "object", properties, additionalProperties: false, ...(required.length > 0 && { required }) },
    read: (place) => {
      if (!isMap(place.node)) return wrongKind(place, "a map");
      const values: Record<string, unknown> = {};
      const entries = pairs(place);
      for (const { key, node, at } of entries) {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
        const inner = place.reader.place(node, join(place.path, key));
        if (field === undefined) {
          const hint = didYouMean(key, names);
          place.reader.wrong(inner, `unknown key${hint === "" ? `; known are ${names.join(", ")}` : `; ${hint}`}`, at);
          continue;
        }
        const value = field.kind.read(inner);
        if (value !== undefined) values[key] = value;
      }
      const present = new Set(entries.map(({ key }) => key));
      for (const name of required) if (!present.has(name)) place.reader.wrong(place, `"${name}" is missing`);
      return required.every((name) => name in values) ? (values as ObjectOf<F>) : undefined;
    },
  };
}

/** Any JSON value. Integers that a number cannot hold are wrong, not rounded. */
export const json: Kind<Json> = { schema: {}, read: (place) => readJson(place, 0) };

/** Any JSON object. */
export const jsonObject: Kind<{ [key: string]: Json }> = {
  schema: { type: "object" },
  read: (place) =>
    isMap(place.node) ? (json.read(place) as { [key: string]: Json } | undefined) : wrongKind(place, "a map"),
};

function readJson(place: Place, depth: number): Json | undefined {
  const { node, path, reader } = place;
  if (depth > DEEPEST) return reader.wrong(place, `is nested deeper than ${DEEPEST} levels`);
  if (reader.exhausted) return reader.wrong(place, "the file stands for too many values");
  if (isSeq(node)) {
    return node.items.map((item, i) => readJson(reader.place(item, `${path}[${i}]`), depth + 1) ?? null);
  }
  if (isMap(node)) {
    const entries = pairs(place).map(({ key, node: value }) => [
      key,
      readJson(reader.place(value, join(path, key)), depth + 1) ?? null,
    ]);
    return Object.fromEntries(entries) as Record<string, Json>;
  }
  const value = scalar(place);
  if (value === null || value === undefined) return null;
  if (typeof value === "boolean") return value;
  if (typeof value === "string")
    return value.includes("\0") ? reader.wrong(place, "must not hold NUL characters") : value;
  if (
    isNumber(value) &&
    Number.isFinite(Number(value)) &&
    (typeof value === "number" || Number.isSafeInteger(Number(value)))
  ) {
    return Number(value);
  }
  // Only a tag makes any other value, and that was told.
  if (!isNumber(value)) return undefined;
  return reader.wrong(place, `${describe(place)} is beyond what JSON numbers can hold; write it as text`);
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

interface Entry {
  readonly key: string;
  readonly node: unknown;
  readonly at: Node | null;
}

/** The entries of a map, with those that `<<` merges into it; its own go first. */
function pairs(place: Place, depth = 0): Entry[] {
  if (!isMap(place.node)) return [];
  const own: Entry[] = [];
  const merged: Entry[] = [];
  for (const { key, value } of place.node.items) {
    const name = isScalar(key) ? key.value : undefined;
    if (typeof name === "symbol") merged.push(...mergedInto(place, value, depth + 1));
    else if (typeof name === "string" || isNumber(name) || typeof name === "boolean")
      own.push({ key: String(name), node: value, at: key as Node });
    else place.reader.wrong(place, "keys must be plain text", key as Node | null);
  }
  const taken = new Set(own.map(({ key }) => key));
  return [...own, ...merged.filter(({ key }) => !taken.has(key))];
}

function mergedInto(place: Place, value: unknown, depth: number): Entry[] {
  const source = place.reader.place(value, place.path);
  if (depth > DEEPEST) return [];
  if (isMap(source.node)) return pairs(source, depth);
  place.reader.wrong(source, "only a map can be merged");
  return [];
}
