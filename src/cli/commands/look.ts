// `maestro watch`, `explain`, `logs` and `trace`: looking at plans. Not here: changing them.
import { CreditTraceSchema } from "../../../gen/maestro/v1/credit_pb.ts";
import type { CreditTrace } from "../../../gen/maestro/v1/credit_pb.ts";
import { LogLineSchema } from "../../../gen/maestro/v1/dispatch_pb.ts";
import { ExplainPlanResponseSchema, WaitCauseSchema } from "../../../gen/maestro/v1/plan_service_pb.ts";
import { StepState, StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import { counted } from "../../support/counted.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { followLines } from "../follow-lines.ts";
import { CommandEnd, INTERRUPTED } from "../io.ts";
import { Questions } from "../questions.ts";
import { failureReasons, skipReason } from "../reasons.ts";
import { allSteps, showPlan } from "../show.ts";
import { harmless, table } from "../table.ts";
import { planIdOf } from "../target.ts";
import { amountsText, msOf, spanText, word } from "../words.ts";
import { reportEnd } from "./apply.ts";

export async function watch(named: string, context: Context): Promise<void> {
  await context.withClient(async (client) => {
    const planId = await planIdOf(client, named, context.io.signal);
    const ended = await showPlan(client, planId, context.io, { ...context, fresh: false });
    if (ended === undefined) throw new CommandEnd(INTERRUPTED);
    await reportEnd(client, ended, context);
  });
}

/** Says what a step, or each unfinished step, waits for. */
export async function explain(
  named: string,
  step: string | undefined,
  { io, json, withClient }: Context,
): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    let asks = false;
    for (let pageToken = "", first = true; first || pageToken !== ""; first = false) {
      const page = await client.plans.explainPlan({ planId, step: step ?? "", pageToken }, { signal: io.signal });
      pageToken = page.nextPageToken;
      if (json) {
        io.out(jsonLine(ExplainPlanResponseSchema, page));
        continue;
      }
      asks ||= page.waiting.some(({ state }) => state === StepState.AWAITING_APPROVAL);
      if (first && page.summary !== "") io.out(`${harmless(page.summary)}\n`);
      if (first && page.waiting.length === 0) {
        if (step !== undefined) io.out(`${harmless(await howItEnded(client, planId, step, io.signal))}\n`);
        else if (page.summary === "") io.out("nothing waits\n");
      }
      for (const { step: key, state, cause, explanation } of page.waiting) {
        io.out(
          `${harmless(`${key}  ${word(StepStateSchema, state)}  ${word(WaitCauseSchema, cause)}: ${explanation}`)}\n`,
        );
      }
    }
    if (asks) for (const line of await new Questions(client, planId, io.signal).news()) io.out(`${harmless(line)}\n`);
  });
}

/** How a step that waits for nothing stands, and why, as far as that is known. */
async function howItEnded(client: ServerClient, planId: string, key: string, signal: AbortSignal): Promise<string> {
  const { step } = await client.steps.getStep({ planId, step: key }, { signal });
  if (step === undefined) throw new Error("the server shows no step");
  const { state, attempt, definition } = step;
  const attempts = attempt === 0 ? "" : ` after ${counted(attempt, "attempt")}`;
  let why = (await failureReasons(client, planId, [step], signal)).get(key) ?? "";
  if (state === StepState.SKIPPED) {
    const states = new Map((await allSteps(client, planId, signal)).map((one) => [one.key, one.state]));
    why = skipReason(definition, (other) => states.get(other));
  }
  return `${key}  ${word(StepStateSchema, state)}${attempts}${why === "" ? "" : `: ${why}`}`;
}

export async function logs(
  named: string,
  step: string,
  follow: boolean,
  { io, json, quiet, notice, withClient }: Context,
): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    try {
      for await (const told of followLines(client, planId, step, follow, io.signal)) {
        if (told.broken !== undefined && !quiet) notice(`the stream broke (${harmless(told.broken)}); resuming`);
        if (told.dropped > 0n)
          notice(`… ${counted(Number(told.dropped), "line")} dropped`, { dropped: Number(told.dropped) });
        for (const line of told.lines) {
          if (json) io.out(jsonLine(LogLineSchema, line));
          else io.out(`${harmless(line.text)}\n`);
        }
      }
    } catch (error) {
      if (!io.signal.aborted) throw error;
      throw new CommandEnd(INTERRUPTED);
    }
  });
}

export async function trace(named: string, step: string | undefined, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const { trace: found } = await client.maestro.traceCredit({ planId, step: step ?? "" }, { signal: io.signal });
    if (found === undefined) throw new Error("the server traced nothing");
    io.out(json ? jsonLine(CreditTraceSchema, found) : `${traceText(found, io.columns)}\n`);
  });
}

/** The trace as tables: steps, executors, root causes. */
export function traceText(trace: CreditTrace, columns: number): string {
  const steps = trace.steps.map((step) => [
    `${step.critical ? "*" : " "} ${step.key}`,
    word(StepStateSchema, step.state),
    ...[step.planned, step.waiting, step.queueing, step.executing, step.retrying].map((span) => spanText(msOf(span))),
    String(step.attempts),
    spanText(Number(step.deviationMs)),
  ]);
  const executors = trace.executors.map(({ executorId, name, attempts, succeeded, executing, usage }) => [
    name === "" ? executorId : name,
    `${succeeded}/${attempts}`,
    spanText(msOf(executing)),
    amountsText(usage, ""),
  ]);
  const causes = trace.rootCauses.map(
    ({ step, failure, affectedCount }) =>
      `root cause: ${step}: ${failure?.message ?? "unknown"} (${counted(affectedCount, "step")} did not succeed because of it)`,
  );
  return [
    table(
      [
        "STEP (* on the critical path)",
        "STATE",
        "PLANNED",
        "WAITING",
        "QUEUEING",
        "EXECUTING",
        "RETRYING",
        "ATTEMPTS",
        "DEVIATION",
      ],
      steps,
      columns,
    ),
    "",
    table(["EXECUTOR", "SUCCEEDED", "EXECUTING", "USED"], executors, columns),
    "",
    `critical path: ${harmless(trace.criticalPath.join(" → "))}`,
    `realized in ${spanText(msOf(trace.realized))}, planned ${spanText(msOf(trace.planned))}; used ${amountsText(trace.usage, "")}`,
    ...causes.map(harmless),
  ].join("\n");
}
