// Conditions and inputs of a step, resolved against what its plan has come to. Not here: the expression language.
import { evaluateCondition, resolveInput } from "../expression/evaluate.ts";
import type { ExpressionContext } from "../expression/evaluate.ts";
import { referencedSteps } from "../expression/references.ts";
import { conforms } from "../expression/schema.ts";
import { digestOfText } from "../canonical.ts";
import type { Failure } from "../outcome.ts";
import { INLINE_LIMIT_BYTES, payloadText } from "../payload.ts";
import type { Payload } from "../payload.ts";
import { has, STEP_FLAGS } from "../step.ts";
import type { Compensation, StepDefinition, StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { MissingRows } from "./slice.ts";

export type Resolved =
  { readonly kind: "ready" } | { readonly kind: "skip" } | { readonly kind: "failed"; readonly failure: Failure };

const consumed = new WeakMap<StepDefinition, readonly string[]>();

/** Keys of the steps whose results the condition and the input refer to. */
export function consumedKeys(definition: StepDefinition): readonly string[] {
  let keys = consumed.get(definition);
  if (keys === undefined) {
    const { condition, input } = definition;
    keys = referencedSteps(condition === "" ? [] : [condition], input?.kind === "json" ? input.text : "");
    consumed.set(definition, keys);
  }
  return keys;
}

/**
 * Asks at once for everything that resolving these steps takes: a decision that found it out step by step would be made
 * again for each of them.
 */
export function foresee(draft: PlanDraft, ordinals: readonly number[]): void {
  const { slice } = draft;
  const dynamic = ordinals.filter((ordinal) => has(draft.step(ordinal).flags, STEP_FLAGS.DYNAMIC));
  if (dynamic.length === 0) return;
  const definitions = dynamic.filter((ordinal) => !slice.definitions.has(ordinal));
  if (definitions.length > 0 || slice.goal === null)
    throw new MissingRows({ definitions, ...(slice.goal === null && { goal: true }) });
  const keys = new Set(dynamic.flatMap((ordinal) => consumedKeys(draft.definition(ordinal))));
  const results = draft.unknownResults([...keys]);
  if (results.length > 0) throw new MissingRows({ results });
}

/** Evaluates the condition, resolves the input, checks it against its schema, and keeps it for the lease. */
export function resolveStep(draft: PlanDraft, row: StepRow): Resolved {
  const definition = draft.definition(row.ordinal);
  const inputText = definition.input?.kind === "json" ? definition.input.text : null;
  const keys = consumedKeys(definition);
  const context = contextOf(draft, keys);
  if (definition.condition !== "") {
    const answer = evaluateCondition(definition.condition, context);
    if (!answer.ok) return failed("EXPRESSION", `condition: ${answer.message}`);
    if (!answer.value) return { kind: "skip" };
  }
  let input: Payload | null = definition.input;
  if (inputText !== null) {
    const resolved = resolveInput(inputText, context);
    if (!resolved.ok) return failed("EXPRESSION", `input: ${resolved.message}`);
    if (Buffer.byteLength(resolved.text) > INLINE_LIMIT_BYTES)
      return failed("SCHEMA", "input: larger than 256 KiB once resolved");
    input = { kind: "json", text: resolved.text };
  }
  if (definition.inputSchema !== "") {
    const checked = conforms(definition.inputSchema, input?.kind === "json" ? input.text : "null");
    if (!checked.ok) return failed("SCHEMA", `input does not satisfy input_schema: ${checked.message}`);
  }
  const used = keys.map((key) => `${key}=${context.digests.get(key) ?? ""}`).sort();
  draft.setInput({
    ordinal: row.ordinal,
    undoing: false,
    input: payloadText(input),
    effectiveDigest: digestOfText(`${payloadText(input) ?? ""}\n${used.join("\n")}`),
  });
  return { kind: "ready" };
}

/**
 * Input of a compensation. To a row that was dropped, keys mean what they meant when it ran, whatever has come under them since. A
 * reference that cannot be resolved leaves the template as it is: undoing must not fail before it is tried.
 */
export function resolveCompensation(draft: PlanDraft, ordinal: number, compensation: Compensation): Payload | null {
  if (compensation.input?.kind !== "json") return compensation.input;
  const text = compensation.input.text;
  const referenced = referencedSteps([], text);
  if (referenced.length === 0 && !text.includes("${{")) return compensation.input;
  const row = draft.step(ordinal);
  const keys = [...new Set([...referenced, row.key])];
  const context = row.current
    ? contextOf(draft, keys)
    : { ...contextOf(draft, []), steps: draft.consumed(row, referenced) };
  const resolved = resolveInput(text, context);
  return resolved.ok ? { kind: "json", text: resolved.text } : compensation.input;
}

function contextOf(
  draft: PlanDraft,
  keys: readonly string[],
): ExpressionContext & { readonly digests: ReadonlyMap<string, string> } {
  const goal = draft.goalContext();
  const results = draft.results(keys);
  const steps = new Map<string, { readonly state: string; readonly outputs: string | null }>();
  const digests = new Map<string, string>();
  for (const [key, result] of results) {
    steps.set(key, { state: result.state, outputs: result.outputs });
    digests.set(key, result.outputsDigest);
  }
  return {
    steps,
    goal: { name: goal.name, inputs: goal.inputs, labels: goal.labels },
    charter: { name: goal.charter },
    digests,
  };
}

function failed(errorClass: Failure["errorClass"], message: string): Resolved {
  return { kind: "failed", failure: { errorClass, message: message.slice(0, 4_096), details: "" } };
}
