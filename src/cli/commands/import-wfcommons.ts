// `maestro import wfcommons`: a recorded scientific workflow becomes a plan, and runs. Not here: what becomes of which part of
// the recording, see ../wfcommons/.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { stringify } from "yaml";
import type { Plan } from "../../../gen/maestro/v1/plan_pb.ts";
import { counted } from "../../support/counted.ts";
import type { Context } from "../context.ts";
import { CommandEnd, FAILED, MISUSED } from "../io.ts";
import { checkPlanFile } from "../plan-file/check.ts";
import type { Requests } from "../plan-file/requests.ts";
import { harmless } from "../table.ts";
import { planOf } from "../wfcommons/plan.ts";
import type { ImportedPlan, Performer } from "../wfcommons/plan.ts";
import { readRecording } from "../wfcommons/recording.ts";
import type { Recording } from "../wfcommons/recording.ts";
import { simulatedExecutor } from "../wfcommons/simulate.ts";
import { epochMs, spanText } from "../words.ts";
import { applyRequests } from "./apply.ts";
import type { ApplyFlags } from "./apply.ts";

export interface WfcommonsFlags extends ApplyFlags {
  readonly scale: number;
  readonly shell?: boolean;
  /** Write the plan file there instead of running it. */
  readonly output?: string;
  readonly slots?: number;
}

/** Larger than any that was published. */
const MOST_BYTES = 256 * 1024 * 1024;
const MOST_SLOTS = 4_096;
const USUAL_SLOTS = 16;

/** A recording, and the plan that it becomes. */
export interface Imported {
  readonly recording: Recording;
  readonly plan: ImportedPlan;
  readonly requests: Requests;
  readonly edgeCount: number;
}

/** Reads a recording; one that cannot be read ends the command with its file and every reason. */
export function readWfcommons(
  file: string,
  { scale, shell = false }: Pick<WfcommonsFlags, "scale" | "shell">,
): Imported {
  const read = readRecording(contentOf(file), scale);
  if (!read.ok) throw refused(file, read.mistakes);
  const performer: Performer = shell ? "shell" : "simulated";
  const plan = planOf(read.recording, { scale, performer });
  const checked = checkPlanFile(JSON.stringify(plan));
  if (!checked.ok)
    throw refused(
      file,
      checked.mistakes.map(({ path, message }) => `it can be no plan: ${inRecording(path, plan)}${message}`),
    );
  return { recording: read.recording, plan, requests: checked.requests, edgeCount: checked.edgeCount };
}

