// Why steps ended as they did, where the step itself does not say it. Not here: failures of attempts, which it does say.
import type { StepDefinition } from "../../gen/maestro/v1/step_pb.ts";
import { StepState, StepStateSchema } from "../../gen/maestro/v1/step_pb.ts";
import type { Step } from "../../gen/maestro/v1/step_pb.ts";
import { referencedSteps } from "../domain/expression/references.ts";
import type { ServerClient } from "./client.ts";
import { word } from "./words.ts";

/** The step's failure; of one that failed before its first attempt, what its plan's records say. */
export async function failureReasons(
  client: ServerClient,
  planId: string,
  steps: readonly Step[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const reasons = new Map<string, string>();
  const silent = new Set<string>();
  for (const { key, state, failure } of steps) {
    if (failure !== undefined && failure.message !== "") reasons.set(key, failure.message);
    else if (state === StepState.FAILED) silent.add(key);
  }
  if (silent.size === 0) return reasons;
  const over = new AbortController();
  try {
    const both = AbortSignal.any([signal, over.signal]);
    let last: bigint | undefined;
    for await (const { message } of client.plans.watchPlan({ planId, after: 0n }, { signal: both })) {
      if (message.case === "snapshot") last ??= message.value.recordSequence;
      if (message.case === "event" && message.value.kind === "step.failed" && silent.has(message.value.step))
        reasons.set(message.value.step, message.value.message);
      const at = message.case === "event" ? message.value.sequence : 0n;
      if (message.case === "ended" || (last !== undefined && at >= last)) break;
    }
  } catch (error) {
    // Without them the step is told as it is.
    if (signal.aborted) throw error;
  } finally {
    over.abort();
  }
  return reasons;
}

const UNDONE: ReadonlySet<StepState> = new Set([
  StepState.FAILED,
  StepState.REFUSED,
  StepState.SKIPPED,
  StepState.CANCELLED,
]);

/** Why nobody had to perform the step, as far as its definition and the states of others tell. */
export function skipReason(
  definition: StepDefinition | undefined,
  stateOf: (key: string) => StepState | undefined,
): string {
  if (definition === undefined) return "";
  const { needs, condition, input } = definition;
  const text = input?.value.case === "json" ? input.value.value : "";
  const needed = needs.filter(({ regardless }) => !regardless).map(({ step }) => step);
  for (const key of new Set([...needed, ...referencedSteps([], text)])) {
    const state = stateOf(key);
    if (state !== undefined && UNDONE.has(state)) return `${key}, which it needs, is ${word(StepStateSchema, state)}`;
  }
  return condition === "" ? "a step that it depends on did not succeed" : `its condition is false: ${condition}`;
}
