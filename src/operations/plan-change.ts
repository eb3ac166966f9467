// Suspends, resumes or cancels the plans of many goals, a page at a time. Not here: the verbs, see domain/plan/control.ts.
import type { News, Operation } from "../engine/operation.ts";
import type { Filter } from "../domain/filter/filter.ts";
import { parseFilter } from "../domain/filter/parse.ts";
import type { GoalState } from "../domain/goal.ts";
import type { PlanId } from "../domain/id.ts";
import { planHasEnded } from "../domain/plan.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { PlanCommand } from "../domain/plan/decide.ts";
import { conflict } from "../domain/plan/verb.ts";
import { decided, invalid, notFound } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { SortKey } from "./page.ts";
import { PassedOverCount } from "./passed-over.ts";
import type { PassedOver } from "./passed-over.ts";
import { allNews, withPlan } from "./with-plan.ts";

export type PlanVerb = "suspend" | "resume" | "cancel";

export interface PlanChangeRequest {
  readonly verb: PlanVerb;
  /** Name, or id as UUID text; empty for all. */
  readonly charter: string;
  /** CEL; empty for all. */
  readonly filter: string;
  readonly reason: string;
  readonly compensate: boolean;
  readonly dryRun: boolean;
  readonly page: PageRequest;
}
export interface PlanChangeResponse {
  readonly matched: number;
  /** At most 100. */
  readonly planIds: readonly PlanId[];
  /** Those that were looked at and not changed; examples are plan ids. */
  readonly passedOver: readonly PassedOver[];
  readonly next: SortKey | null;
}

/** Goals that a dry run looks at in one call: their plans are only read. */
const COUNTED = 1_000;
const SHOWN = 100;

export const planChange: Operation<PlanChangeRequest, PlanChangeResponse> = async (tx, request, context) => {
  const { orgId } = context.principal;
  const { verb, charter, dryRun } = request;
  if (charter === "" && request.filter === "")
    return invalid({ field: "filter", description: "must say which plans, or charter must", rule: "plans.named" });
  const parsed = parseFilter(request.filter);
  if (!parsed.ok) return parsed;
  const under = charter === "" ? null : await tx.charters.find(orgId, charter);
  if (under === undefined) return notFound("charter", charter);
  const filter = among(GOAL_STATES[verb], parsed.value);
  const page = { limit: dryRun ? COUNTED : Math.min(request.page.limit, SHOWN), after: request.page.after };
  const query = { charterId: under?.charterId ?? null, filter, order: "created_at" as const };
  const found = await tx.goals.query(orgId, query, oneMore(page));
  const { items, next } = pageOf(found, page, (goal) => [goal.createdMs, goal.planId]);
  // Plan rows are locked in the order of their ids, by everybody.
  const planIds = items.map(({ planId }) => planId).sort();
  const passedOver = new PassedOverCount();
  if (dryRun) {
    const plans = await Promise.all(planIds.map((planId) => tx.plans.find(orgId, planId)));
    const wanted: PlanId[] = [];
    for (const plan of plans) {
      if (plan === undefined) continue;
      const no = notMeant(plan, verb);
      if (no === undefined) wanted.push(plan.planId);
      else passedOver.add(no, [plan.planId]);
    }
    return read({
      matched: wanted.length,
      planIds: wanted.slice(0, SHOWN),
      passedOver: passedOver.list(),
      next,
    });
  }
  const changed: PlanId[] = [];
  const news: News[] = [];
  for (const planId of planIds) {
    const done = await withPlan(tx, context, planId, (plan) => {
      const no = notMeant(plan, verb);
      return no === undefined ? decided(commandOf(request)) : { ok: false, refusal: no };
    });
    if (!done.ok) {
      passedOver.add(done.refusal, [planId]);
      continue;
    }
    changed.push(planId);
    news.push(done.value);
  }
  return decided({
    value: { matched: changed.length, planIds: changed, passedOver: passedOver.list(), next },
    recordId: null,
    ...(changed.length > 0 ? allNews(news) : {}),
  });
};

/** A plan is on its way, or suspended, only while its goal is active; one that waits for ratification may have a goal that is not yet. */
const GOAL_STATES: Readonly<Record<PlanVerb, readonly GoalState[]>> = {
  suspend: ["ACTIVE"],
  resume: ["ACTIVE"],
  cancel: ["DRAFT", "REFINED", "ACTIVE"],
};

function among(states: readonly GoalState[], filter: Filter | null): Filter {
  const inStates: Filter = {
    kind: "in",
    field: { kind: "state" },
    values: states.map((value) => ({ kind: "text", value })),
  };
  return filter === null ? inStates : { kind: "and", terms: [inStates, filter] };
}

const DONE: Readonly<Record<PlanVerb, string>> = { suspend: "suspended", resume: "resumed", cancel: "cancelled" };

/** Why a plan is passed over; undefined when it is not. */
function notMeant(plan: PlanRow, verb: PlanVerb): Refusal | undefined {
  const may =
    verb === "suspend"
      ? plan.state === "ACTIVE"
      : verb === "resume"
        ? plan.state === "SUSPENDED"
        : plan.state !== "UNCOMMITTED" && !planHasEnded(plan.state);
  if (may && plan.ending === null) return undefined;
  const explanation =
    plan.ending !== null && !planHasEnded(plan.state)
      ? `A plan that is ending cannot be ${DONE[verb]}.`
      : plan.state === "UNCOMMITTED"
        ? "Nothing was committed of it."
        : `A plan that is ${plan.state} cannot be ${DONE[verb]}.`;
  return conflict("plan", plan.planId, plan.state, explanation);
}

function commandOf({ verb, reason, compensate }: PlanChangeRequest): PlanCommand {
  return verb === "cancel" ? { kind: verb, reason, compensate } : { kind: verb, reason };
}
