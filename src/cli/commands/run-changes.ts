// `maestro runs create` and `update`, and `workflows run`: makes runs, and changes what may be changed of them. Not here:
// looking at them, see runs.ts.
import type { JsonObject } from "@bufbuild/protobuf";
import { RunSchema, RunStatusSchema } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import type { Run } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { pairOf } from "../flags.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { momentOf } from "../moment.ts";
import { harmless } from "../table.ts";
import { runIdOf } from "../target.ts";
import { valueOf, word } from "../words.ts";

/** What a run is about, given one by one. */
interface AboutFlags {
  readonly owner?: string;
  readonly costEstimate?: number;
  readonly entity: readonly string[];
  readonly decision: readonly string[];
  readonly metadata: readonly string[];
}

export interface CreateRunFlags extends AboutFlags {
  readonly status?: string;
  readonly charter: string;
}

export interface UpdateRunFlags extends AboutFlags {
  readonly name?: string;
  readonly status?: string;
  readonly costActual?: number;
  readonly finishedAt?: string;
}

/** Makes one of work done elsewhere, or of a workflow; prints its id alone. */
export async function createRun(
  name: string,
  { status = "", owner, charter, costEstimate, entity, decision, metadata }: CreateRunFlags,
  workflowId: string,
  context: Context,
): Promise<void> {
  const { io, json, quiet, notice, withClient } = context;
  await withClient(async (client) => {
    const { run } = await client.conductor.createRun(
      {
        name,
        owner: owner ?? (await callerOf(client, io.signal)),
        status: valueOf(RunStatusSchema, status) ?? 0,
        ...(costEstimate !== undefined && { costEstimate }),
        relatedEntityIds: [...entity],
        relatedDecisionIds: [...decision],
        metadata: objectOf(metadata),
        workflowId,
        charter,
        idempotencyKey: client.newKey(),
      },
      { signal: io.signal },
    );
    const made = told(run);
    if (json) return io.out(jsonLine(RunSchema, made));
    if (!quiet) notice(harmless(`made run "${made.name}" of ${made.owner}: ${word(RunStatusSchema, made.status)}`));
    io.out(`${made.id}\n`);
  });
}

export async function updateRun(named: string, flags: UpdateRunFlags, context: Context): Promise<void> {
  const { io, json, quiet, withClient } = context;
  const { entity, decision, metadata, status, finishedAt, ...plain } = flags;
  const changes = {
    ...plain,
    ...(finishedAt !== undefined && { finishedAt: momentOf("--finished-at", finishedAt) }),
    ...(status !== undefined && { status: valueOf(RunStatusSchema, status) ?? 0 }),
    ...(entity.length > 0 && { relatedEntityIds: { ids: [...entity] } }),
    ...(decision.length > 0 && { relatedDecisionIds: { ids: [...decision] } }),
    ...(metadata.length > 0 && { metadata: objectOf(metadata) }),
  };
  if (Object.keys(changes).length === 0)
    throw new CommandEnd(MISUSED, "say what is to be changed; maestro runs update --help lists what can be");
  await withClient(async (client) => {
    const id = await runIdOf(client, named, io.signal);
    const request = { id, ...changes, idempotencyKey: client.newKey() };
    const { run } = await client.conductor.updateRun(request, { signal: io.signal });
    const now = told(run);
    if (json) io.out(jsonLine(RunSchema, now));
    else if (!quiet) io.out(`${harmless(`changed ${now.id} "${now.name}": ${word(RunStatusSchema, now.status)}`)}\n`);
  });
}

async function callerOf(client: ServerClient, signal: AbortSignal): Promise<string> {
  return (await client.identity.whoAmI({}, { signal })).principal;
}

function objectOf(pairs: readonly string[]): JsonObject {
  return Object.fromEntries(pairs.map((one) => pairOf("--metadata", one)));
}

function told(run: Run | undefined): Run {
  if (run === undefined) throw new Error("the server does not say what became of the run");
  return run;
}
