// Makes a run from a workflow: a goal, its graph and its commit in one transaction, by the same functions as the composite, with a
// run that says more than the goal does. Not here: runs of work done elsewhere, see run-create.ts.
import type { Operation, OperationContext } from "../engine/operation.ts";
import { NO_LIMITS } from "../domain/amounts.ts";
import { NO_RELEASE_POLICY } from "../domain/charter.ts";
import type { CharterTerms } from "../domain/charter.ts";
import type { GoalSpec } from "../domain/goal.ts";
import type { WorkflowId } from "../domain/id.ts";
import { newRunOf } from "../domain/plan-run.ts";
import type { PlanRunTerms } from "../domain/plan-run.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, invalid, notFound, RefusedError } from "../domain/refusal.ts";
import type { Violation } from "../domain/refusal.ts";
import { STATUS_OF_PLAN } from "../domain/run.ts";
import type { Run, RunDraft, RunTask } from "../domain/run.ts";
import { stepKeys, workflowSteps } from "../domain/workflow.ts";
import type { Workflow } from "../domain/workflow.ts";
import type { Tx } from "../store/ports/store.ts";
import { charterDeclare } from "./charter-declare.ts";
import { commit, prepareCommit } from "./commit-version.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { refineGoal } from "./refine-goal.ts";
import type { Looked } from "./run-name.ts";
import { runRecordWords } from "./run-record.ts";

export interface RunStartRequest {
  readonly workflow: Looked<WorkflowId>;
  /** Name or id; empty for the usual one. */
  readonly charter: string;
  readonly draft: RunDraft;
}

/** Under which runs go that name none: declared by the first of them, without limits. */
const USUAL = "conductor";
const USUAL_TERMS: CharterTerms = {
  purpose: "Runs that are made from workflows.",
  budget: { ...NO_LIMITS, currency: "" },
  deadlineMs: null,
  minTrust: 0,
  ratifyCommits: false,
  staleRule: "RERUN",
  release: NO_RELEASE_POLICY,
};
/** Longest name of a goal, in bytes; a run's may be longer. */
const GOAL_NAME = 255;

export function runStart(heavy: HeavyWork): Operation<RunStartRequest, Run> {
  return async (tx, { workflow: { id, text }, charter: named, draft }, context) => {
    const wrong = saidOfPlan(draft);
    if (wrong.length > 0) return invalid(...wrong);
    const workflow = id === null ? undefined : await tx.workflows.find(context.principal.orgId, id);
    if (workflow === undefined) return notFound("workflow", text);
    const charter = named === "" ? await usualCharter(tx, context) : named;
    const target = { kind: "new", charter, spec: specOf(draft) } as const;
    const request = { target, steps: workflowSteps(workflow), version: 0, open: false };
    const refined = await refineGoal(heavy, tx, request, context);
    // The charter may have been declared by now: whatever refuses takes it along.
    if (!refined.ok) throw new RefusedError(refined.refusal);
    const wish = { operation: "graph.commit", reason: "", acceptLate: false };
    const prepared = await prepareCommit(heavy, tx, context, refined.value, wish);
    if (!prepared.ok) throw new RefusedError(prepared.refusal);
    const terms = termsOf(draft, workflow);
    const { goal, plan, recordId, news } = await commit(
      tx,
      context,
      prepared.value,
      refined.value.changes.records,
      terms,
    );
    const run = atFirst(newRunOf(goal, terms), plan, refined.value.charter.name);
    await journal(tx, context, "conductor.run.create", runRecordWords(run));
    return decided({ value: run, recordId, ...news });
  };
}

/** What only the plan can say. */
function saidOfPlan({ status, startedMs, finishedMs, costActual }: RunDraft): readonly Violation[] {
  const said = { status, started_at: startedMs, finished_at: finishedMs, cost_actual: costActual };
  return Object.entries(said)
    .filter(([, value]) => value !== null)
    .map(([field]) => ({ field, description: "comes from the plan when there is a workflow", rule: "run.of_plan" }));
}

async function usualCharter(tx: Tx, context: OperationContext): Promise<string> {
  if ((await tx.charters.find(context.principal.orgId, USUAL)) !== undefined) return USUAL;
  const declared = await charterDeclare(tx, { name: USUAL, terms: USUAL_TERMS, expectedRevision: 0 }, context);
  if (!declared.ok) throw new RefusedError(declared.refusal);
  const done = declared.value;
  // Somebody may have been quicker: then it is there, and there is nothing to tell.
  if ("journal" in done) await journal(tx, context, done.journal.kind, done.journal.body);
  return USUAL;
}

async function journal(
  tx: Tx,
  { principal: { orgId, name: actor }, sessionId }: OperationContext,
  kind: string,
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  await tx.records.appendJournal(orgId, sessionId, [{ kind, actor, body }], await tx.nowMs());
}

function specOf({ name }: RunDraft): GoalSpec {
  return {
    name: clipped(name),
    intent: "",
    inputs: null,
    constraints: { budget: { ...NO_LIMITS, currency: "" }, deadlineMs: null, minTrust: 0 },
    labels: {},
    attributes: {},
  };
}

function clipped(name: string): string {
  if (Buffer.byteLength(name) <= GOAL_NAME) return name;
  // A character that was cut through is left out.
  return new TextDecoder().decode(Buffer.from(name).subarray(0, GOAL_NAME)).replace(/\uFFFD+$/, "");
}

function termsOf(draft: RunDraft, workflow: Workflow): PlanRunTerms {
  const keys = stepKeys(workflow.tasks);
  const tasks = workflow.tasks.map(({ name, agentType }): RunTask => ({ name, agentType, step: keys.get(name) ?? "" }));
  return {
    name: draft.name,
    owner: draft.owner,
    costEstimate: draft.costEstimate,
    relatedEntityIds: draft.relatedEntityIds,
    relatedDecisionIds: draft.relatedDecisionIds,
    metadata: draft.metadata,
    workflowId: workflow.workflowId,
    tasks,
  };
}

/** As the run is in the moment of its commit. */
function atFirst(run: Run, { state, committedMs, account }: PlanRow, charter: string): Run {
  return {
    ...run,
    charter,
    status: STATUS_OF_PLAN[state] ?? "PENDING",
    startedMs: committedMs ?? run.startedMs,
    costActual: account.currency === "" ? null : 0,
    taskRuns: run.tasks.map((task) => ({ ...task, status: "PENDING", startedMs: null, finishedMs: null })),
  };
}
