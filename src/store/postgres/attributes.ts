// A goal's typed attributes as one jsonb object: text, number and flag as themselves, a time as {"time": epoch ms}, so that
// containment finds a value of the same type only; and the terms by which filters look them up. Not here: filters, see filter.ts.
import { createHash } from "node:crypto";
import type { AttributeValue } from "../../domain/goal.ts";

/** One value in its stored form. */
export function storedAttribute(value: AttributeValue): unknown {
  return value.kind === "time" ? { time: value.value } : value.value;
}

export function attributesText(attributes: Readonly<Record<string, AttributeValue>>): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, storedAttribute(value)])),
  );
}

export function attributesOf(stored: Readonly<Record<string, unknown>>): Readonly<Record<string, AttributeValue>> {
  return Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, attributeOf(name, value)]));
}

function attributeOf(name: string, value: unknown): AttributeValue {
  if (typeof value === "string") return { kind: "text", value };
  if (typeof value === "number") return { kind: "number", value };
  if (typeof value === "boolean") return { kind: "flag", value };
  if (typeof value === "object" && value !== null && "time" in value && typeof value.time === "number")
    return { kind: "time", value: value.time };
  throw new Error(`attribute ${name} has no known type`);
}

/** The term of a label: half of a SHA-256 over name and value, as the UUID that an index holds in 16 bytes. */
export function labelTerm(name: string, value: string): string {
  return termOf(["label", name, value]);
}

export function attributeTerm(name: string, value: AttributeValue): string {
  return termOf(["attribute", name, storedAttribute(value)]);
}

function termOf(parts: readonly unknown[]): string {
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
}
