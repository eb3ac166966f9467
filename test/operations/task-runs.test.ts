// Tasks of many runs at once: read in parts of a bounded size. Not here: what a task's state is, see wire/workflows.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { runGet } from "../../src/operations/run-get.ts";
import { runStart } from "../../src/operations/run-start.ts";
import { withTaskRuns } from "../../src/operations/task-runs.ts";
import { workflowCreate } from "../../src/operations/workflow-create.ts";
import type { Run } from "../../src/domain/run.ts";
import { openBench } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.end());

async function runOf(tasks: number): Promise<Run> {
  const names = Array.from({ length: tasks }, (_, i) => `task-${String(i)}`);
  const { workflowId } = await bench.value(workflowCreate, {
    name: `of ${String(tasks)}`,
    tasks: names.map((name) => ({ name, agentType: "shell" })),
    dependencies: [],
  });
  return bench.value(runStart(bench.heavy), {
    workflow: { id: workflowId, text: workflowId },
    charter: "",
    draft: {
      name: `of ${String(tasks)}`,
      owner: "alice",
      status: null,
      startedMs: null,
      finishedMs: null,
      costEstimate: null,
      costActual: null,
      relatedEntityIds: [],
      relatedDecisionIds: [],
      metadata: "{}",
    },
  });
}

test("a reading brings no more tasks than it may, a run with more of them alone; all runs have all of theirs", async () => {
  const runs: Run[] = [];
  for (const tasks of [2, 2, 3, 7, 1]) runs.push(await runOf(tasks));
  const { orgId } = bench.org;
  const readings: number[] = [];
  const shown = await bench.it.store.transaction([orgId], async (tx) => {
    const plans: typeof tx.plans = {
      ...tx.plans,
      standingOf: (org, steps) => {
        readings.push(steps.length);
        return tx.plans.standingOf(org, steps);
      },
    };
    return withTaskRuns({ plans }, orgId, runs, 5);
  });
  expect(readings).toEqual([4, 3, 7, 1]);
  expect(shown.map(({ runId }) => runId)).toEqual(runs.map(({ runId }) => runId));
  expect(shown.map(({ taskRuns }) => taskRuns?.length)).toEqual([2, 2, 3, 7, 1]);
  const together = await bench.it.store.transaction([orgId], (tx) =>
    runGet(
      tx,
      runs.map(({ runId }) => ({ request: { id: runId, text: runId }, context: bench.context() })),
    ),
  );
  expect(together.map((answer) => answer.ok && answer.value.value)).toEqual(shown);
});
