// Where a text is no JSON, or says a member twice, and why: parsers say neither the place of every fault nor that one of two was dropped.
// Not here: what is in a body, see read.ts.

export interface Fault {
  /** In characters. */
  readonly position: number;
  readonly error: string;
}

type Next = "value" | "value or end" | "name" | "name or end" | "more";

const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4})/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Undefined for JSON whose objects have each member once. */
export function faultIn(text: string): Fault | undefined {
  /** What is open: of an object the names it has so far, of a list null. */
  const open: (Set<string> | null)[] = [];
  let next: Next = "value";
  for (let at = afterSpace(text, 0); ; at = afterSpace(text, at)) {
    const sign = text[at];
    if (next === "more" && open.length === 0) return sign === undefined ? undefined : fault(at, "Extra data");
    if (sign === undefined) return fault(at, "Unexpected end");
    if (next === "more") {
      const within = open.at(-1);
      if (sign === ",") next = within === null ? "value" : "name";
      else if (sign === (within === null ? "]" : "}")) open.pop();
      else return fault(at, within === null ? "Expecting ',' or ']'" : "Expecting ',' or '}'");
      at += 1;
    } else if ((next === "value or end" && sign === "]") || (next === "name or end" && sign === "}")) {
      open.pop();
      next = "more";
      at += 1;
    } else if (next === "name" || next === "name or end") {
      if (sign !== '"') return fault(at, "Expecting a name in double quotes");
      const end = stringEnd(text, at);
      if (typeof end !== "number") return end;
      const name = JSON.parse(text.slice(at, end)) as string;
      const names = open.at(-1);
      if (names?.has(name) === true) return fault(at, `The name ${shortened(name)} is there twice`);
      names?.add(name);
      const colon = afterSpace(text, end);
      if (text[colon] !== ":") return fault(colon, colon === text.length ? "Unexpected end" : "Expecting ':'");
      next = "value";
      at = colon + 1;
    } else if (sign === "{" || sign === "[") {
      open.push(sign === "{" ? new Set() : null);
      next = sign === "{" ? "name or end" : "value or end";
      at += 1;
    } else {
      const end = sign === '"' ? stringEnd(text, at) : scalarEnd(text, at);
      if (typeof end !== "number") return end;
      next = "more";
      at = end;
    }
  }
}

function fault(position: number, error: string): Fault {
  return { position, error };
}

function shortened(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100).toWellFormed()}…` : name);
}

function afterSpace(text: string, from: number): number {
  let at = from;
  for (let code = text.charCodeAt(at); code === 0x20 || (code >= 0x09 && code <= 0x0d); code = text.charCodeAt(at)) {
    if (code === 0x0b || code === 0x0c) break;
    at += 1;
  }
  return at;
}

function scalarEnd(text: string, at: number): number | Fault {
  SCALAR.lastIndex = at;
  if (SCALAR.test(text)) return SCALAR.lastIndex;
  if (text.charCodeAt(at) === 0xfeff) return fault(at, "Unexpected byte order mark");
  const word = /[\w.+-]{1,20}/y;
  word.lastIndex = at;
  return fault(at, `Expecting a value, not ${JSON.stringify(word.exec(text)?.[0] ?? text[at])}`);
}

function stringEnd(text: string, from: number): number | Fault {
  for (let at = from + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code < 0x20) return fault(at, "A control character in a text");
    if (code !== BACKSLASH) continue;
    ESCAPE.lastIndex = at;
    if (!ESCAPE.test(text)) return fault(at, at + 1 === text.length ? "Unexpected end" : "An escape that is none");
    at = ESCAPE.lastIndex - 1;
  }
  return fault(text.length, "Unexpected end");
}
