// Whether two definitions of a step say the same, one as a file has it, the other with what the server filled in. Not here: how
// versions differ, which the server judges.
import { toJson } from "@bufbuild/protobuf";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import canonicalize from "canonicalize";
import { StepDefinitionSchema } from "../../gen/maestro/v1/step_pb.ts";
import type { StepDefinition } from "../../gen/maestro/v1/step_pb.ts";

/** The contract's defaults. Where they were others, a step would count as another: that costs a longer request, and nothing else. */
const RETRY = { maxAttempts: 1, initialBackoff: "1s", maxBackoff: "60s", multiplier: 2, jitter: 0.2 };
const TIMEOUT = "3600s";
const ON_FAILURE = "ON_FAILURE_FAIL_PLAN";
const OF_GATES = { timeout: "300s", onFailure: "ON_FAILURE_ASK" };

/** False also where it is not certain. */
export function sameStep(before: StepDefinition | undefined, after: StepDefinition): boolean {
  return before !== undefined && textOf(before) === textOf(after);
}

function textOf(step: StepDefinition): string {
  const json = objectOf(toJson(StepDefinitionSchema, step)) ?? {};
  const { estimate, compensation, work, gate } = json;
  const usual = gate === undefined ? { timeout: TIMEOUT, onFailure: ON_FAILURE } : OF_GATES;
  return (
    canonicalize({
      ...attempt({ ...usual, ...json }),
      ...(work !== undefined && { work: withoutNothing(objectOf(work)) }),
      ...(estimate !== undefined && { estimate: spread(objectOf(estimate)) }),
      ...(compensation !== undefined && { compensation: attempt(objectOf(compensation)) }),
    }) ?? ""
  );
}

function attempt(json: JsonObject = {}): JsonObject {
  return { ...json, timeout: json["timeout"] ?? TIMEOUT, retry: { ...RETRY, ...objectOf(json["retry"]) } };
}

function spread({ likely = "0s", optimistic = likely, pessimistic = likely }: JsonObject = {}): JsonObject {
  return { likely, optimistic, pessimistic };
}

/** To hold nothing of a dimension is written in more than one way. */
function withoutNothing({ hold, ...work }: JsonObject = {}): JsonObject {
  const held = Object.entries(objectOf(hold) ?? {}).filter(([, value]) => value !== "0s" && value !== "0");
  return held.length === 0 ? work : { ...work, hold: Object.fromEntries(held) };
}

function objectOf(json: JsonValue | undefined): JsonObject | undefined {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : undefined;
}
