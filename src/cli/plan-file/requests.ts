// A plan file as the messages that are sent. Not here: in which order, see the apply command.
import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { AmountsSchema, BudgetSchema } from "../../../gen/maestro/v1/amounts_pb.ts";
import type { Amounts, Budget } from "../../../gen/maestro/v1/amounts_pb.ts";
import { CharterTermsSchema, GateMode, ReleasePolicySchema, StaleRule } from "../../../gen/maestro/v1/charter_pb.ts";
import type { CharterTerms, ReleasePolicy } from "../../../gen/maestro/v1/charter_pb.ts";
import { ConstraintsSchema, GoalSpecSchema } from "../../../gen/maestro/v1/goal_pb.ts";
import type { GoalSpec } from "../../../gen/maestro/v1/goal_pb.ts";
import { PayloadSchema } from "../../../gen/maestro/v1/payload_pb.ts";
import type { Payload } from "../../../gen/maestro/v1/payload_pb.ts";
import {
  CompensationSchema,
  EstimateSchema,
  OnFailure,
  RetryPolicySchema,
  StepDefinitionSchema,
} from "../../../gen/maestro/v1/step_pb.ts";
import type { Estimate as EstimateMessage, RetryPolicy, StepDefinition } from "../../../gen/maestro/v1/step_pb.ts";
import type { Estimate } from "./amounts.ts";
import type { Json } from "./kinds.ts";
import type { FileAmounts, FileGate, FileRelease, FileRetry, FileWork, PlanFile } from "./shape.ts";

export interface Requests {
  readonly charterName: string;
  /** Undefined when the file only names a charter. */
  readonly terms: CharterTerms | undefined;
  readonly goal: GoalSpec;
  readonly steps: readonly StepDefinition[];
}

/** `keys` are those of the file's builders, in order. */
export function requestsOf(file: PlanFile, keys: readonly (readonly string[])[]): Requests {
  const { charter, goal, steps } = file;
  return {
    charterName: typeof charter === "string" ? charter : charter.name,
    terms: typeof charter === "string" ? undefined : termsOf(charter, keys),
    goal: goalOf(goal),
    steps: [...steps].map(([key, step]) => stepOf(key, step)),
  };
}

function termsOf(charter: Exclude<PlanFile["charter"], string>, keys: readonly (readonly string[])[]): CharterTerms {
  const { purpose = "", deadline, budget, min_trust = 0, ratify_commits = false, stale_rule, release } = charter;
  return create(CharterTermsSchema, {
    purpose,
    minTrust: min_trust,
    ...(deadline !== undefined && { deadline: durationOf(deadline) }),
    ...(budget !== undefined && { budget: budgetOf(budget) }),
    ...(ratify_commits && { approvals: { ratifyCommits: true } }),
    staleRule:
      stale_rule === undefined ? StaleRule.UNSPECIFIED : stale_rule === "keep" ? StaleRule.KEEP : StaleRule.RERUN,
    ...(release !== undefined && { release: releaseOf(release, keys) }),
  });
}

function releaseOf(release: FileRelease, keys: readonly (readonly string[])[]): ReleasePolicy {
  const { mode, builders = [], min_approvals = 0, require_content = false } = release;
  return create(ReleasePolicySchema, {
    mode: mode === undefined ? GateMode.UNSPECIFIED : mode === "verified" ? GateMode.VERIFIED : GateMode.FLAGS,
    builders: builders.map(({ id }, i) => ({ id, publicKeys: [...(keys[i] ?? [])] })),
    minApprovals: min_approvals,
    requireContent: require_content,
  });
}

function goalOf(goal: PlanFile["goal"]): GoalSpec {
  const { name, intent = "", inputs, labels = new Map<string, string>(), budget, deadline, min_trust } = goal;
  const limited = budget !== undefined || deadline !== undefined || min_trust !== undefined;
  const constraints = limited
    ? create(ConstraintsSchema, {
        minTrust: min_trust ?? 0,
        ...(budget !== undefined && { budget: budgetOf(budget) }),
        ...(deadline !== undefined && { deadline: durationOf(deadline) }),
      })
    : undefined;
  return create(GoalSpecSchema, {
    name,
    intent,
    labels: Object.fromEntries(labels),
    ...(inputs !== undefined && { inputs: payloadOf(inputs) }),
    ...(constraints !== undefined && { constraints }),
  });
}

