// A goal's typed attributes as one jsonb object: text, number and flag as themselves, a time as {"time": epoch ms}, so that
// containment finds a value of the same type only. Not here: filters over them, see filter.ts.
import type { AttributeValue } from "../../domain/goal.ts";

/** One value in its stored form. */
export function storedAttribute(value: AttributeValue): unknown {
  return value.kind === "time" ? { time: value.value } : value.value;
}

export function attributesText(attributes: Readonly<Record<string, AttributeValue>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, storedAttribute(value)])));
}

export function attributesOf(stored: Readonly<Record<string, unknown>>): Readonly<Record<string, AttributeValue>> {
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, attributeOf(name, value)]));
}

function attributeOf(name: string, value: unknown): AttributeValue {
  if (typeof value === "string") return { kind: "text", value };
  if (typeof value === "number") return { kind: "number", value };
  if (typeof value === "boolean") return { kind: "flag", value };
  if (typeof value === "object" && value !== null && "time" in value && typeof value.time === "number") return { kind: "time", value: value.time };
  throw new Error(`attribute ${name} has no known type`);
}
