// `maestro rerun` and `resolve`: a step that is done is done again, or said by hand to have come to something. Not here: verbs
// on what has not begun or failed, see plan-verbs.ts.
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { SuccessSchema } from "../../../gen/maestro/v1/dispatch_pb.ts";
import { PayloadSchema } from "../../../gen/maestro/v1/payload_pb.ts";
import { ErrorClassSchema, FailureSchema, StepSchema, StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import { RerunOrder, RerunStepResponseSchema } from "../../../gen/maestro/v1/step_service_pb.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { facts, harmless } from "../table.ts";
import { planIdOf } from "../target.ts";
import { valueOf, word } from "../words.ts";

export interface RerunFlags {
  readonly reason: string;
  readonly cascade?: boolean;
  readonly atOnce?: boolean;
  readonly dryRun?: boolean;
}

export async function rerun(named: string, key: string, flags: RerunFlags, context: Context): Promise<void> {
  const { io, json, quiet, withClient } = context;
  const { reason, cascade = false, atOnce = false, dryRun = false } = flags;
  const order = atOnce ? RerunOrder.AT_ONCE : RerunOrder.UNDO_FIRST;
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const idempotencyKey = client.newKey();
    const told = await client.steps.rerunStep(
      { planId, step: key, reason, cascade, order, dryRun, idempotencyKey },
      { signal: io.signal },
    );
    if (json) return io.out(jsonLine(RerunStepResponseSchema, told));
    if (quiet) return;
    const state = told.step === undefined ? "" : word(StepStateSchema, told.step.state);
    io.out(`${harmless(dryRun ? `${key} of ${planId} would run again` : `${key} of ${planId} is ${state}`)}\n`);
    const lists = facts([
      ["runs again too", told.rerunSteps.join(", ")],
      ["stays, and is stale", told.staleSteps.join(", ")],
      [atOnce ? "is undone" : "is undone first", told.compensatedSteps.join(", ")],
      ["cannot be undone", told.notCompensableSteps.join(", ")],
      ["is told to stop", told.stoppedSteps.join(", ")],
    ]);
    if (lists !== "") io.out(`${lists}\n`);
  });
}

export interface ResolveFlags {
  readonly reason?: string;
  readonly success?: boolean;
  /** JSON, or `@` and a file that holds it. */
  readonly outputs?: string;
  readonly failure?: string;
  readonly class: string;
  readonly row?: number;
}

export async function resolveStep(named: string, key: string, flags: ResolveFlags, context: Context): Promise<void> {
  const { io, json, quiet, withClient } = context;
  const { reason = "" } = flags;
  if (reason === "") throw new CommandEnd(MISUSED, "say why, and how it is known, with --reason");
  const result = resultOf(flags);
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const ordinal = flags.row ?? 0;
    const request = { planId, step: key, ordinal, reason, result, idempotencyKey: client.newKey() };
    const { step } = await client.steps.resolveStep(request, { signal: io.signal });
    if (step === undefined) throw new Error("the server does not say what became of the step");
    if (json) io.out(jsonLine(StepSchema, step));
    else if (!quiet) io.out(`${harmless(`${step.key} of ${planId} is ${word(StepStateSchema, step.state)}`)}\n`);
  });
}

function resultOf({ success = false, outputs, failure, class: kind }: ResolveFlags) {
  if ((success || outputs !== undefined) === (failure !== undefined))
    throw new CommandEnd(
      MISUSED,
      "say either --success, with --outputs if there are any, or --failure and what happened",
    );
  if (failure !== undefined) {
    const errorClass = valueOf(ErrorClassSchema, kind);
    if (errorClass === undefined) throw new CommandEnd(MISUSED, harmless(`"${kind}" is no class of failures`));
    return { case: "failure" as const, value: create(FailureSchema, { errorClass, message: failure }) };
  }
  const payload =
    outputs === undefined ? undefined : create(PayloadSchema, { value: { case: "json", value: objectIn(outputs) } });
  return {
    case: "success" as const,
    value: create(SuccessSchema, { ...(payload !== undefined && { outputs: payload }) }),
  };
}

function objectIn(typed: string): string {
  try {
    const text = typed.startsWith("@") ? readFileSync(typed.slice(1), "utf8") : typed;
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("it is no object");
    return text;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandEnd(MISUSED, harmless(`--outputs must be a JSON object, or @ and a file that holds one: ${why}`));
  }
}
