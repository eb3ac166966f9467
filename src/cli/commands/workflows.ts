// `maestro workflows`: lists, shows and makes workflows. Not here: what their files hold, see ../workflow-file.ts; runs of
// them, see run-changes.ts.
import { WorkflowSchema } from "../../../gen/maestro/conductor/v1/workflow_pb.ts";
import type { Workflow } from "../../../gen/maestro/conductor/v1/workflow_pb.ts";
import { counted } from "../../support/counted.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts, harmless, table } from "../table.ts";
import { readWorkflowFile } from "../workflow-file.ts";
import { timeText } from "../words.ts";
import { invalidFile, sourceOf } from "./validate.ts";

export async function workflows(flags: ListFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) =>
    showList(
      {
        schema: WorkflowSchema,
        page: async (pageSize, pageToken) => {
          const page = await client.conductor.listWorkflows({ pageSize, pageToken }, { signal: io.signal });
          return { items: page.workflows, nextPageToken: page.nextPageToken };
        },
        head: ["WORKFLOW", "TASKS", "MADE", "BY", "NAME"],
        row: (one) => [one.id, String(one.tasks.length), timeText(one.createdAt), one.createdBy, one.name],
        none: "no workflows",
      },
      flags,
      context,
    ),
  );
}

export async function showWorkflow(id: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const { workflow } = await client.conductor.getWorkflow({ id }, { signal: io.signal });
    if (workflow === undefined) throw new Error("the server shows no workflow");
    io.out(json ? jsonLine(WorkflowSchema, workflow) : `${workflowText(workflow, io.columns)}\n`);
  });
}

/** Prints its id alone. */
export async function createWorkflow(file: string, context: Context): Promise<void> {
  const { io, json, quiet, notice, withClient } = context;
  const read = readWorkflowFile(sourceOf(file));
  if (!read.ok) throw invalidFile(file, read.mistakes);
  const { name, tasks, dependencies } = read.file;
  await withClient(async (client) => {
    const request = { name, tasks: [...tasks], dependencies: [...dependencies], idempotencyKey: client.newKey() };
    const { workflow } = await client.conductor.createWorkflow(request, { signal: io.signal });
    if (workflow === undefined) throw new Error("the server does not say what became of the workflow");
    if (json) return io.out(jsonLine(WorkflowSchema, workflow));
    if (!quiet) notice(harmless(`made workflow "${workflow.name}" of ${counted(workflow.tasks.length, "task")}`));
    io.out(`${workflow.id}\n`);
  });
}

function workflowText({ id, name, tasks, dependencies, createdAt, createdBy }: Workflow, columns: number): string {
  const rows = tasks.map((task) => [
    task.name,
    task.agentType,
    dependencies.flatMap((one) => (one.task === task.name ? [one.dependsOn] : [])).join(", "),
  ]);
  const head = facts([
    ["workflow", id],
    ["name", name],
    ["made", timeText(createdAt)],
    ["by", createdBy],
  ]);
  return `${head}\n\n${table(["TASK", "AGENT", "NEEDS"], rows, columns)}`;
}
