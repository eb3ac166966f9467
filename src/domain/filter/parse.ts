// Filters of goals from CEL text: `==` `!=` `<` `<=` `>` `>=` `in` `has` `.startsWith` `.contains` `&&` `||` `!` over state, name,
// intent, charter, labels.x, attributes.x, created_at and finished_at; a flag attribute by itself, and `== null` where it may be absent.
// Not here: what a filter means (filter.ts), and what of a field may be asked (fields.ts).
import { parseExpression, positionOf } from "../expression/language.ts";
import type { Node, ParsedExpression } from "../expression/language.ts";
import { decided, refused } from "../refusal.ts";
import type { Decision } from "../refusal.ts";
import { constantOf } from "./constant.ts";
import { fieldOf, nameOfField, problemWith, sortOf } from "./fields.ts";
import type { Comparison, Filter, FilterField, FilterValue } from "./filter.ts";

const DEPTH_LIMIT = 32;
const TERMS_LIMIT = 100;
const LIST_LIMIT = 100;

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  "_==_": "==",
  "_!=_": "!=",
  "_<_": "<",
  "_<=_": "<=",
  "_>_": ">",
  "_>=_": ">=",
};
const FLIPPED: Readonly<Record<Comparison, Comparison>> = {
  "==": "==",
  "!=": "!=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/** The filter of a CEL text; null for an empty one. Refused: whatever is outside of the subset, naming it and its place. */
export function parseFilter(text: string): Decision<Filter | null> {
  if (text.trim() === "") return decided(null);
  const parsed = parseExpression(text);
  if (!parsed.ok) return unsupported(`The filter ${parsed.problem}.`, parsed.position);
  const reader = new Reader(text, parsed.parsed);
  try {
    return decided(reader.read(parsed.parsed.expr, 1));
  } catch (error) {
    if (error instanceof Unsupported)
      return unsupported(`${error.message}, at character ${error.position + 1} of the filter.`, error.position);
    throw error;
  }
}

function unsupported(
  explanation: string,
  position: number,
): { readonly ok: false; readonly refusal: ReturnType<typeof refused>["refusal"] } {
  return refused("FILTER_UNSUPPORTED", explanation, {
    metadata: { position: String(position) },
    remedy:
      "Compare state, name, intent, charter, labels.x, attributes.x, created_at or finished_at with constants, and join with &&, || and !.",
  });
}

/** Carries a reason out of the recursion; never leaves this file. */
class Unsupported extends Error {
  readonly position: number;
  constructor(message: string, position: number) {
    super(message);
    this.position = position;
  }
}

class Reader {
  readonly #text: string;
  readonly #parsed: ParsedExpression;
  #terms = 0;

  constructor(text: string, parsed: ParsedExpression) {
    this.#text = text;
    this.#parsed = parsed;
  }

  read(node: Node, depth: number): Filter {
    if (depth > DEPTH_LIMIT) throw this.#unsupported(node, `Filters nest at most ${DEPTH_LIMIT} deep`);
    const kind = node.exprKind;
    if (kind.case === "callExpr") {
      const { function: name, args } = kind.value;
      if (name === "_&&_" || name === "_||_") return this.#join(node, name, depth);
      const [first, second] = args;
      if (name === "!_" && first !== undefined) return { kind: "not", term: this.read(first, depth + 1) };
      this.#count(node);
      const operator = COMPARISONS[name];
      if (operator !== undefined && first !== undefined && second !== undefined)
        return this.#compare(node, operator, first, second);
      if (name === "@in" && first !== undefined && second !== undefined) return this.#in(node, first, second);
      if (name === "startsWith" || name === "contains") return this.#search(node, name, kind.value.target, args);
      throw this.#unsupported(node, `${spoken(name)} is not supported in filters`);
    }
    this.#count(node);
    if (kind.case === "selectExpr" && kind.value.testOnly) {
      const field = fieldOf(node);
      if (field === null || (field.kind !== "label" && field.kind !== "attribute"))
        throw this.#unsupported(node, "has(…) asks for a label or an attribute");
      return { kind: "has", field };
    }
    const field = fieldOf(node);
    // A flag stands for itself.
    if (field?.kind === "attribute")
      return { kind: "compare", field, operator: "==", value: { kind: "flag", value: true } };
    throw this.#unsupported(node, `${describe(node)} is not a test that filters know`);
  }

  /** Terms of a chain side by side: `a && b && c` is one node here, however the parser has nested it. */
  #join(root: Node, operator: "_&&_" | "_||_", depth: number): Filter {
    const terms: Filter[] = [];
    const open = [root];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      const kind = node.exprKind;
      if (kind.case === "callExpr" && kind.value.function === operator) open.push(...kind.value.args.toReversed());
      else terms.push(this.read(node, depth + 1));
    }
    return { kind: operator === "_&&_" ? "and" : "or", terms };
  }

  #compare(node: Node, written: Comparison, left: Node, right: Node): Filter {
    const leftField = fieldOf(left);
    const rightField = fieldOf(right);
    if (leftField !== null && rightField !== null)
      throw this.#unsupported(node, "Two fields cannot be compared with each other");
    const field = leftField ?? rightField;
    if (field === null) throw this.#unknown(node, [left, right]);
    const constant = leftField === null ? left : right;
    const operator = leftField === null ? FLIPPED[written] : written;
    const value = constantOf(constant);
    if (value === null) throw this.#unsupported(constant, `${describe(constant)} cannot be compared with in filters`);
    if (value.kind === "null") return this.#presence(node, field, operator);
    this.#check(constant, field, operator, value);
    return { kind: "compare", field, operator, value };
  }

  #presence(node: Node, field: FilterField, operator: Comparison): Filter {
    if (field.kind !== "label" && field.kind !== "attribute" && field.kind !== "finishedAt")
      throw this.#unsupported(node, `${nameOfField(field)} is never null`);
    const has: Filter = { kind: "has", field };
    if (operator === "!=") return has;
    if (operator === "==") return { kind: "not", term: has };
    throw this.#unsupported(node, `null has no order (${operator})`);
  }

  #in(node: Node, left: Node, right: Node): Filter {
    const kind = right.exprKind;
    if (kind.case === "identExpr" && (kind.value.name === "labels" || kind.value.name === "attributes")) {
      const name = constantOf(left);
      if (name?.kind !== "text") throw this.#unsupported(left, `A name in ${kind.value.name} is a text`);
      return { kind: "has", field: { kind: kind.value.name === "labels" ? "label" : "attribute", name: name.value } };
    }
    if (kind.case !== "listExpr")
      throw this.#unsupported(right, "`in` asks for a list of constants, labels or attributes");
    const field = fieldOf(left);
    if (field === null) throw this.#unknown(node, [left]);
    const { elements } = kind.value;
    if (elements.length > LIST_LIMIT) throw this.#unsupported(right, `Lists have at most ${LIST_LIMIT} values`);
    const values = elements.map((element): FilterValue => {
      const value = constantOf(element);
      if (value === null || value.kind === "null")
        throw this.#unsupported(element, `${describe(element)} cannot be in a list of a filter`);
      this.#check(element, field, "==", value);
      return value;
    });
    return { kind: "in", field, values };
  }

  #search(node: Node, name: "startsWith" | "contains", target: Node | undefined, args: readonly Node[]): Filter {
    const field = target === undefined ? null : fieldOf(target);
    if (field === null) throw this.#unknown(node, target === undefined ? [] : [target]);
    const [argument] = args;
    const value = argument === undefined || args.length > 1 ? null : constantOf(argument);
    if (value?.kind !== "text") throw this.#unsupported(node, `${name} takes one text`);
    const sort = sortOf(field);
    if (sort !== "text" && sort !== "any")
      throw this.#unsupported(node, `${nameOfField(field)} is no text to search in`);
    return { kind: name, field, text: value.value };
  }

  #check(node: Node, field: FilterField, operator: Comparison, value: FilterValue): void {
    const problem = problemWith(field, operator, value);
    if (problem !== undefined) throw this.#unsupported(node, problem);
  }

  #count(node: Node): void {
    if (++this.#terms > TERMS_LIMIT) throw this.#unsupported(node, `Filters have at most ${TERMS_LIMIT} terms`);
  }

  /** Of what should be a field and is none: what it is. */
  #unknown(node: Node, candidates: readonly Node[]): Unsupported {
    const suspect = candidates.find((candidate) => constantOf(candidate) === null) ?? node;
    return this.#unsupported(
      suspect,
      suspect === node ? "A comparison needs a field" : `${describe(suspect)} is not a field of goals`,
    );
  }

  #unsupported(node: Node, message: string): Unsupported {
    const position = positionOf(this.#parsed, node);
    // The parser counts the space before an operator to it.
    const space = /^\s*/.exec(this.#text.slice(position))?.[0].length ?? 0;
    return new Unsupported(message, position + space);
  }
}

function describe(node: Node): string {
  const kind = node.exprKind;
  switch (kind.case) {
    case "identExpr":
      return kind.value.name;
    case "selectExpr":
      return kind.value.operand === undefined
        ? kind.value.field
        : `${describe(kind.value.operand)}.${kind.value.field}`;
    case "callExpr":
      return spoken(kind.value.function);
    case "constExpr":
      return "This constant";
    case "listExpr":
      return "A list";
    case "structExpr":
      return "A map";
    case "comprehensionExpr":
      return "A macro over a list";
    case undefined:
      return "This";
  }
}

/** `_+_` as `+`, `_[_]` as `[…]`, others as calls. */
function spoken(name: string): string {
  if (name === "_[_]") return "[…]";
  if (name === "_?_:_") return "? :";
  return /[a-z]/i.test(name) ? `${name.replace("@", "")}(…)` : `The operator ${name.replaceAll("_", "")}`;
}
