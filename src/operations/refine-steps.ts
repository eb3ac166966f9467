// From step definitions to an analysed graph, or a refusal that names what is wrong. Pure, and too slow for the event loop
// when graphs are large. Not here: which goal and version it is for, see goal-refine.ts.
import type { Limits } from "../domain/amounts.ts";
import { canServe } from "../domain/executor.ts";
import type { Executor } from "../domain/executor.ts";
import { expressionsOf, referencedSteps, references } from "../domain/expression/references.ts";
import { validateSchema } from "../domain/expression/schema.ts";
import { STEPS_LIMIT } from "../domain/graph.ts";
import { analyse } from "../domain/graph/analysis.ts";
import type { AnalysedGraph } from "../domain/graph/analysis.ts";
import { cycleText, findCycles } from "../domain/graph/cycles.ts";
import { deriveEdges } from "../domain/graph/edges.ts";
import { graphDigest } from "../domain/graph/fingerprint.ts";
import { parseJson } from "../domain/json.ts";
import type { Payload } from "../domain/payload.ts";
import { decided, invalid, refused } from "../domain/refusal.ts";
import type { Decision, Violation } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";

/** Plain values only. */
export interface RefineInput {
  readonly steps: readonly StepDefinition[];
  /** Path of each step in the request, for refusals. */
  readonly paths: readonly string[];
  /** Names of the goal's inputs. */
  readonly goalInputs: readonly string[];
  readonly deadlineMs: number | null;
  readonly limits: Limits;
  readonly minTrust: number;
  readonly executors: readonly Pick<Executor, "spec" | "trust">[];
}

export interface RefinedGraph extends AnalysedGraph {
  readonly digest: string;
}

const VIOLATIONS_LIMIT = 100;
/** Rules of violations that say that nobody provides something. */
const PREMISE_RULES: ReadonlySet<string> = new Set([
  "graph.unknown_step",
  "expression.unknown_step",
  "expression.unknown_input",
]);

export function refineSteps(input: RefineInput): Decision<RefinedGraph> {
  const { steps } = input;
  if (steps.length === 0)
    return invalid({ field: "steps", description: "A graph needs at least one step.", rule: "graph.empty" });
  if (steps.length > STEPS_LIMIT) {
    return invalid({
      field: "steps",
      description: `The graph has ${String(steps.length)} steps; at most ${String(STEPS_LIMIT)} are allowed.`,
      rule: "graph.too_many_steps",
    });
  }
  const own = steps.flatMap((step, i) => violationsOf(step, input.paths[i] ?? ""));
  if (own.length > 0) return invalid(...own.slice(0, VIOLATIONS_LIMIT));
  const { edges, violations, missing } = deriveEdges(steps, { goalInputs: new Set(input.goalInputs) });
  if (violations.length > 0) return refuseViolations(input, violations);
  const [absent] = missing;
  if (absent !== undefined) {
    const named = missing.map(({ field, artifact }) => ({
      field: pathOf(input, field),
      description: `Nobody produces the artifact ${JSON.stringify(artifact)}.`,
      rule: "graph.missing_artifact",
    }));
    return refused(
      "MISSING_PREMISES",
      `Step ${absent.step} consumes the artifact ${JSON.stringify(absent.artifact)}, which no step produces.`,
      {
        rule: "graph.missing_artifact",
        metadata: { missing: absent.artifact, needed_by: absent.step },
        violations: named,
        remedy: "Add a step that produces it, or do not consume it.",
      },
    );
  }
  const [cycle, ...more] = findCycles(
    steps.map((s) => s.key),
    edges,
  );
  if (cycle !== undefined) {
    const text = cycleText(cycle);
    const others = more.length === 0 ? "" : ` There are ${String(more.length)} more.`;
    return refused("CYCLE", `The graph has a cycle: ${text}.${others}`, {
      rule: "graph.cycle",
      metadata: { cycle: text },
      remedy: "Remove one of these dependencies.",
    });
  }
  const graph = analyse(steps, edges, {
    deadlineMs: input.deadlineMs,
    limits: input.limits,
    servable: servableBy(input),
  });
  return decided({ ...graph, digest: graphDigest(graph.steps, graph.edges) });
}

