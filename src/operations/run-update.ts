// Changes what is given of a run, and leaves one record of that. Not here: what of a run may change, see domain/run.ts.
import type { Operation } from "../engine/operation.ts";
import { notFound } from "../domain/refusal.ts";
import { changedRun } from "../domain/run.ts";
import type { Run, RunChange } from "../domain/run.ts";
import { journaled } from "./done.ts";
import type { RunName } from "./run-name.ts";
import { changeWords } from "./run-record.ts";
import { withTaskRuns } from "./task-runs.ts";

export interface RunUpdateRequest {
  readonly run: RunName;
  readonly change: RunChange;
}

export const runUpdate: Operation<RunUpdateRequest, Run> = async (tx, { run: { id, text }, change }, context) => {
  const { orgId, name: actor } = context.principal;
  const run = id === null ? undefined : await tx.runs.lock(orgId, id);
  if (run === undefined) return notFound("run", text);
  const decision = changedRun(run, change, await tx.nowMs());
  if (!decision.ok) return decision;
  await tx.runs.save(decision.value);
  const [shown = decision.value] = await withTaskRuns(tx, orgId, [decision.value]);
  return journaled(shown, {
    kind: "conductor.run.update",
    actor,
    body: changeWords(decision.value, change),
  });
};