const RULES = {
  fail: OnFailure.FAIL_PLAN,
  skip_dependents: OnFailure.SKIP_DEPENDENTS,
  carry_on: OnFailure.CARRY_ON,
  ask: OnFailure.ASK,
} as const;

function stepOf(key: string, step: FileWork | FileGate): StepDefinition {
  if (!("gate" in step)) return workOf(key, step);
  return create(StepDefinitionSchema, {
    ...commonOf(key, step),
    kind: { case: "gate", value: { gate: { case: "release", value: {} } } },
  });
}

/** What steps of every kind have. */
function commonOf(key: string, step: FileWork | FileGate) {
  return {
    key,
    title: step.title ?? "",
    needs: (step.needs ?? []).map((needed) =>
      typeof needed === "string" ? { step: needed } : { regardless: false, ...needed },
    ),
    condition: step.condition ?? "",
    ...(step.estimate !== undefined && { estimate: estimateOf(step.estimate) }),
    ...(step.timeout !== undefined && { timeout: durationOf(step.timeout) }),
    ...(step.retry !== undefined && { retry: retryOf(step.retry) }),
    onFailure: step.on_failure === undefined ? OnFailure.UNSPECIFIED : RULES[step.on_failure],
    priority: step.priority ?? 0,
    requiresApproval: step.requires_approval ?? false,
  };
}

function workOf(key: string, step: FileWork): StepDefinition {
  const { compensation, executor_labels = new Map<string, string>() } = step;
  return create(StepDefinitionSchema, {
    ...commonOf(key, step),
    kind: {
      case: "work",
      value: {
        capability: step.capability,
        executorLabels: Object.fromEntries(executor_labels),
        minTrust: step.min_trust ?? 0,
        ...(step.hold !== undefined && { hold: amountsOf(step.hold) }),
      },
    },
    ...(step.input !== undefined && { input: payloadOf(step.input) }),
    inputSchema: schemaText(step.input_schema),
    outputSchema: schemaText(step.output_schema),
    ...(compensation !== undefined && {
      compensation: create(CompensationSchema, {
        capability: compensation.capability,
        ...(compensation.input !== undefined && { input: payloadOf(compensation.input) }),
        ...(compensation.timeout !== undefined && { timeout: durationOf(compensation.timeout) }),
        ...(compensation.retry !== undefined && { retry: retryOf(compensation.retry) }),
      }),
    }),
    produces: step.produces ?? [],
    consumes: step.consumes ?? [],
  });
}

function retryOf(retry: FileRetry): RetryPolicy {
  return create(RetryPolicySchema, {
    maxAttempts: retry.max,
    multiplier: retry.multiplier ?? 0,
    ...(retry.initial_backoff !== undefined && { initialBackoff: durationOf(retry.initial_backoff) }),
    ...(retry.max_backoff !== undefined && { maxBackoff: durationOf(retry.max_backoff) }),
    ...(retry.jitter !== undefined && { jitter: retry.jitter }),
  });
}

function estimateOf({ optimisticMs, likelyMs, pessimisticMs }: Estimate): EstimateMessage {
  return create(EstimateSchema, {
    likely: durationOf(likelyMs),
    ...(optimisticMs !== undefined && { optimistic: durationOf(optimisticMs) }),
    ...(pessimisticMs !== undefined && { pessimistic: durationOf(pessimisticMs) }),
  });
}

function budgetOf({ money, tokens, wall, energy }: FileAmounts): Budget {
  return create(BudgetSchema, {
    currency: money?.currency ?? "",
    ...(money !== undefined && { moneyMicros: BigInt(money.micros) }),
    ...(tokens !== undefined && { tokens: BigInt(tokens) }),
    ...(wall !== undefined && { wall: durationOf(wall) }),
    ...(energy !== undefined && { energyMillijoules: BigInt(energy) }),
  });
}

function amountsOf({ money, tokens, wall, energy }: FileAmounts): Amounts {
  return create(AmountsSchema, {
    moneyMicros: BigInt(money?.micros ?? 0),
    tokens: BigInt(tokens ?? 0),
    energyMillijoules: BigInt(energy ?? 0),
    ...(wall !== undefined && { wall: durationOf(wall) }),
  });
}

function payloadOf(value: Json): Payload {
  return create(PayloadSchema, { value: { case: "json", value: JSON.stringify(value) } });
}

function schemaText(schema: { [key: string]: Json } | undefined): string {
  return schema === undefined ? "" : JSON.stringify(schema);
}

function durationOf(ms: number): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 });
}
