// Says why each unfinished step of a plan is waiting, and for what. Not here: the causes themselves, see wait-cause.ts.
import type { Operation } from "../engine/operation.ts";
import type { Approval } from "../domain/approval.ts";
import type { OrgId, PlanId } from "../domain/id.ts";
import { planHasEnded } from "../domain/plan.ts";
import type { PlanRow } from "../domain/plan.ts";
import { notFound } from "../domain/refusal.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import type { StepView } from "../store/ports/plans.ts";
import type { Tx } from "../store/ports/store.ts";
import { allPages } from "./all-pages.ts";
import type { Connected } from "./dispatch-port.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { SortKey } from "./page.ts";
import { waitingOf } from "./wait-cause.ts";
import type { Surroundings, Waiting } from "./wait-cause.ts";

export interface PlanExplainRequest {
  readonly planId: PlanId;
  /** Key of one step; empty for all unfinished ones. */
  readonly step: string;
  readonly page: PageRequest;
}
export interface PlanExplainResponse {
  /** What the plan as a whole waits for; empty when it moves. */
  readonly summary: string;
  readonly waiting: readonly Waiting[];
  readonly next: SortKey | null;
}

export function planExplain(dispatcher: Connected): Operation<PlanExplainRequest, PlanExplainResponse> {
  return async (tx, { planId, step, page }, context) => {
    const { orgId } = context.principal;
    const plan = await tx.plans.find(orgId, planId);
    if (plan === undefined || plan.state === "UNCOMMITTED") return notFound("plan", planId);
    const found = await tx.plans.listSteps(
      orgId,
      planId,
      step === "" ? { states: [], unfinishedOnly: true } : { states: [], key: step },
      oneMore(page),
    );
    if (step !== "" && found.length === 0) return notFound("step", step);
    const { items, next } = pageOf(found, page, (view) => [view.row.key]);
    const connected = dispatcher.connectedExecutors(orgId);
    const around = await surroundings(
      tx,
      plan,
      items,
      new Map(connected.map((c) => [c.executor.executorId, c.freeSlots])),
    );
    const waiting = items.flatMap((view) => waitingOf(view, around) ?? []);
    const left = await notUndone(tx, plan);
    return read({ summary: [summaryOf(plan, around, waiting), left].filter((s) => s !== "").join(" "), waiting, next });
  };
}

async function surroundings(
  tx: Tx,
  plan: PlanRow,
  views: readonly StepView[],
  freeSlots: ReadonlyMap<string, number>,
): Promise<Surroundings> {
  const { orgId, planId } = plan;
  const executors = await allPages(
    (page) => tx.executors.list(orgId, page),
    (e) => [e.spec.name],
  );
  const approvals = await pendingApprovals(tx, orgId, planId);
  const pending = views.flatMap(({ row }) => (row.state === "PENDING" ? [row.ordinal] : []));
  const before =
    pending.length > 0 ? await tx.plans.unfinishedBefore(orgId, planId, pending) : new Map<number, never>();
  return { plan, executors, freeSlots, approvals, before, nowMs: await tx.nowMs() };
}

const NAMED = 3;

/** What could not be undone may wait for nobody, and yet somebody must look. Of current steps, only a plan that is undone, or was, has any. */
async function notUndone(tx: Tx, { orgId, planId, state, compensate }: PlanRow): Promise<string> {
  const query = { states: ["COMPENSATION_FAILED" as const] };
  const some = { limit: NAMED + 1, after: null };
  const isUndone = compensate && (state === "COMPENSATING" || planHasEnded(state));
  const left = [
    ...(isUndone ? await tx.plans.listSteps(orgId, planId, query, some) : []),
    ...(await tx.plans.listDropped(orgId, planId, query, some)),
  ];
  if (left.length === 0) return "";
  const keys = left
    .slice(0, NAMED)
    .map(({ row }) => (row.current ? row.key : `${row.key} (row ${String(row.ordinal)})`));
  const more = left.length > NAMED ? " and more" : "";
  return `Not undone: ${keys.join(", ")}${more}; retry the compensation, or resolve it by hand.`;
}

/** By ordinal; a commit's under 0, which is no step's. */
async function pendingApprovals(tx: Tx, orgId: OrgId, planId: PlanId): Promise<ReadonlyMap<number, Approval>> {
  const pending = await allPages(
    (page) => tx.approvals.list(orgId, { planId, pendingOnly: true }, page),
    (a) => [a.requestedMs, a.approvalId],
  );
  return new Map(pending.map((a) => [a.ordinal ?? 0, a]));
}

function summaryOf(plan: PlanRow, around: Surroundings, waiting: readonly Waiting[]): string {
  if (plan.state === "AWAITING_RATIFICATION") return `Version ${String(plan.pendingVersion)} waits for ratification.`;
  if (plan.state === "SUSPENDED") return "The plan is suspended; what runs goes on, nothing new begins.";
  if (planHasEnded(plan.state))
    return `The plan has ended: ${plan.state}${plan.reason === "" ? "" : ` (${plan.reason})`}.`;
  if (plan.stepsRunning > 0) return "";
  const counts = new Map<string, number>();
  for (const { cause, explanation } of waiting) {
    if (cause !== "DEPENDENCY") counts.set(explanation, (counts.get(explanation) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  if (most === undefined) return around.plan.ending === null ? "" : "The plan is ending.";
  const [explanation, count] = most;
  return `Nothing runs; ${String(count)} ${count === 1 ? "step waits" : "steps wait"}: ${explanation}`;
}
