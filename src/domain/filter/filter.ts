// A filter of goals as a small typed tree, which the store turns into SQL. Not here: reading it from CEL (parse.ts).
import type { AttributeValue, GoalState } from "../goal.ts";

/** What can be asked of a goal. Labels, attributes and `finishedAt` may be absent. */
export type FilterField =
  | { readonly kind: "state" }
  | { readonly kind: "name" }
  | { readonly kind: "intent" }
  /** Name of its charter. */
  | { readonly kind: "charter" }
  | { readonly kind: "label"; readonly name: string }
  | { readonly kind: "attribute"; readonly name: string }
  | { readonly kind: "createdAt" }
  | { readonly kind: "finishedAt" };

/** Values have a type; a `time` is epoch milliseconds. */
export type FilterValue = AttributeValue;

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

/**
 * A test that is true or false for every goal, never unknown: a comparison (`!=` as well) with a label, attribute or end
 * that is absent, or with an attribute of another type, is false. `not` turns that around.
 */
export type Filter =
  | { readonly kind: "and"; readonly terms: readonly Filter[] }
  | { readonly kind: "or"; readonly terms: readonly Filter[] }
  | { readonly kind: "not"; readonly term: Filter }
  /** Order only between numbers and between times. The value has the type of the field, or any for an attribute. */
  | {
      readonly kind: "compare";
      readonly field: FilterField;
      readonly operator: Comparison;
      readonly value: FilterValue;
    }
  /** Equal to one of these. */
  | { readonly kind: "in"; readonly field: FilterField; readonly values: readonly FilterValue[] }
  /** A label, an attribute or `finishedAt` is there. */
  | { readonly kind: "has"; readonly field: FilterField }
  | { readonly kind: "startsWith"; readonly field: FilterField; readonly text: string }
  | { readonly kind: "contains"; readonly field: FilterField; readonly text: string };

/** A goal as filters see it. */
export interface FilteredGoal {
  readonly state: GoalState;
  readonly name: string;
  readonly intent: string;
  readonly charter: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly createdMs: number;
  readonly finishedMs: number | null;
}

/** What a filter means. The store's SQL must agree with it. Depth was bounded when the filter was read. */
export function satisfies(goal: FilteredGoal, filter: Filter): boolean {
  switch (filter.kind) {
    case "and":
      return filter.terms.every((term) => satisfies(goal, term));
    case "or":
      return filter.terms.some((term) => satisfies(goal, term));
    case "not":
      return !satisfies(goal, filter.term);
    case "has":
      return valueOf(goal, filter.field) !== undefined;
    case "compare":
      return compare(valueOf(goal, filter.field), filter.operator, filter.value);
    case "in": {
      const value = valueOf(goal, filter.field);
      return filter.values.some((one) => compare(value, "==", one));
    }
    case "startsWith":
    case "contains": {
      const value = valueOf(goal, filter.field);
      if (value?.kind !== "text") return false;
      return filter.kind === "contains" ? value.value.includes(filter.text) : value.value.startsWith(filter.text);
    }
  }
}

function compare(value: FilterValue | undefined, operator: Comparison, other: FilterValue): boolean {
  if (value?.kind !== other.kind) return false;
  switch (operator) {
    case "==":
      return value.value === other.value;
    case "!=":
      return value.value !== other.value;
    case "<":
      return value.value < other.value;
    case "<=":
      return value.value <= other.value;
    case ">":
      return value.value > other.value;
    case ">=":
      return value.value >= other.value;
  }
}

function valueOf(goal: FilteredGoal, field: FilterField): FilterValue | undefined {
  switch (field.kind) {
    case "state":
    case "name":
    case "intent":
    case "charter":
      return { kind: "text", value: goal[field.kind] };
    case "label": {
      const value = Object.hasOwn(goal.labels, field.name) ? goal.labels[field.name] : undefined;
      return value === undefined ? undefined : { kind: "text", value };
    }
    case "attribute":
      return Object.hasOwn(goal.attributes, field.name) ? goal.attributes[field.name] : undefined;
    case "createdAt":
      return { kind: "time", value: goal.createdMs };
    case "finishedAt":
      return goal.finishedMs === null ? undefined : { kind: "time", value: goal.finishedMs };
  }
}
