// Where the tasks of runs stand that were made from workflows: the steps of their plans, all of one reading. Not here: making such runs.
import type { OrgId } from "../domain/id.ts";
import { taskStatus } from "../domain/run.ts";
import type { Run, TaskRun } from "../domain/run.ts";
import type { StepStanding } from "../store/ports/plans.ts";
import type { Tx } from "../store/ports/store.ts";

/** Most tasks that one reading brings, or one run has; a page of runs with more is shorter. */
export const MOST_TASKS = 20_000;

/** The same runs, with where their tasks stand: a reading for so many tasks after the other, and none when no run has any. */
export async function withTaskRuns(
  tx: Pick<Tx, "plans">,
  orgId: OrgId,
  runs: readonly Run[],
  most = MOST_TASKS,
): Promise<readonly Run[]> {
  const shown: Run[] = [];
  for (let rest = runs; rest.length > 0;) {
    const part = fewerTasks(rest, most);
    shown.push(...(await withTasksOf(tx, orgId, part)));
    rest = rest.slice(part.length);
  }
  return shown;
}

async function withTasksOf(tx: Pick<Tx, "plans">, orgId: OrgId, runs: readonly Run[]): Promise<readonly Run[]> {
  const wanted = runs.flatMap(({ planId, tasks }) =>
    planId === null ? [] : tasks.map(({ step }) => ({ planId, key: step })),
  );
  if (wanted.length === 0) return runs;
  const standing = new Map(
    (await tx.plans.standingOf(orgId, wanted)).map((step) => [`${step.planId}/${step.key}`, step]),
  );
  return runs.map((run) => (run.tasks.length === 0 ? run : { ...run, taskRuns: taskRunsOf(run, standing) }));
}

function taskRunsOf(run: Run, standing: ReadonlyMap<string, StepStanding>): readonly TaskRun[] {
  return run.tasks.map((task) => {
    const step = standing.get(`${run.planId ?? ""}/${task.step}`);
    // Before the commit is ratified there are no steps; afterwards a re-plan may have dropped some.
    if (step === undefined)
      return {
        ...task,
        status: run.status === "PENDING" ? "PENDING" : "CANCELLED",
        startedMs: null,
        finishedMs: null,
      };
    const { state, attempt, startedMs, finishedMs } = step;
    return { ...task, status: taskStatus(state, attempt), startedMs, finishedMs };
  });
}

/** As many of the runs, from the first on, as have no more tasks than one reading brings; one at least. */
export function fewerTasks(runs: readonly Run[], most = MOST_TASKS): readonly Run[] {
  let tasks = 0;
  const end = runs.findIndex((run, i) => {
    tasks += run.tasks.length;
    return i > 0 && tasks > most;
  });
  return end < 0 ? runs : runs.slice(0, end);
}
