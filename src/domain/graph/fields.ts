// Two step definitions compared field by field, in the words of the wire. Not here: what a difference means for a step that
// runs or is done, see diff.ts.
import { canonicalText } from "../canonical.ts";
import { isObject, memberOf, memberPath, parseJson } from "../json.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import type { Payload } from "../payload.ts";
import type { Compensation, Retry, StepDefinition } from "../step.ts";

export interface FieldDifference {
  /** Such as `input.run` or `needs["my-step"].regardless`. */
  readonly path: string;
  /** RFC 8785 text; empty when it was absent. */
  readonly beforeJson: string;
  readonly afterJson: string;
}

/** Everything of a definition but its key and its needs, as a tree of JSON. Absent is what is empty or null. */
export function fieldsOf(step: StepDefinition): JsonObject {
  return {
    kind: step.kind,
    title: step.title,
    capability: step.capability,
    executor_labels: step.executorLabels,
    min_trust: step.minTrust,
    hold: {
      tokens: step.hold.tokens,
      money_micros: step.hold.moneyMicros,
      wall_ms: step.hold.wallMs,
      energy_millijoules: step.hold.energyMillijoules,
    },
    condition: step.condition,
    ...payloadField("input", step.input),
    input_schema: step.inputSchema,
    output_schema: step.outputSchema,
    ...(step.estimate === null
      ? {}
      : {
          estimate: {
            optimistic_ms: step.estimate.optimisticMs,
            likely_ms: step.estimate.likelyMs,
            pessimistic_ms: step.estimate.pessimisticMs,
          },
        }),
    timeout_ms: step.timeoutMs,
    retry: retryFields(step.retry),
    on_failure: step.onFailure,
    ...(step.compensation === null ? {} : { compensation: compensationFields(step.compensation) }),
    priority: step.priority,
    produces: step.produces.toSorted(),
    consumes: step.consumes.toSorted(),
    requires_approval: step.requiresApproval,
  };
}

/** What differs between two trees: objects are entered, lists of the same length as well, anything else is compared as a whole. */
export function differences(before: JsonObject, after: JsonObject): readonly FieldDifference[] {
  const found: FieldDifference[] = [];
  const compare = (path: string, a: JsonValue | undefined, b: JsonValue | undefined): void => {
    if (isObject(a) && isObject(b)) {
      for (const name of new Set([...Object.keys(a), ...Object.keys(b)]))
        compare(memberPath(path, name), memberOf(a, name), memberOf(b, name));
    } else if (isList(a) && isList(b) && a.length === b.length) {
      for (const [index, item] of a.entries()) compare(`${path}[${index}]`, item, b[index]);
    } else {
      const difference = { path, beforeJson: textOf(a), afterJson: textOf(b) };
      if (difference.beforeJson !== difference.afterJson) found.push(difference);
    }
  };
  compare("", before, after);
  return found;
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function textOf(value: JsonValue | undefined): string {
  return value === undefined ? "" : canonicalText(value);
}

/** JSON stands under its own name; what is not JSON has a name of its own, so that `{"uri": …}` is never mistaken for it. */
function payloadField(name: string, payload: Payload | null): JsonObject {
  if (payload === null) return {};
  switch (payload.kind) {
    case "json": {
      const parsed = parseJson(payload.text);
      return { [name]: parsed.ok ? parsed.value : payload.text };
    }
    case "bytes":
      return { [`${name}_bytes`]: { content_type: payload.contentType, data: payload.data } };
    case "artifact":
      return { [`${name}_artifact_uri`]: payload.uri };
  }
}

function retryFields(retry: Retry): JsonObject {
  return {
    max_attempts: retry.maxAttempts,
    initial_backoff_ms: retry.initialBackoffMs,
    max_backoff_ms: retry.maxBackoffMs,
    multiplier: retry.multiplier,
    jitter: retry.jitter,
  };
}

function compensationFields(compensation: Compensation): JsonObject {
  return {
    capability: compensation.capability,
    ...payloadField("input", compensation.input),
    timeout_ms: compensation.timeoutMs,
    retry: retryFields(compensation.retry),
  };
}
