// JSON of evidence, and looking into it without trusting its shape. Not here: what its members mean.
import { isObject, memberOf, parseJson } from "../../domain/json.ts";
import type { JsonObject, JsonValue } from "../../domain/json.ts";
import { EvidenceError } from "./unpack.ts";

/** Refuses what no reader agrees on: names given twice, numbers that lose digits, nesting without end. */
export function jsonObject(text: string): JsonObject {
  const parsed = parseJson(text);
  if (!parsed.ok) throw new EvidenceError(sentence(parsed.problem));
  if (!isObject(parsed.value)) throw new EvidenceError("it is JSON, but no object");
  return parsed.value;
}

function sentence(problem: string): string {
  return `${problem.charAt(0).toLowerCase()}${problem.slice(1).replace(/\.$/, "")}`;
}

export function textIn(object: JsonObject | undefined, name: string): string {
  const value = object === undefined ? undefined : memberOf(object, name);
  return typeof value === "string" ? value : "";
}

export function objectIn(object: JsonObject | undefined, name: string): JsonObject | undefined {
  const value = object === undefined ? undefined : memberOf(object, name);
  return isObject(value) ? value : undefined;
}

export function listIn(object: JsonObject | undefined, name: string): readonly JsonValue[] {
  const value = object === undefined ? undefined : memberOf(object, name);
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

export function objectsIn(object: JsonObject | undefined, name: string): readonly JsonObject[] {
  return listIn(object, name).filter(isObject);
}

/** Its members that are texts. */
export function textsOf(object: JsonObject | undefined): Readonly<Record<string, string>> {
  if (object === undefined) return {};
  return Object.fromEntries(Object.entries(object).flatMap(([k, v]) => (typeof v === "string" ? [[k, v]] : [])));
}
