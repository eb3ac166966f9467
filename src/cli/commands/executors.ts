// `maestro executors`: lists executors, shows one, drains it, sets its trust. Not here: running one, see executor-run.ts.
import { ExecutorSchema, ExecutorStateSchema } from "../../../gen/maestro/v1/executor_pb.ts";
import type { Executor } from "../../../gen/maestro/v1/executor_pb.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts, harmless } from "../table.ts";
import { executorOf } from "../target.ts";
import { labelsText, timeText, word } from "../words.ts";

export async function executors(flags: ListFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) =>
    showList(
      {
        schema: ExecutorSchema,
        page: async (pageSize, pageToken) => {
          const page = await client.executors.listExecutors({ pageSize, pageToken }, { signal: io.signal });
          return { items: page.executors, nextPageToken: page.nextPageToken };
        },
        head: ["EXECUTOR", "NAME", "STATE", "CONNECTED", "SLOTS", "TRUST", "CAPABILITIES", "LABELS"],
        row: ({ executorId, spec, state, connected, trust }) => [
          executorId,
          spec?.name ?? "",
          word(ExecutorStateSchema, state),
          connected ? "yes" : "no",
          String(spec?.slots ?? 0),
          String(trust),
          (spec?.capabilities ?? []).join(", "),
          labelsText(spec?.labels ?? {}),
        ],
        none: "no executors",
      },
      flags,
      context,
    ),
  );
}

export async function showExecutor(named: string, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) => tell(await executorOf(client, named, io.signal), context, executorText));
}

export async function drain(named: string, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) => {
    const { executorId } = await executorOf(client, named, io.signal);
    const request = { executorId, idempotencyKey: client.newKey() };
    const { executor } = await client.executors.drainExecutor(request, { signal: io.signal });
    tell(executor, context, ({ state }) => harmless(`${named} is ${word(ExecutorStateSchema, state)}`));
  });
}

export async function setTrust(named: string, trust: number, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) => {
    const { executorId } = await executorOf(client, named, io.signal);
    const request = { executorId, trust, idempotencyKey: client.newKey() };
    const { executor } = await client.executors.setExecutorTrust(request, { signal: io.signal });
    tell(executor, context, ({ trust: now }) => harmless(`${named} is trusted ${now}`));
  });
}

function tell(
  executor: Executor | undefined,
  { io, json, quiet }: Context,
  text: (executor: Executor) => string,
): void {
  if (executor === undefined) throw new Error("the server shows no executor");
  if (json) io.out(jsonLine(ExecutorSchema, executor));
  else if (!quiet) io.out(`${text(executor)}\n`);
}

function executorText({ executorId, spec, state, trust, connected, registeredAt, lastSeenAt }: Executor): string {
  return facts([
    ["executor", executorId],
    ["name", spec?.name ?? ""],
    ["state", word(ExecutorStateSchema, state)],
    ["connected", connected ? "yes" : "no"],
    ["slots", String(spec?.slots ?? 0)],
    ["trust", String(trust)],
    ["capabilities", (spec?.capabilities ?? []).join(", ")],
    ["labels", labelsText(spec?.labels ?? {})],
    ["build", spec?.buildId ?? ""],
    ["registered", timeText(registeredAt)],
    ["last seen", timeText(lastSeenAt)],
  ]);
}