/** What is wrong with a step by itself. */
function violationsOf(step: StepDefinition, path: string): readonly Violation[] {
  const found: Violation[] = [];
  const json = (payload: Payload | null, field: string): void => {
    if (payload?.kind !== "json") return;
    const parsed = parseJson(payload.text);
    if (!parsed.ok)
      found.push({ field: `${path}.${field}`, description: parsed.problem, rule: "payload.invalid_json" });
  };
  const schema = (text: string, field: string): void => {
    const checked = text === "" ? { ok: true as const } : validateSchema(text);
    if (!checked.ok) found.push({ field: `${path}.${field}`, description: checked.message, rule: "schema.invalid" });
  };
  json(step.input, "input");
  json(step.compensation?.input ?? null, "compensation.input");
  schema(step.inputSchema, "input_schema");
  schema(step.outputSchema, "output_schema");
  if (step.estimate !== null) {
    const { optimisticMs, likelyMs, pessimisticMs } = step.estimate;
    if (optimisticMs > likelyMs || likelyMs > pessimisticMs) {
      found.push({
        field: `${path}.estimate`,
        description: "must grow from optimistic over likely to pessimistic",
        rule: "step.estimate.order",
      });
    }
  }
  return found;
}

/** `steps[3].input` in the words of the request that the step came with. */
function pathOf(input: RefineInput, field: string): string {
  const match = /^steps\[(\d+)\](.*)$/s.exec(field);
  if (match === null) return field;
  return `${input.paths[Number(match[1])] ?? "steps"}${match[2] ?? ""}`;
}

function refuseViolations(input: RefineInput, violations: readonly Violation[]): Decision<never> {
  const named = violations.map((v) => ({ ...v, field: pathOf(input, v.field) }));
  const [first] = violations;
  if (first === undefined || !violations.every((v) => PREMISE_RULES.has(v.rule))) return invalid(...named);
  const step = input.steps[Number(/^steps\[(\d+)\]/.exec(first.field)?.[1] ?? -1)];
  const missing = step === undefined ? "" : missingOf(step, input);
  return refused("MISSING_PREMISES", first.description, {
    rule: first.rule,
    metadata: { missing, needed_by: step?.key ?? "" },
    violations: named,
    remedy: "Add what is missing, or do not refer to it.",
  });
}

/** The first thing that a step refers to and that is not there. */
function missingOf(step: StepDefinition, input: RefineInput): string {
  const keys = new Set(input.steps.map((s) => s.key));
  const inputText = step.input?.kind === "json" ? step.input.text : "";
  const undoText = step.compensation?.input?.kind === "json" ? step.compensation.input.text : "";
  const needed = [
    ...step.needs.map((n) => n.step),
    ...referencedSteps(step.condition === "" ? [] : [step.condition], inputText),
    ...referencedSteps([], undoText),
  ];
  const gone = needed.find((key) => !keys.has(key));
  if (gone !== undefined) return gone;
  const provided = new Set(input.goalInputs);
  const texts = [step.condition, ...[inputText, undoText].flatMap(expressionTexts)].filter((text) => text !== "");
  const name = texts.flatMap((text) => [...references(text).goalInputs]).find((n) => !provided.has(n));
  return name === undefined ? "" : `goal.inputs.${name}`;
}

function expressionTexts(text: string): readonly string[] {
  const parsed = text === "" ? { ok: false as const } : parseJson(text);
  return parsed.ok ? expressionsOf(parsed.value).found.map((f) => f.text) : [];
}

/** Whether some executor can do a step; steps that ask the same are looked at once. */
function servableBy({ executors, minTrust }: RefineInput): (step: StepDefinition) => boolean {
  const known = new Map<string, boolean>();
  return (step) => {
    if (step.kind === "gate") return true;
    const demand = {
      capability: step.capability,
      labels: step.executorLabels,
      minTrust: Math.max(step.minTrust, minTrust),
    };
    const text = JSON.stringify(demand);
    let servable = known.get(text);
    if (servable === undefined) {
      servable = executors.some((e) => canServe(e, demand));
      known.set(text, servable);
    }
    return servable;
  };
}
