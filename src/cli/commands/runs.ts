// `maestro runs`: lists runs, or shows one; its manifest. Not here: what makes and changes them, see run-changes.ts.
import { RunSchema, RunStatusSchema } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import type { Run, RunStatus, TaskRun } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import { GetManifestResponseSchema } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { GetManifestResponse } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { ArtifactCompliance } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { jsonAnswer, jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts, harmless, table } from "../table.ts";
import { runIdOf } from "../target.ts";
import { timeText, valueOf, word } from "../words.ts";

export interface RunsFlags extends ListFlags {
  readonly owner: string;
  readonly status?: string;
}

export async function runs({ owner, status: typed = "", ...flags }: RunsFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const status: RunStatus = valueOf(RunStatusSchema, typed) ?? 0;
  await withClient(async (client) =>
    showList(
      {
        schema: RunSchema,
        page: async (pageSize, pageToken) => {
          const asked = { owner, status, pageSize, pageToken };
          const page = await client.conductor.listRuns(asked, { signal: io.signal });
          return { items: page.runs, nextPageToken: page.nextPageToken };
        },
        head: ["RUN", "STATUS", "OWNER", "STARTED", "ENDED", "COST", "NAME"],
        row: (run) => [
          run.id,
          word(RunStatusSchema, run.status),
          run.owner,
          timeText(run.startedAt),
          timeText(run.finishedAt),
          costText(run.costActual),
          run.name,
        ],
        none: "no runs",
      },
      flags,
      context,
    ),
  );
}

export async function showRun(named: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const id = await runIdOf(client, named, io.signal);
    const { run } = await client.conductor.getRun({ id }, { signal: io.signal });
    if (run === undefined) throw new Error("the server shows no run");
    if (json) return io.out(jsonLine(RunSchema, run));
    io.out(`${runText(run)}\n`);
    if (run.taskRuns.length > 0) io.out(`\n${tasksText(run.taskRuns, io.columns)}\n`);
  });
}

export async function manifest(named: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const id = await runIdOf(client, named, io.signal);
    const found = await client.conductor.getManifest({ id }, { signal: io.signal });
    io.out(json ? jsonAnswer(GetManifestResponseSchema, found) : `${manifestText(found, io.columns)}\n`);
  });
}

function runText(run: Run): string {
  const metadata = JSON.stringify(run.metadata ?? {});
  return facts([
    ["run", run.id],
    ["name", run.name],
    ["owner", run.owner],
    ["status", word(RunStatusSchema, run.status)],
    ["started", timeText(run.startedAt)],
    ["ended", timeText(run.finishedAt)],
    ["estimate", costText(run.costEstimate)],
    ["cost", costText(run.costActual)],
    ["plan", run.planId],
    ["workflow", run.workflowId],
    ["charter", run.charter],
    ["entities", run.relatedEntityIds.join(", ")],
    ["decisions", run.relatedDecisionIds.join(", ")],
    ["metadata", metadata === "{}" ? "" : metadata],
  ]);
}

function tasksText(tasks: readonly TaskRun[], columns: number): string {
  const rows = tasks.map(({ name, agentType, status, step, startedAt, finishedAt }) => [
    name,
    word(RunStatusSchema, status),
    agentType,
    step,
    timeText(startedAt),
    timeText(finishedAt),
  ]);
  return table(["TASK", "STATUS", "AGENT", "STEP", "BEGAN", "ENDED"], rows, columns);
}

function manifestText({ run, artifacts, disclosurePack, complianceReport }: GetManifestResponse, columns: number) {
  const report = complianceReport;
  const summary = report?.summary;
  const where = new Map(artifacts.map(({ id, pathOrUri }) => [id, pathOrUri]));
  const rows = (report?.artifacts ?? []).map((one) => rowOf(one, where.get(one.artifactId) ?? ""));
  const counts = `${summary?.totalArtifacts ?? 0}; ${summary?.compliantArtifacts ?? 0} with all that the gate asks for`;
  const said = [
    ...(run === undefined ? [] : [runText(run)]),
    facts([
      ["artifacts", counts],
      [
        "gate",
        `${report?.releaseGatePassed === true ? "passes" : "does not pass"}: ${report?.releaseGateMessage ?? ""}`,
      ],
      ["pack", disclosurePack === undefined ? "none" : `${disclosurePack.id}, ${timeText(disclosurePack.createdAt)}`],
      ["summary", disclosurePack?.summary ?? ""],
    ]),
    ...(rows.length === 0 ? [] : [table(["ARTIFACT", "KIND", "SBOM", "SLSA", "RISK", "WHERE"], rows, columns)]),
  ];
  return said.join("\n\n");
}

function rowOf(one: ArtifactCompliance, where: string): string[] {
  const tick = (there: boolean): string => (there ? "yes" : "");
  const { artifactId, kind, sbomPresent, slsaProvenancePresent, riskAssessmentPresent } = one;
  return [
    artifactId,
    kind,
    tick(sbomPresent),
    tick(slsaProvenancePresent),
    tick(riskAssessmentPresent),
    harmless(where),
  ];
}

function costText(cost: number | undefined): string {
  return cost === undefined ? "" : String(cost);
}
