// Returns a run. Calls go together.
import type { GroupOperation } from "../engine/operation.ts";
import { notFound } from "../domain/refusal.ts";
import type { Run } from "../domain/run.ts";
import { read } from "./done.ts";
import { findAll } from "./run-name.ts";
import type { RunName } from "./run-name.ts";
import { withTaskRuns } from "./task-runs.ts";

export const runGet: GroupOperation<RunName, Run> = async (tx, calls) => {
  const names = calls.map(({ request }) => request);
  const [first] = calls;
  if (first === undefined) return [];
  const { orgId } = first.context.principal;
  const found = await findAll(names, async (ids) => {
    const runs = await tx.runs.find(orgId, ids);
    const shown = await withTaskRuns(tx, orgId, present(runs));
    const byId = new Map(shown.map((run) => [run.runId, run]));
    return ids.map((id) => byId.get(id));
  });
  return names.map(({ text }, i) => {
    const run = found[i];
    return run === undefined ? notFound("run", text) : read(run);
  });
};

function present(runs: readonly (Run | undefined)[]): readonly Run[] {
  return runs.filter((run) => run !== undefined);
}
