// What an expression refers to, and whether it may. Names: `steps.<key>.outputs…`, `steps.<key>.state`, `goal.inputs…`,
// `goal.labels…`, `goal.name`, `charter.name`. Keys that are not CEL names are written `steps["my-step"]`.
// Not here: evaluation, see evaluate.ts.
import { isObject, memberPath } from "../json.ts";
import type { JsonValue } from "../json.ts";
import { environment, parseExpression, walk } from "./language.ts";
import type { Node } from "./language.ts";
import { Recent } from "./recent.ts";
import { holdsExpression, mayHoldExpression, parseTemplate } from "./template.ts";

export interface References {
  /** Keys of steps; true when more than the step's state is asked for. */
  readonly steps: ReadonlyMap<string, boolean>;
  /** Names of goal inputs that must be there; `has(goal.inputs.x)` does not ask that. */
  readonly goalInputs: ReadonlySet<string>;
  /** What is wrong, each a clause that goes on after the expression's name; empty when it may be used. */
  readonly problems: readonly string[];
}

/** An expression and where it stands: the path of its text within the input, empty for the input itself. */
export interface FoundExpression {
  readonly path: string;
  readonly text: string;
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = { goal: ["inputs", "labels", "name"], charter: ["name"] };
const TYPE_NAMES: ReadonlySet<string> = new Set([
  "bool",
  "bytes",
  "double",
  "int",
  "list",
  "map",
  "null_type",
  "string",
  "type",
  "uint",
]);
const FAMILIES = "steps, goal or charter";

const known = new Recent<References>(1_000);

/** What a CEL expression refers to. */
export function references(text: string): References {
  return known.get(text, collect);
}

function collect(text: string): References {
  const result = { steps: new Map<string, boolean>(), goalInputs: new Set<string>(), problems: [] as string[] };
  const parsed = parseExpression(text);
  if (!parsed.ok) {
    result.problems.push(parsed.problem);
    return result;
  }
  const complain = (problem: string): void => {
    if (!result.problems.includes(problem)) result.problems.push(problem);
  };
  walk(parsed.parsed.expr, (node, bound) => {
    const kind = node.exprKind;
    if (kind.case === "callExpr" && unknownFunction(kind.value.function))
      complain(`calls ${kind.value.function}, which is not known`);
    if (kind.case === "structExpr" && kind.value.messageName !== "")
      complain(`makes a ${kind.value.messageName}; only maps and lists can be made`);
    if (kind.case === "comprehensionExpr" && isFamily(kind.value.iterVar))
      complain(`gives ${kind.value.iterVar} another meaning`);
    const path = constantPath(node);
    if (path === null || bound.includes(path.names[0] ?? "")) return true;
    note(path, result, complain);
    // The operand of an index that is computed still holds names.
    return false;
  });
  return result;
}

/** Problems of an expression in an input or a condition; steps outside `knownSteps` are problems, too. */
export function checkExpression(text: string, knownSteps: ReadonlySet<string>): readonly string[] {
  const found = references(text);
  const unknown = [...found.steps.keys()].filter((key) => !knownSteps.has(key));
  return [...found.problems, ...unknown.map((key) => `refers to step ${key}, which is not in the graph`)];
}

/** The expressions in a JSON input. Names of members cannot hold any. */
export function expressionsOf(input: JsonValue): {
  readonly found: readonly FoundExpression[];
  readonly problems: readonly string[];
} {
  const found: FoundExpression[] = [];
  const problems: string[] = [];
  const visit = (value: JsonValue, path: string): void => {
    const name = path === "" ? "the input" : path;
    if (typeof value === "string") {
      if (!holdsExpression(value)) return;
      const template = parseTemplate(value);
      if (!template.ok) problems.push(`${name} ${template.problem}`);
      else
        for (const segment of template.segments)
          if (segment.kind === "expression") found.push({ path, text: segment.text });
    } else if (Array.isArray(value)) {
      for (const [index, item] of (value as readonly JsonValue[]).entries()) visit(item, `${path}[${index}]`);
    } else if (isObject(value)) {
      for (const [member, item] of Object.entries(value)) {
        if (holdsExpression(member)) problems.push(`${name} has an expression in the name of a member`);
        visit(item, memberPath(path, member));
      }
    }
  };
  visit(input, "");
  return { found, problems };
}

/** Keys of all steps that conditions and a JSON input refer to. Texts were checked before; what cannot be read refers to nothing. */
export function referencedSteps(conditions: readonly string[], inputText = ""): readonly string[] {
  const texts = [...conditions];
  if (mayHoldExpression(inputText)) {
    for (const { text } of expressionsOf(JSON.parse(inputText) as JsonValue).found) texts.push(text);
  }
  const keys = new Set<string>();
  for (const text of texts) for (const key of references(text).steps.keys()) keys.add(key);
  return [...keys];
}

export interface ConstantPath {
  readonly names: readonly string[];
  /** Inside of `has(…)`. */
  readonly test: boolean;
}

/** The path that a chain of `a.b["c"]` spells; null when the node is no such chain. Paths end at what is computed. */
export function constantPath(node: Node): ConstantPath | null {
  const names: string[] = [];
  const test = node.exprKind.case === "selectExpr" && node.exprKind.value.testOnly;
  let at: Node | undefined = node;
  while (at !== undefined) {
    const kind: Node["exprKind"] = at.exprKind;
    if (kind.case === "identExpr") return { names: [kind.value.name.replace(/^\./, ""), ...names.reverse()], test };
    if (kind.case === "selectExpr") {
      names.push(kind.value.field);
      at = kind.value.operand;
    } else if (kind.case === "callExpr" && kind.value.function === "_[_]") {
      const [operand, index] = kind.value.args;
      const constant = index?.exprKind.case === "constExpr" ? index.exprKind.value.constantKind : undefined;
      if (constant?.case !== "stringValue") return null;
      names.push(constant.value);
      at = operand;
    } else return null;
  }
  return null;
}

function note(
  path: ConstantPath,
  result: { readonly steps: Map<string, boolean>; readonly goalInputs: Set<string> },
  complain: (problem: string) => void,
): void {
  const [family = "", second, third] = path.names;
  if (family.startsWith("@") || (TYPE_NAMES.has(family) && path.names.length === 1)) return;
  if (!isFamily(family)) {
    complain(`uses ${family}, which is not known; use ${FAMILIES}`);
  } else if (family === "steps") {
    if (second === undefined) complain("uses steps without a key");
    else {
      if (third !== undefined && third !== "outputs" && third !== "state")
        complain(`asks for ${third} of step ${second}, which has outputs and state`);
      result.steps.set(second, (result.steps.get(second) ?? false) || third !== "state");
    }
  } else if (second === undefined) complain(`uses ${family} as a whole`);
  else if (!(MEMBERS[family] ?? []).includes(second)) complain(`uses ${family}.${second}, which is not known`);
  else if (family === "goal" && second === "inputs" && third !== undefined && !path.test) result.goalInputs.add(third);
}

function isFamily(name: string): boolean {
  return name === "steps" || name === "goal" || name === "charter";
}

/** Operators that are not functions of the environment, because they need not evaluate all of their arguments. */
const OPERATORS: ReadonlySet<string> = new Set([
  "_&&_",
  "_||_",
  "_?_:_",
  "_[_]",
  "_==_",
  "_!=_",
  "@not_strictly_false",
  "@in",
  "!_",
  "-_",
]);

function unknownFunction(name: string): boolean {
  return !OPERATORS.has(name) && environment.funcs.find(name) === undefined;
}
