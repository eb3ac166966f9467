// Refines a goal from a file's steps, in as many calls as their number needs, and shows the result as a table.
import { toBinary } from "@bufbuild/protobuf";
import type { GraphVersion } from "../../gen/maestro/v1/graph_pb.ts";
import { StepDefinitionSchema } from "../../gen/maestro/v1/step_pb.ts";
import type { StepDefinition } from "../../gen/maestro/v1/step_pb.ts";
import { counted } from "../support/counted.ts";
import type { ServerClient } from "./client.ts";
import type { CliIo } from "./io.ts";
import type { Requests } from "./plan-file/requests.ts";
import { table } from "./table.ts";
import { msOf, spanText } from "./words.ts";

/** Bounds of one call: the contract's count, and well under the size of a message. */
const PAGE_STEPS = 2_000;
const PAGE_BYTES = 2 * 1024 * 1024;
const MOST_ROWS = 60;

/** A REFINED version of the goal; of a new goal when none is named. */
export async function refine(
  client: ServerClient,
  goalId: string | undefined,
  requests: Requests,
  signal?: AbortSignal,
): Promise<GraphVersion> {
  const options = signal === undefined ? {} : { signal };
  const [first = [], ...rest] = pages(requests.steps);
  const target =
    goalId === undefined
      ? { case: "newGoal" as const, value: { charter: requests.charterName, spec: requests.goal } }
      : { case: "goalId" as const, value: goalId };
  const begun = await client.maestro.refineGoal(
    { target, steps: first, open: rest.length > 0, idempotencyKey: client.newKey() },
    options,
  );
  if (begun.version === undefined) throw new Error("the server refined nothing");
  if (rest.length === 0) return begun.version;
  const { goalId: id, version } = begun.version;
  for (const steps of rest)
    await client.graphs.addSteps({ goalId: id, version, steps, idempotencyKey: client.newKey() }, options);
  const done = await client.maestro.refineGoal(
    { target: { case: "goalId", value: id }, version, idempotencyKey: client.newKey() },
    options,
  );
  return done.version ?? begun.version;
}

/** Steps in as many calls as they need. */
export function pages(steps: readonly StepDefinition[]): StepDefinition[][] {
  const result: StepDefinition[][] = [];
  let bytes = PAGE_BYTES;
  for (const step of steps) {
    const size = toBinary(StepDefinitionSchema, step).length;
    const page = result.at(-1);
    if (page === undefined || page.length === PAGE_STEPS || bytes + size > PAGE_BYTES) {
      result.push([step]);
      bytes = size;
    } else {
      page.push(step);
      bytes += size;
    }
  }
  return result;
}

/** The plan as a table, in the order in which its steps can start, and what the analysis found. */
export async function planTable(client: ServerClient, version: GraphVersion, io: CliIo): Promise<string> {
  const { goalId, version: number, analysis, stepCount, edgeCount } = version;
  const [{ steps }, { edges }] = await Promise.all([
    client.graphs.listGraphSteps({ goalId, version: number, pageSize: 1000 }),
    client.graphs.listGraphEdges({ goalId, version: number, pageSize: 1000 }),
  ]);
  const needs = new Map<string, string[]>();
  for (const { from, to, redundant } of edges) if (!redundant) needs.set(to, [...(needs.get(to) ?? []), from]);
  const rows = [...steps]
    .sort((a, b) => a.level - b.level || msOf(a.earliestStart) - msOf(b.earliestStart))
    .slice(0, MOST_ROWS)
    .map(({ definition, level, earliestStart, expected, totalSlack, critical }) => {
      const key = definition?.key ?? "";
      const performer = performerOf(definition?.kind);
      const slack = critical ? "critical" : spanText(msOf(totalSlack));
      return [
        String(level),
        key,
        performer,
        spanText(msOf(earliestStart)),
        spanText(msOf(expected)),
        slack,
        (needs.get(key) ?? []).join(", "),
      ];
    });
  const head = ["LEVEL", "STEP", "NEEDS EXECUTOR FOR", "FROM", "EXPECTED", "SLACK", "AFTER"];
  const more = stepCount > rows.length ? [`… and ${counted(stepCount - rows.length, "more step")}`] : [];
  const found =
    analysis === undefined
      ? []
      : [
          `${counted(stepCount, "step")}, ${counted(edgeCount, "edge")}, ${counted(analysis.levels, "level")}; critical path ${clipPath(analysis.criticalPath)}: ${spanText(msOf(analysis.makespan))}, p90 ${spanText(msOf(analysis.makespanP90))}`,
          ...(analysis.unservableSteps.length > 0
            ? [`no registered executor can do: ${analysis.unservableSteps.slice(0, 10).join(", ")}`]
            : []),
          ...(analysis.verdict?.feasible === false ? [`cannot be met: ${analysis.verdict.counterExample}`] : []),
        ];
  return [table(head, rows, io.columns), ...more, ...found].join("\n");
}

/** What a step asks of an executor, or what Maestro does for it. */
export function performerOf(kind: StepDefinition["kind"] | undefined): string {
  if (kind?.case === "work") return kind.value.capability;
  return kind?.case === "gate" ? `(gate: ${kind.value.gate.case ?? ""})` : "";
}

function clipPath(path: readonly string[]): string {
  const shown = path.length > 12 ? [...path.slice(0, 6), "…", ...path.slice(-5)] : path;
  return shown.join(" → ");
}
