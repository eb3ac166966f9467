// JSON text in, values out, under the rules that every payload obeys (numbers, nesting, names, characters).
// Not here: its canonical form and digests, see canonical.ts.
import { NESTING_LIMIT } from "./payload.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** A value, or what is wrong with its text in one sentence for people. */
export type ParsedJson =
  { readonly ok: true; readonly value: JsonValue } | { readonly ok: false; readonly problem: string };

/**
 * Reads JSON (RFC 8259). Refused: numbers beyond ±(2^53 − 1), NUL characters, lone surrogates, a member name twice in one
 * object, nesting deeper than 64. Runs for every payload that arrives: about 2 µs for 200 bytes. A scan of the text counts
 * members and nesting before JSON.parse; more members in the text than in the value means that a name was there twice.
 */
export function parseJson(text: string): ParsedJson {
  const members = scan(text);
  if (members < 0) return problem(`Nesting is deeper than ${NESTING_LIMIT}.`);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return problem("It is not JSON.");
  }
  // Escapes are the only way to a NUL; lone surrogates may also stand in the text itself.
  const plain = text.isWellFormed() && !text.includes("\\u");
  if (count(value, plain) === members) return { ok: true, value };
  return problem(explain(value, text));
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member of an object by its own name, never one that objects inherit. */
export function memberOf(object: JsonObject, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

/** Path of a member below `path`, in CEL's words: `a.b`, `a["b-c"]`. */
export function memberPath(path: string, name: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === "" ? name : `${path}.${name}`;
}

function problem(text: string): ParsedJson {
  return { ok: false, problem: text };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** Number of object members in a JSON text; −1 when it nests too deeply. Of text that is not JSON it says nothing. */
function scan(text: string): number {
  let depth = 0;
  let members = 0;
  const end = text.length;
  for (let i = 0; i < end; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE:
        for (i++; i < end; i++) {
          const inside = text.charCodeAt(i);
          if (inside === QUOTE) break;
          if (inside === BACKSLASH) i++;
        }
        break;
      case COLON:
        members++;
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (++depth > NESTING_LIMIT) return -1;
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        depth--;
        break;
    }
  }
  return members;
}

/** Number of object members in a value, NaN when it breaks a rule. Recursion is bounded by NESTING_LIMIT. */
function count(value: JsonValue, plain: boolean): number {
  if (typeof value === "string") return plain || isPlain(value) ? 0 : NaN;
  if (typeof value === "number") return Math.abs(value) <= Number.MAX_SAFE_INTEGER ? 0 : NaN;
  if (typeof value !== "object" || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) members += count(item, plain);
    return members;
  }
  const object = value as JsonObject;
  // for…in spares an array of the names; parsed objects have nothing enumerable beyond their own members.
  for (const name in object) {
    if (!plain && !isPlain(name)) return NaN;
    members += 1 + count(object[name] ?? null, plain);
  }
  return members;
}

function isPlain(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The first broken rule, for people. Off the fast path. */
function explain(value: JsonValue, text: string): string {
  return offence(value, "") ?? `The name ${JSON.stringify(repeatedName(text))} is given twice in one object.`;
}

function offence(value: JsonValue, path: string): string | undefined {
  const where = path === "" ? "" : ` at ${path}`;
  if (typeof value === "string") return characters(value, `The text${where}`);
  if (typeof value === "number") {
    if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return undefined;
    return `The number${where} is beyond ±(2^53 − 1) and would lose digits; give it as a string.`;
  }
  if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly JsonValue[]).entries()) {
      const found = offence(item, `${path}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (!isObject(value)) return undefined;
  for (const [name, item] of Object.entries(value)) {
    const found = characters(name, `A name${where}`) ?? offence(item, memberPath(path, name));
    if (found !== undefined) return found;
  }
  return undefined;
}

function characters(text: string, what: string): string | undefined {
  if (text.includes("\0")) return `${what} holds a NUL character.`;
  return text.isWellFormed() ? undefined : `${what} holds half of a surrogate pair.`;
}

/** The first name that an object of a valid JSON text has twice. */
function repeatedName(text: string): string {
  const open: (Set<string> | null)[] = [];
  let name = "";
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      const from = i;
      for (i++; text.charCodeAt(i) !== QUOTE; i++) if (text.charCodeAt(i) === BACKSLASH) i++;
      name = JSON.parse(text.slice(from, i + 1)) as string;
    } else if (code === COLON) {
      const names = open.at(-1);
      if (names?.has(name) === true) return name;
      names?.add(name);
    } else if (code === OPEN_OBJECT) open.push(new Set());
    else if (code === OPEN_ARRAY) open.push(null);
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) open.pop();
  }
  return name;
}
