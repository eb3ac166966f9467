// `maestro goals`: lists goals, or shows one. Not here: their plans, see plans.ts.
import { GoalSchema, GoalStateSchema } from "../../../gen/maestro/v1/goal_pb.ts";
import type { Goal } from "../../../gen/maestro/v1/goal_pb.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { filterOf } from "../goal-filter.ts";
import type { FilterFlags } from "../goal-filter.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts } from "../table.ts";
import { goalOf } from "../target.ts";
import { budgetText, labelsText, msOf, progressText, spanText, timeText, word } from "../words.ts";

export interface GoalsFlags extends ListFlags, FilterFlags {
  readonly charter: string;
  readonly orderBy: string;
}

export async function goals(flags: GoalsFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const filter = filterOf(flags);
  await withClient(async (client) =>
    showList(
      {
        schema: GoalSchema,
        page: async (pageSize, pageToken) => {
          const { charter, orderBy } = flags;
          const asked = { charter, filter, orderBy, pageSize, pageToken };
          const page = await client.maestro.queryGoals(asked, { signal: io.signal });
          return { items: page.goals, nextPageToken: page.nextPageToken };
        },
        head: ["GOAL", "NAME", "STATE", "DONE", "VERSION", "MADE", "LABELS"],
        row: (goal) => [
          goal.goalId,
          goal.spec?.name ?? "",
          word(GoalStateSchema, goal.state),
          progressText(goal.progress),
          String(goal.activeVersion),
          timeText(goal.createdAt),
          labelsText(goal.spec?.labels ?? {}),
        ],
        none: "no goals",
      },
      flags,
      context,
    ),
  );
}

export async function showGoal(named: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const goal = await goalOf(client, named, io.signal);
    if (json) io.out(jsonLine(GoalSchema, goal));
    else io.out(`${goalText(goal)}\n`);
  });
}

function goalText(goal: Goal): string {
  const { spec, progress } = goal;
  const { budget, deadline, minTrust = 0 } = spec?.constraints ?? {};
  const inputs = spec?.inputs?.value;
  const attributes = Object.entries(spec?.attributes ?? {}).map(([name, { value }]) => {
    const text = value.case === "time" ? timeText(value.value) : String(value.value);
    return `${name}=${text}`;
  });
  return facts([
    ["goal", goal.goalId],
    ["name", spec?.name ?? ""],
    ["intent", spec?.intent ?? ""],
    ["state", word(GoalStateSchema, goal.state)],
    ["plan", goal.activeVersion === 0 ? `${goal.planId}, not committed` : goal.planId],
    ["version", goal.activeVersion === 0 ? "" : String(goal.activeVersion)],
    ["steps", progress === undefined ? "" : `${progress.total}; ${progressText(progress)} ended`],
    ["charter", `${goal.charterId} at revision ${goal.charterRevision}`],
    ["labels", labelsText(spec?.labels ?? {})],
    ["attributes", attributes.join(", ")],
    ["inputs", inputs?.case === "json" ? inputs.value : ""],
    ["budget", budget === undefined ? "" : budgetText(budget)],
    ["deadline", deadline === undefined ? "" : `${spanText(msOf(deadline))} from commit`],
    ["least trust", minTrust === 0 ? "" : String(minTrust)],
    ["made", timeText(goal.createdAt)],
    ["ended", timeText(goal.finishedAt)],
  ]);
}
