// Free objects in messages (google.protobuf.Struct): judged by the rules that every payload obeys, and put in order. Not here: how long
// their text may be, which each field says.
import type { JsonValue } from "@bufbuild/protobuf";
import { NESTING_LIMIT } from "../domain/payload.ts";

/**
 * Puts the members of an object in order, so that equal messages have equal bytes; says what is wrong with it, if anything is. Its
 * numbers are doubles: what is not finite is no JSON, and of what is beyond ±(2^53 − 1) digits may be lost already.
 */
export function orderObject(object: Record<string, JsonValue>): string | undefined {
  return visit(object, 1);
}

function visit(value: JsonValue, depth: number): string | undefined {
  switch (typeof value) {
    case "string":
      return textProblem(value);
    case "number":
      return Math.abs(value) <= Number.MAX_SAFE_INTEGER
        ? undefined
        : "has a number beyond ±(2^53 − 1), which would lose digits; give it as a string";
    case "object":
      return value === null ? undefined : inside(value, depth);
    default:
      return undefined;
  }
}

function inside(value: Exclude<JsonValue, null | string | number | boolean>, depth: number): string | undefined {
  if (depth > NESTING_LIMIT) return `must not be nested deeper than ${NESTING_LIMIT}`;
  if (Array.isArray(value)) {
    for (const item of value) {
      const problem = visit(item, depth + 1);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }
  const names = Object.keys(value);
  for (const name of names) {
    const problem = textProblem(name) ?? visit(value[name] ?? null, depth + 1);
    if (problem !== undefined) return problem;
  }
  order(value, names);
  return undefined;
}

/** In place: others hold the object. Names that look like numbers come first whatever is done, which is an order, too. */
function order(object: Record<string, JsonValue>, names: readonly string[]): void {
  if (names.every((name, i) => i === 0 || (names[i - 1] ?? "") < name)) return;
  for (const name of [...names].sort()) {
    const value = object[name] ?? null;
    delete object[name];
    // Not by assignment: a member may have the name of what objects inherit.
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  }
}

function textProblem(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain a NUL character";
  return text.isWellFormed() ? undefined : "must be valid Unicode text";
}
