// Runs a step that is done again, or only says what that would do. Not here: whether it may, and what it means, see
// domain/plan/rerun.ts.
import type { Done, Operation, OperationContext } from "../engine/operation.ts";
import type { ComparedGraph } from "../domain/graph/diff.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { Replacement } from "../domain/plan/activation.ts";
import { mayRerun, mustNotWaitInVain } from "../domain/plan/rerun.ts";
import type { Before, RerunOrder, RerunStory } from "../domain/plan/rerun.ts";
import type { PlanSlice } from "../domain/plan/slice.ts";
import { decided, notFound, RefusedError } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { StepRow } from "../domain/step.ts";
import type { StepView } from "../store/ports/plans.ts";
import type { Tx } from "../store/ports/store.ts";
import { loadGraph } from "./commit-version.ts";
import { read } from "./done.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { storyOf } from "./step-rerun-story.ts";
import type { Succession } from "./succession.ts";
import type { Transition } from "./transition.ts";
import { decideContext, decideOn, findStep, lockPlan, newsOf, readyAtOnce } from "./with-plan.ts";

export interface StepRerunRequest {
  readonly planId: PlanId;
  readonly step: string;
  readonly reason: string;
  /** Runs again what consumed its outputs, and so on. */
  readonly cascade: boolean;
  readonly order: RerunOrder;
  readonly dryRun: boolean;
}
export interface StepRerunResponse extends RerunStory {
  readonly step: StepView;
}

export function stepRerun(heavy: HeavyWork): Operation<StepRerunRequest, StepRerunResponse> {
  return async (tx, request, context) => {
    const { planId, step: key } = request;
    const locked = await lockPlan(tx, context, planId);
    if (!locked.ok) return locked;
    const plan = locked.value;
    const slice = tx.plans.slice(plan);
    await tx.plans.complete(slice, { whole: true });
    const rows = [...slice.steps.values()].filter((row) => row.current);
    const row = rows.find((one) => one.key === key);
    if (row === undefined) return notFound("step", key);
    const no = mayRerun(plan, row, rows);
    if (no !== undefined) return { ok: false, refusal: no };
    const { succession } = await transitionOf(heavy, tx, context, slice, request);
    const vain = mustNotWaitInVain(row, staying(slice, row, succession));
    if (vain !== undefined) return { ok: false, refusal: vain };
    const story = storyOf(key, rows, succession);
    if (request.dryRun) {
      const view = await findStep(tx, context, planId, key);
      return view.ok ? read({ step: view.value, ...story }) : view;
    }
    return carryOut(tx, context, plan, request, succession, story);
  };
}

/** What the step directly depends on and does not run again with it. */
function staying(slice: PlanSlice, row: StepRow, { removed }: Succession): readonly Before[] {
  const gone = new Set(removed);
  return [...slice.children].flatMap(([from, children]) => {
    const edge = children.find(({ to }) => to === row.ordinal);
    const parent = slice.steps.get(from);
    if (edge === undefined || parent === undefined || !parent.current || gone.has(from)) return [];
    return [{ row: parent, regardless: edge.regardless }];
  });
}

/** As a re-plan to the same version, in which one step changed. */
async function transitionOf(
  heavy: HeavyWork,
  tx: Tx,
  context: OperationContext,
  slice: PlanSlice,
  { step, cascade, order }: StepRerunRequest,
): Promise<Transition> {
  const { plan } = slice;
  const graph: ComparedGraph = await loadGraph(tx, plan, plan.activeVersion);
  return heavy.transition(
    {
      orgId: plan.orgId,
      planId: plan.planId,
      planState: plan.state,
      committedMs: plan.committedMs,
      version: plan.activeVersion,
      nextOrdinal: plan.nextOrdinal,
      minTrust: plan.minTrust,
      staleRule: cascade ? "RERUN" : "KEEP",
      undoFirst: order === "UNDO_FIRST",
      nowMs: await tx.nowMs(),
      before: graph,
      after: graph,
      again: [step],
      rows: [...slice.steps.values()],
      rowEdges: [...slice.children].flatMap(([from, children]) => children.map((edge) => ({ from, ...edge }))),
    },
    context,
  );
}

async function carryOut(
  tx: Tx,
  context: OperationContext,
  plan: PlanRow,
  { planId, step, reason, cascade, order }: StepRerunRequest,
  succession: Succession,
  story: RerunStory,
): Promise<Decision<Done<StepRerunResponse>>> {
  const { orgId } = plan;
  const { added } = succession;
  // First out, then in, as a re-plan does.
  if (succession.removedEdges.length > 0) await tx.plans.removeEdges(orgId, planId, succession.removedEdges);
  await tx.plans.addSteps(orgId, planId, added, succession.addedEdges);
  const claims = plan.state === "SUSPENDED" ? [] : context.handover.reserve(readyAtOnce(plan, added));
  const wanted = new Set(claims.map(({ ordinal }) => ordinal));
  const ordinal = added.find(({ row }) => row.key === step)?.row.ordinal ?? 0;
  const { arrivals, settled, removed, undoFirst, rewired } = succession;
  const replacement: Replacement = {
    added: added.length,
    arrivals,
    settled,
    removed,
    undoFirst,
    rewired,
    readyAtOnce: succession.readyAtOnce,
    claims,
  };
  const known = added.map(({ row }) => row).filter((row) => wanted.has(row.ordinal) || row.ordinal === ordinal);
  const command = { kind: "rerun" as const, ordinal, reason, cascade, order, replacement, story };
  const decision = await decideOn(tx, plan, command, await decideContext(tx, context), known);
  // Rows are written by now: a refusal here must undo them.
  if (!decision.ok) throw new RefusedError(decision.refusal);
  await tx.plans.save(decision.value.changes);
  await tx.executors.ensureDemands(succession.demands);
  const after = await findStep(tx, context, planId, step);
  if (!after.ok) throw new Error(`step ${step} is gone after it was run again`);
  return decided({
    value: { step: after.value, ...story },
    recordId: decision.value.recordId,
    ...newsOf(decision.value, added),
  });
}
