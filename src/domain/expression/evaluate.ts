// Conditions and inputs evaluated against what a plan has come to. Not here: which steps an expression refers to, see
// references.ts; what is done with the answer, see plan/resolve.ts.
import { isCelError, isCelList, isCelMap, isCelUint } from "@bufbuild/cel";
import type { CelInput } from "@bufbuild/cel";
import { isObject, memberOf } from "../json.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import { INLINE_LIMIT_BYTES, NESTING_LIMIT } from "../payload.ts";
import { compile } from "./compile.ts";
import { beginRounds } from "./language.ts";
import { references } from "./references.ts";
import { holdsExpression, mayHoldExpression, parseTemplate } from "./template.ts";

/** What expressions can see. JSON is handed over as text and read only when an expression asks for it. */
export interface ExpressionContext {
  /** Results of the steps that are referred to; outputs are null when a step has none. */
  readonly steps: ReadonlyMap<string, { readonly state: string; readonly outputs: string | null }>;
  readonly goal: {
    readonly name: string;
    /** JSON text of an object. */ readonly inputs: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly charter: { readonly name: string };
}

export type Evaluated<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };
export type ResolvedText =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string };

/** Texts and names that one resolved input may hold in all: what keeps a thousand references to one large output in bounds. */
const RESOLVED_LIMIT = 4 * INLINE_LIMIT_BYTES;

/** The truth of a condition; anything else than true or false is a failure. */
export function evaluateCondition(text: string, context: ExpressionContext): Evaluated<boolean> {
  const answer = evaluate(text, context);
  if (!answer.ok) return answer;
  if (typeof answer.value === "boolean") return { ok: true, value: answer.value };
  return failed(text, "is neither true nor false");
}

/** The value of an expression as JSON, at most 256 KiB. */
export function evaluate(text: string, context: ExpressionContext): Evaluated<JsonValue> {
  const compiled = compile(text);
  try {
    if (compiled.kind === "broken") return failed(text, compiled.problem);
    if (compiled.kind === "path") {
      const value = lookUp(compiled.names, context);
      if (tooLarge(value)) return failed(text, "is larger than 256 KiB");
      return { ok: true, value };
    }
    beginRounds();
    const result = compiled.run(bindings(text, context));
    if (isCelError(result)) return failed(text, `cannot be evaluated: ${result.message}`);
    const value = toJson(result, { characters: 0 }, 0);
    if (tooLarge(value)) return failed(text, "is larger than 256 KiB");
    return { ok: true, value };
  } catch (error) {
    if (error instanceof Unresolved) return failed(text, error.message);
    if (error instanceof RangeError) return failed(text, "needs too much room");
    throw error;
  }
}

/**
 * A JSON input with its `${{ … }}` resolved. A text that is one expression takes the expression's value and type; elsewhere
 * values are written into the text, objects as JSON.
 */
export function resolveInput(inputText: string, context: ExpressionContext): ResolvedText {
  if (!mayHoldExpression(inputText)) return { ok: true, text: inputText };
  const budget = { characters: 0 };
  try {
    const value = resolve(JSON.parse(inputText) as JsonValue, context, budget, 0);
    return { ok: true, text: JSON.stringify(value) };
  } catch (error) {
    if (error instanceof Unresolved) return { ok: false, message: error.message };
    throw error;
  }
}

/** Carries a reason out of a recursion; never leaves this file. */
class Unresolved extends Error {}

function failed(text: string, problem: string): { readonly ok: false; readonly message: string } {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return { ok: false, message: `\${{ ${shown} }} ${problem}` };
}

function resolve(value: JsonValue, context: ExpressionContext, budget: Budget, depth: number): JsonValue {
  if (typeof value === "string") return holdsExpression(value) ? resolveText(value, context, budget, depth) : value;
  if (Array.isArray(value))
    return (value as readonly JsonValue[]).map((item) => resolve(item, context, budget, depth + 1));
  if (!isObject(value)) return value;
  return objectOf(Object.entries(value).map(([name, item]) => [name, resolve(item, context, budget, depth + 1)]));
}

function resolveText(text: string, context: ExpressionContext, budget: Budget, depth: number): JsonValue {
  const template = parseTemplate(text);
  if (!template.ok) throw new Unresolved(template.problem);
  const [only] = template.segments;
  if (template.segments.length === 1 && only?.kind === "expression") {
    const value = valueOf(only.text, context);
    charge(budget, JSON.stringify(value).length);
    if (depth + depthOf(value) > NESTING_LIMIT)
      throw new Unresolved(`\${{ ${only.text} }} makes the input nest deeper than ${NESTING_LIMIT}`);
    return value;
  }
  let whole = "";
  for (const segment of template.segments) {
    const value = segment.kind === "text" ? segment.text : valueOf(segment.text, context);
    const part = typeof value === "string" ? value : JSON.stringify(value);
    charge(budget, part.length);
    whole += part;
  }
  return whole;
}

function valueOf(text: string, context: ExpressionContext): JsonValue {
  const answer = evaluate(text, context);
  if (!answer.ok) throw new Unresolved(answer.message);
  return answer.value;
}

interface Budget {
  characters: number;
}

