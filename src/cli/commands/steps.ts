// `maestro steps`: lists a plan's steps, or shows one with its attempts. Not here: verbs that change them, see plan-verbs.ts.
import { toJson } from "@bufbuild/protobuf";
import { AttemptSchema, AttemptStateSchema, StepSchema, StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { Attempt, Step } from "../../../gen/maestro/v1/step_pb.ts";
import type { ServerClient } from "../client.ts";
import type { Context } from "../context.ts";
import { ExecutorNames } from "../executor-names.ts";
import { failureReasons } from "../reasons.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts, table } from "../table.ts";
import { planIdOf } from "../target.ts";
import { amountsText, epochMs, spanText, timeText, valueOf, word } from "../words.ts";

export interface StepsFlags extends ListFlags {
  readonly state: readonly string[];
}

export async function steps(named: string, flags: StepsFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const states = flags.state.flatMap((one) => valueOf(StepStateSchema, one) ?? []);
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const names = new ExecutorNames(client, io.signal);
    let reasons: ReadonlyMap<string, string> = new Map();
    await showList(
      {
        schema: StepSchema,
        learn: async (items) => {
          await names.learn(items.map(({ executorId }) => executorId));
          reasons = await failureReasons(client, planId, items, io.signal);
        },
        page: async (pageSize, pageToken) => {
          const page = await client.steps.listSteps({ planId, states, pageSize, pageToken }, { signal: io.signal });
          return { items: page.steps, nextPageToken: page.nextPageToken };
        },
        head: ["STEP", "STATE", "ATTEMPTS", "EXECUTOR", "BEGAN", "ENDED", "FAILURE"],
        row: ({ key, state, attempt, executorId, startedAt, finishedAt, failure }) => [
          key,
          word(StepStateSchema, state),
          String(attempt),
          executorId === "" ? "" : names.of(executorId),
          timeText(startedAt),
          timeText(finishedAt),
          reasons.get(key) ?? failure?.message ?? "",
        ],
        none: "no steps",
      },
      flags,
      context,
    );
  });
}

export async function showStep(named: string, key: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const { step } = await client.steps.getStep({ planId, step: key }, { signal: io.signal });
    if (step === undefined) throw new Error("the server shows no step");
    const attempts = await attemptsOf(client, planId, key, io.signal);
    if (json) {
      const plain = { useProtoFieldName: true } as const;
      const told = attempts.map((attempt) => toJson(AttemptSchema, attempt, plain));
      return io.out(`${JSON.stringify({ step: toJson(StepSchema, step, plain), attempts: told })}\n`);
    }
    const names = new ExecutorNames(client, io.signal);
    await names.learn(attempts.map(({ executorId }) => executorId));
    io.out(`${stepText(step)}\n`);
    if (attempts.length > 0) io.out(`\n${attemptsText(attempts, names, io.columns)}\n`);
  });
}

async function attemptsOf(client: ServerClient, planId: string, step: string, signal: AbortSignal): Promise<Attempt[]> {
  const found: Attempt[] = [];
  for (let pageToken = ""; ;) {
    const page = await client.steps.listAttempts({ planId, step, pageSize: 1000, pageToken }, { signal });
    found.push(...page.attempts);
    pageToken = page.nextPageToken;
    if (pageToken === "") return found;
  }
}

function stepText({ key, planId, state, definition, input, outputs, failure, ...step }: Step): string {
  const work = definition?.kind.case === "work" ? definition.kind.value : undefined;
  const json = (payload: typeof input): string => (payload?.value.case === "json" ? payload.value.value : "");
  const used = amountsText(step.usage, "");
  return facts([
    ["step", key],
    ["title", definition?.title ?? ""],
    ["plan", planId],
    ["state", word(StepStateSchema, state)],
    ["capability", work?.capability ?? ""],
    ["gate", definition?.kind.case === "gate" ? (definition.kind.value.gate.case ?? "") : ""],
    ["needs", definition?.needs.map((need) => need.step).join(", ") ?? ""],
    ["input", json(input)],
    ["outputs", json(outputs)],
    ["failure", failure?.message ?? ""],
    ["used", used === "nothing" ? "" : used],
    ["ready", timeText(step.readyAt)],
    ["began", timeText(step.startedAt)],
    ["ended", timeText(step.finishedAt)],
    ["not before", timeText(step.notBefore)],
  ]);
}

function attemptsText(attempts: readonly Attempt[], names: ExecutorNames, columns: number): string {
  const rows = attempts.map(({ attempt, state, executorId, leasedAt, endedAt, fencing, failure }) => {
    const [from, to] = [epochMs(leasedAt), epochMs(endedAt)];
    return [
      String(attempt),
      word(AttemptStateSchema, state),
      executorId === "" ? "" : names.of(executorId),
      timeText(leasedAt),
      from === undefined || to === undefined ? "" : spanText(to - from),
      String(fencing),
      failure?.message ?? "",
    ];
  });
  return table(["ATTEMPT", "STATE", "EXECUTOR", "BEGAN", "TOOK", "FENCING", "FAILURE"], rows, columns);
}
