// Texts and digests of step definitions: what is stored, what reuse goes by, what a ratification names. Not here: how two
// definitions differ, see diff.ts.
import { canonicalText, digestOfText } from "../canonical.ts";
import type { Edge, GraphStep } from "../graph.ts";
import { parseJson } from "../json.ts";
import type { Payload } from "../payload.ts";
import type { Compensation, Need, StepDefinition } from "../step.ts";

/** RFC 8785 text of a whole definition: what is stored. JSON inputs stay the text that they came as. */
export function definitionText(step: StepDefinition): string {
  // Members in canonical order and one JSON.stringify: a quarter of the cost of the general serializer, for 10,000 steps
  // 100 ms less. Names that begin with a digit might be moved by the language, so they go the long way.
  const names = Object.keys(step.executorLabels);
  if (names.some((name) => /^\d/.test(name))) return canonicalText(step);
  const { compensation, estimate } = step;
  return JSON.stringify({
    capability: step.capability,
    compensation:
      compensation === null
        ? null
        : {
            capability: compensation.capability,
            input: payloadOrdered(compensation.input),
            retry: retryOf(compensation.retry),
            timeoutMs: compensation.timeoutMs,
          },
    condition: step.condition,
    consumes: step.consumes,
    estimate:
      estimate === null
        ? null
        : { likelyMs: estimate.likelyMs, optimisticMs: estimate.optimisticMs, pessimisticMs: estimate.pessimisticMs },
    executorLabels: names.length < 2 ? step.executorLabels : Object.fromEntries(sortedPairs(step.executorLabels)),
    hold: holdOf(step),
    input: payloadOrdered(step.input),
    inputSchema: step.inputSchema,
    key: step.key,
    kind: step.kind,
    minTrust: step.minTrust,
    needs: step.needs.map((need) => ({ regardless: need.regardless, step: need.step })),
    onFailure: step.onFailure,
    outputSchema: step.outputSchema,
    priority: step.priority,
    produces: step.produces,
    requiresApproval: step.requiresApproval,
    retry: retryOf(step.retry),
    timeoutMs: step.timeoutMs,
    title: step.title,
  } satisfies Record<keyof StepDefinition, unknown>);
}

/** The definition of a stored text. */
export function parseDefinition(text: string): StepDefinition {
  return JSON.parse(text) as StepDefinition;
}

/** A step without its definition, whose text says as much. */
export type StoredStep = Omit<GraphStep, "definition">;

/** The step of a stored text, which is parsed when its definition is first asked for: who only passes steps on never does. */
export function stepOf(stored: StoredStep): GraphStep {
  let parsed: StepDefinition | undefined;
  return {
    ...stored,
    get definition() {
      return (parsed ??= parseDefinition(stored.definitionText));
    },
  };
}

/** The step as it is kept, or passed on. */
export function storedOf(step: GraphStep): StoredStep {
  // By name: reading all of a step would parse its definition.
  return {
    definitionText: step.definitionText,
    fingerprint: step.fingerprint,
    level: step.level,
    expectedMs: step.expectedMs,
    earliestMs: step.earliestMs,
    latestMs: step.latestMs,
    totalSlackMs: step.totalSlackMs,
    freeSlackMs: step.freeSlackMs,
    critical: step.critical,
  };
}

/**
 * Digest of what a step does and when it may: everything of its definition but its key (that is its identity), title,
 * priority and estimate. JSON inputs count by their value, not their text. Needs are given apart: callers leave out those
 * whose edges follow from others, so that a redundant need changes nothing.
 */
export function fingerprint(step: StepDefinition, needs: readonly Need[] = step.needs): string {
  return digestOfText(executionText(step, needs));
}

/** RFC 8785 text behind the fingerprint. */
export function executionText(step: StepDefinition, needs: readonly Need[] = step.needs): string {
  // Members stand in canonical order; names that callers chose are lists of pairs, which keep theirs.
  const text = {
    capability: step.capability,
    compensation: step.compensation === null ? null : compensationOf(step.compensation),
    condition: step.condition,
    consumes: step.consumes.toSorted(),
    executorLabels: sortedPairs(step.executorLabels),
    hold: holdOf(step),
    input: payloadParts(step.input),
    inputSchema: step.inputSchema,
    kind: step.kind,
    minTrust: step.minTrust,
    needs: needPairs(needs),
    onFailure: step.onFailure,
    outputSchema: step.outputSchema,
    produces: step.produces.toSorted(),
    requiresApproval: step.requiresApproval,
    retry: retryOf(step.retry),
    timeoutMs: step.timeoutMs,
  };
  return JSON.stringify(text);
}

/** Digest of a graph: every definition whole, and every edge. The order in which they are given does not matter. */
export function graphDigest(steps: readonly { readonly definitionText: string }[], edges: readonly Edge[]): string {
  const lines = [
    ...steps.map((step) => step.definitionText).sort(),
    ...edges.map((edge) => canonicalText([edge.from, edge.to, edge.kind, edge.regardless])).sort(),
  ];
  // Canonical texts hold no line breaks, so joined lines cannot be read in two ways.
  return digestOfText(lines.map((line) => `${line}\n`).join(""));
}

function sortedPairs(labels: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Needs as sorted pairs, a step once: it is waited for regardless only if each of them says so. */
function needPairs(needs: readonly Need[]): readonly (readonly [string, boolean])[] {
  const merged = new Map<string, boolean>();
  for (const { step, regardless } of needs) merged.set(step, (merged.get(step) ?? true) && regardless);
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1));
}

function payloadParts(payload: Payload | null): readonly string[] | null {
  if (payload === null) return null;
  switch (payload.kind) {
    case "json": {
      const parsed = parseJson(payload.text);
      return ["json", parsed.ok ? canonicalText(parsed.value) : payload.text];
    }
    case "bytes":
      return ["bytes", payload.contentType, payload.data];
    case "artifact":
      return ["artifact", payload.uri];
  }
}

function payloadOrdered(payload: Payload | null): Payload | null {
  if (payload === null) return null;
  switch (payload.kind) {
    case "json":
      return { kind: payload.kind, text: payload.text };
    case "bytes":
      return { contentType: payload.contentType, data: payload.data, kind: payload.kind };
    case "artifact":
      return { kind: payload.kind, uri: payload.uri };
  }
}

function holdOf({ hold }: StepDefinition): object {
  return {
    energyMillijoules: hold.energyMillijoules,
    moneyMicros: hold.moneyMicros,
    tokens: hold.tokens,
    wallMs: hold.wallMs,
  };
}

function compensationOf(compensation: Compensation): object {
  return {
    capability: compensation.capability,
    input: payloadParts(compensation.input),
    retry: retryOf(compensation.retry),
    timeoutMs: compensation.timeoutMs,
  };
}

function retryOf(retry: StepDefinition["retry"]): object {
  return {
    initialBackoffMs: retry.initialBackoffMs,
    jitter: retry.jitter,
    maxAttempts: retry.maxAttempts,
    maxBackoffMs: retry.maxBackoffMs,
    multiplier: retry.multiplier,
  };
}