function charge(budget: Budget, characters: number): void {
  budget.characters += characters;
  if (budget.characters > RESOLVED_LIMIT) throw new Unresolved("the input is larger than 1 MiB once resolved");
}

/** Follows a path that needs no CEL. Says what CEL would say, with the name that is missing. */
function lookUp(names: readonly string[], context: ExpressionContext): JsonValue {
  const [family, second = "", third] = names;
  if (family === "charter" && second === "name" && names.length === 2) return context.charter.name;
  if (family === "goal") {
    if (second === "name" && names.length === 2) return context.goal.name;
    if (second === "labels") return follow(context.goal.labels, names, 2);
    if (second === "inputs") return follow(read(context, context.goal.inputs), names, 2);
  }
  if (family === "steps") {
    const step = context.steps.get(second);
    if (step === undefined) throw new Unresolved(`cannot be evaluated: step ${second} has no result`);
    if (third === "state" && names.length === 3) return step.state;
    if (third === "outputs") return follow(step.outputs === null ? null : read(context, step.outputs), names, 3);
    if (third === undefined)
      return { state: step.state, outputs: step.outputs === null ? null : read(context, step.outputs) };
  }
  throw new Unresolved(`cannot be evaluated: ${names.join(".")} is not known`);
}

function follow(value: JsonValue, names: readonly string[], from: number): JsonValue {
  let at = value;
  for (const name of names.slice(from)) {
    const next = isObject(at) ? memberOf(at, name) : undefined;
    if (next === undefined)
      throw new Unresolved(`cannot be evaluated: there is no ${name}${at === null ? " in null" : ""}`);
    at = next;
  }
  return at;
}

/** Outputs that were read for a context already: a condition and ten references to one step parse it once. */
const readings = new WeakMap<ExpressionContext, Map<string, JsonValue>>();

function read(context: ExpressionContext, text: string): JsonValue {
  let known = readings.get(context);
  if (known === undefined) readings.set(context, (known = new Map<string, JsonValue>()));
  let value = known.get(text);
  if (value === undefined) known.set(text, (value = JSON.parse(text) as JsonValue));
  return value;
}

function bindings(text: string, context: ExpressionContext): Record<string, CelInput> {
  const steps = new Map<string, CelInput>();
  for (const key of references(text).steps.keys()) {
    const step = context.steps.get(key);
    if (step === undefined) continue;
    const outputs = step.outputs === null ? null : toCel(read(context, step.outputs));
    steps.set(
      key,
      new Map<string, CelInput>([
        ["state", step.state],
        ["outputs", outputs],
      ]),
    );
  }
  const goal = new Map<string, CelInput>([
    ["name", context.goal.name],
    ["labels", toCel(context.goal.labels)],
    ["inputs", toCel(read(context, context.goal.inputs))],
  ]);
  return { steps, goal, charter: new Map([["name", context.charter.name]]) };
}

/** Whole numbers become int, so that `count + 1` and `list[i]` work; the others double. */
function toCel(value: JsonValue): CelInput {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(toCel);
  return new Map(Object.entries(value).map(([name, item]) => [name, toCel(item)]));
}

function toJson(value: unknown, budget: Budget, depth: number): JsonValue {
  if (depth > NESTING_LIMIT) throw new Unresolved(`nests deeper than ${NESTING_LIMIT}`);
  budget.characters += typeof value === "string" ? value.length + 2 : 1;
  if (budget.characters > INLINE_LIMIT_BYTES) throw new Unresolved("is larger than 256 KiB");
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "bigint" || typeof value === "number") return exact(value);
  if (isCelUint(value)) return exact(value.value);
  if (isCelList(value)) return Array.from(value, (item) => toJson(item, budget, depth + 1));
  if (isCelMap(value)) {
    const members: [string, JsonValue][] = [];
    for (const [name, item] of value) {
      if (typeof name !== "string") throw new Unresolved("has a map whose keys are not texts, which JSON cannot hold");
      budget.characters += name.length + 3;
      members.push([name, toJson(item, budget, depth + 1)]);
    }
    return objectOf(members);
  }
  if (isCelError(value)) throw new Unresolved(`cannot be evaluated: ${value.message}`);
  throw new Unresolved("has no JSON form; make it a text with string(…)");
}

function exact(value: bigint | number): number {
  const number = Number(value);
  if (Number.isFinite(number) && Math.abs(number) <= Number.MAX_SAFE_INTEGER) return number === 0 ? 0 : number;
  throw new Unresolved(`is ${String(value)}, which is beyond ±(2^53 − 1)`);
}

/** Object with these members, also one named `__proto__`. */
function objectOf(members: readonly (readonly [string, JsonValue])[]): JsonObject {
  return Object.fromEntries(members);
}

function tooLarge(value: JsonValue): boolean {
  if (typeof value === "string") return Buffer.byteLength(value) > INLINE_LIMIT_BYTES;
  return typeof value === "object" && value !== null && Buffer.byteLength(JSON.stringify(value)) > INLINE_LIMIT_BYTES;
}

function depthOf(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const item of Object.values(value) as readonly JsonValue[]) deepest = Math.max(deepest, depthOf(item));
  return deepest + 1;
}
