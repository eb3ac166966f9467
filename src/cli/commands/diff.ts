// `maestro diff`: how two versions of a goal differ, or a plan file and the active version. Changes nothing.
import { create } from "@bufbuild/protobuf";
import type { Goal } from "../../../gen/maestro/v1/goal_pb.ts";
import type { Edge } from "../../../gen/maestro/v1/graph_pb.ts";
import { DiffGraphsResponseSchema, ReplanGraphResponseSchema } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { DiffGraphsResponse } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { CommandEnd, FAILED, MISUSED } from "../io.ts";
import { changesText, differs, diffText, trialOf } from "../patch.ts";
import { harmless } from "../table.ts";
import { goalOf } from "../target.ts";
import { readRequests, warn } from "./validate.ts";

const MOST_EDGES = 60;

export interface DiffFlags {
  /** End with 1 when there is a difference. */
  readonly exitCode?: boolean;
}

export async function diff(
  named: string,
  from: string | undefined,
  to: string | undefined,
  flags: DiffFlags,
  context: Context,
): Promise<void> {
  const { io, withClient } = context;
  const file = from !== undefined && versionOf(from) === undefined ? from : undefined;
  if (file !== undefined && to !== undefined)
    throw new CommandEnd(MISUSED, "a plan file is compared with the active version; name it alone");
  // A wrong file needs no server to be told.
  const read = file === undefined ? undefined : readRequests(file);
  const differ = await withClient(async (client) => {
    const goal = await goalOf(client, named, io.signal);
    if (file === undefined || read === undefined) return versions(client, goal, from, to, context);
    warn(file, read.warnings, context);
    const { seen, changes, limitsChanged } = await trialOf(client, goal, read.requests, "", io.signal);
    if (context.json) io.out(jsonLine(ReplanGraphResponseSchema, seen));
    else if (!context.quiet) {
      const text = `${diffText(seen.summary, seen.steps, io.columns)}${limitsChanged ? "\nlimits change" : ""}`;
      io.out(changes ? `${text}\n` : "no difference\n");
    }
    return changes;
  });
  if (differ && flags.exitCode === true) throw new CommandEnd(FAILED);
}

async function versions(
  client: ServerClient,
  goal: Goal,
  from: string | undefined,
  to: string | undefined,
  { io, json, quiet }: Context,
): Promise<boolean> {
  const { goalId } = goal;
  const toVersion = to === undefined ? await latest(client, goal, io.signal) : version(to);
  const fromVersion = from === undefined ? await parent(client, goalId, toVersion, io.signal) : version(from);
  const found = await wholeDiff(client, { goalId, fromVersion, toVersion }, io.signal);
  const changed = differs(found.summary);
  if (json) io.out(jsonLine(DiffGraphsResponseSchema, found));
  else if (!quiet) {
    io.out(`version ${fromVersion} → ${toVersion} of ${goalId}\n`);
    // Only of the active version it is known where its steps stand, and so what becomes of them.
    const text = fromVersion === goal.activeVersion ? diffText : changesText;
    io.out(changed ? `${text(found.summary, found.steps, io.columns)}\n` : "no difference\n");
    for (const line of [...edgeLines("+", found.addedEdges), ...edgeLines("-", found.removedEdges)])
      io.out(`${harmless(line)}\n`);
  }
  return changed;
}

function versionOf(text: string): number | undefined {
  return /^v?[1-9]\d{0,8}$/.test(text) ? Number(text.replace("v", "")) : undefined;
}

function version(text: string): number {
  const number = versionOf(text);
  if (number === undefined)
    throw new CommandEnd(MISUSED, harmless(`"${text}" is not the number of a version, such as 2`));
  return number;
}

/** The active version, or before a commit the newest. */
async function latest(client: ServerClient, { goalId, activeVersion }: Goal, signal: AbortSignal): Promise<number> {
  if (activeVersion > 0) return activeVersion;
  const { version: newest } = await client.graphs.getGraph({ goalId }, { signal });
  return newest?.version ?? 1;
}

async function parent(client: ServerClient, goalId: string, of: number, signal: AbortSignal): Promise<number> {
  const { version: made } = await client.graphs.getGraph({ goalId, version: of }, { signal });
  if (made !== undefined && made.parentVersion > 0) return made.parentVersion;
  throw new CommandEnd(
    FAILED,
    `maestro: version ${of} of ${goalId} was made from no other; name two versions or a file`,
  );
}

async function wholeDiff(
  client: ServerClient,
  asked: { readonly goalId: string; readonly fromVersion: number; readonly toVersion: number },
  signal: AbortSignal,
): Promise<DiffGraphsResponse> {
  const whole = create(DiffGraphsResponseSchema);
  for (let pageToken = "", first = true; ; first = false) {
    const page = await client.maestro.diffGraphs({ ...asked, pageSize: 1000, pageToken }, { signal });
    if (first) Object.assign(whole, page);
    else whole.steps.push(...page.steps);
    pageToken = page.nextPageToken;
    whole.nextPageToken = "";
    if (pageToken === "") return whole;
  }
}

function edgeLines(sign: string, edges: readonly Edge[]): string[] {
  const lines = edges.slice(0, MOST_EDGES).map(({ from, to }) => `${sign} ${from} → ${to}`);
  return edges.length > lines.length ? [...lines, `${sign} … and ${edges.length - lines.length} more edges`] : lines;
}
