// Fields of goals that filters may ask for, and what may be asked of each. Not here: the syntax, see parse.ts.
import type { Node } from "../expression/language.ts";
import { constantPath } from "../expression/references.ts";
import { GOAL_TRANSITIONS } from "../goal.ts";
import type { Comparison, FilterField, FilterValue } from "./filter.ts";

const PLAIN: Readonly<Record<string, FilterField>> = {
  state: { kind: "state" },
  name: { kind: "name" },
  intent: { kind: "intent" },
  charter: { kind: "charter" },
  created_at: { kind: "createdAt" },
  finished_at: { kind: "finishedAt" },
};

/** The field that a node names; null for none. */
export function fieldOf(node: Node): FilterField | null {
  const names = constantPath(node)?.names;
  if (names === undefined) return null;
  const [first = "", second, third] = names;
  if (third !== undefined) return null;
  if (second === undefined) return Object.hasOwn(PLAIN, first) ? (PLAIN[first] ?? null) : null;
  if (first === "labels") return { kind: "label", name: second };
  return first === "attributes" ? { kind: "attribute", name: second } : null;
}

/** Type of a field's values; attributes may have any. */
export function sortOf(field: FilterField): "state" | "text" | "time" | "any" {
  switch (field.kind) {
    case "state":
      return "state";
    case "name":
    case "intent":
    case "charter":
    case "label":
      return "text";
    case "attribute":
      return "any";
    case "createdAt":
    case "finishedAt":
      return "time";
  }
}

export function nameOfField(field: FilterField): string {
  switch (field.kind) {
    case "label":
      return `labels.${field.name}`;
    case "attribute":
      return `attributes.${field.name}`;
    case "createdAt":
      return "created_at";
    case "finishedAt":
      return "finished_at";
    case "state":
    case "name":
    case "intent":
    case "charter":
      return field.kind;
  }
}

const SPOKEN = { text: "a text", number: "a number", flag: "true or false", time: "a time" } as const;

/** Why a field cannot be compared with a value in this way; undefined when it can. */
export function problemWith(field: FilterField, operator: Comparison, value: FilterValue): string | undefined {
  const sort = sortOf(field);
  const name = nameOfField(field);
  const wanted = sort === "state" ? "text" : sort;
  if (wanted !== "any" && wanted !== value.kind)
    return `${name} is ${SPOKEN[wanted]} and cannot be compared with ${SPOKEN[value.kind]}`;
  if (sort === "state" && !Object.hasOwn(GOAL_TRANSITIONS, String(value.value))) {
    return `${JSON.stringify(value.value)} is no state of goals; they are ${Object.keys(GOAL_TRANSITIONS).join(", ")}`;
  }
  const ordered = value.kind === "number" || value.kind === "time";
  if (!ordered && operator !== "==" && operator !== "!=")
    return `${name} can be compared with ${SPOKEN[value.kind]} by == and != only`;
  return undefined;
}