/** What a path in the plan is called by who knows only the recording. */
function inRecording(path: string, { steps }: ImportedPlan): string {
  const [, key = "", rest = ""] = /^steps\.([^.[]+)(.*)$/.exec(path) ?? [];
  if (key === "") return path === "" ? "" : `${path} `;
  return `of the step of task ${JSON.stringify(steps[key]?.title ?? key)}${rest.replace(/^\./, " ")} `;
}

/** Writes the plan file, or applies the plan; the server is that of the context. */
export async function importWfcommons(
  file: string,
  imported: Imported,
  flags: WfcommonsFlags,
  context: Context,
): Promise<void> {
  const { recording, plan, requests } = imported;
  const { io, json, quiet } = context;
  if (flags.output !== undefined) writePlan(flags.output, plan, file, context);
  if (json && (flags.output !== undefined || flags.dryRun === true)) {
    if (flags.output !== "-") io.out(`${JSON.stringify(summaryOf(imported, flags))}\n`);
  } else if (!quiet) {
    const tell = flags.output === "-" ? io.err : io.out;
    tell(`${harmless(summaryText(imported, flags))}\n`);
  }
  if (flags.output !== undefined) return;
  const simulates = flags.shell !== true && flags.dryRun !== true && flags.detach !== true;
  const executor = simulates
    ? simulatedExecutor({
        url: context.server,
        name: `wfcommons-${hostname()}`.slice(0, 100) + `-${process.pid}`,
        slots: flags.slots ?? slotsOf(recording),
        drainOn: [],
        ...(context.apiKey !== undefined && { apiKey: context.apiKey }),
      })
    : undefined;
  try {
    await executor?.start();
    // Of a dry run the recording's own summary is the answer.
    const silent = json && flags.dryRun === true;
    const ended = await applyRequests(requests, flags, silent ? { ...context, json: false, quiet: true } : context);
    if (ended !== undefined && !json && !quiet) io.out(`${comparison(ended, recording, flags.scale)}\n`);
  } finally {
    await executor?.stop();
  }
}

/** As many as the recorded machines had cores. */
export function slotsOf({ machines }: Pick<Recording, "machines">): number {
  const cores = machines.reduce((sum, machine) => sum + (machine.cores ?? 0), 0);
  return cores === 0 ? USUAL_SLOTS : Math.min(MOST_SLOTS, Math.max(1, Math.floor(cores)));
}

function contentOf(file: string): string {
  try {
    if (file !== "-" && statSync(file).size > MOST_BYTES)
      throw new Error(`it is larger than ${MOST_BYTES / 1024 / 1024} MiB`);
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandEnd(MISUSED, harmless(`${file} cannot be read: ${why}`));
  }
}

function refused(file: string, mistakes: readonly string[]): CommandEnd {
  return new CommandEnd(MISUSED, mistakes.map((mistake) => harmless(`${file}: ${mistake}`)).join("\n"), {
    reason: "INVALID_FILE",
    mistakes: mistakes.map((message) => ({ message })),
  });
}

function writePlan(out: string, plan: ImportedPlan, file: string, { io, json }: Context): void {
  const text =
    out.endsWith(".json") || (json && out === "-")
      ? `${JSON.stringify(plan, null, 2)}\n`
      : stringify(plan, { lineWidth: 0, aliasDuplicateObjects: false });
  if (out === "-") return io.out(text);
  try {
    writeFileSync(out, text, { flag: "wx" });
  } catch (error) {
    const there = error instanceof Error && "code" in error && error.code === "EEXIST";
    const why = there
      ? "it is there already, and is not overwritten"
      : error instanceof Error
        ? error.message
        : "unknown";
    throw new CommandEnd(FAILED, harmless(`${out} cannot be written for ${file}: ${why}`));
  }
}

interface Summary {
  readonly charter: string;
  readonly goal: string;
  readonly tasks: number;
  readonly edges: number;
  readonly files: number;
  readonly machines: number;
  readonly scale: number;
  readonly work_s: number;
  readonly recorded_makespan_s: number | null;
}

function summaryOf({ recording, plan, edgeCount }: Imported, { scale }: WfcommonsFlags): Summary {
  const { tasks, machines, fileCount, makespanS } = recording;
  return {
    charter: plan.charter.name,
    goal: plan.goal.name,
    tasks: tasks.length,
    edges: edgeCount,
    files: fileCount,
    machines: machines.length,
    scale,
    work_s: Math.round(tasks.reduce((sum, task) => sum + task.runtimeS, 0) * 1000) / 1000,
    recorded_makespan_s: makespanS ?? null,
  };
}

function summaryText(imported: Imported, flags: WfcommonsFlags): string {
  const { goal, charter, tasks, edges, files, machines, scale, work_s: workS } = summaryOf(imported, flags);
  const { makespanS } = imported.recording;
  const took = makespanS === undefined ? "" : `, done in ${spanText(makespanS * 1000)}`;
  return (
    `goal ${goal} under charter ${charter}: ${counted(tasks, "task")}, ${counted(edges, "edge")}, ${counted(files, "file")}; ` +
    `recorded on ${counted(machines, "machine")}: ${spanText(workS * 1000)} of work${took}; times × ${scale}`
  );
}

function comparison(plan: Plan, { makespanS }: Recording, scale: number): string {
  const beganMs = epochMs(plan.committedAt);
  const endedMs = epochMs(plan.finishedAt);
  if (beganMs === undefined || endedMs === undefined) return "the server does not say when it ran";
  const recorded = makespanS === undefined ? "" : `; recorded, scaled: ${spanText(makespanS * 1000 * scale)}`;
  return `took ${spanText(endedMs - beganMs)}${recorded}`;
}
