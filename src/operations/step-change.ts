// Retries, skips, holds or releases many steps of a plan, a page at a time. Not here: the verbs, see domain/plan/control.ts.
import type { News, Operation, OperationContext } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { advanced } from "../domain/plan/slice.ts";
import { decided } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { StepRow, StepState } from "../domain/step.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import type { Tx } from "../store/ports/store.ts";
import { read } from "./done.ts";
import type { SortKey } from "./page.ts";
import { keyPattern } from "./step-glob.ts";
import { allNews, decideContext, decideIn, lockPlan, newsOf } from "./with-plan.ts";

export type StepVerb = "retry" | "skip" | "hold" | "release";

export interface StepChangeRequest {
  readonly planId: PlanId;
  readonly verb: StepVerb;
  /** Empty for all that allow the verb. */
  readonly states: readonly StepState[];
  /** See keyPattern. */
  readonly keys: string;
  readonly reason: string;
  readonly dryRun: boolean;
  readonly page: PageRequest;
}
export interface StepChangeResponse {
  readonly matched: number;
  readonly steps: readonly string[];
  readonly refused: readonly { readonly step: string; readonly refusal: Refusal }[];
  readonly next: SortKey | null;
}

/** Steps that a call looks at, and reads at once. */
const LOOKED_AT = 5_000;
const CHUNK = 500;
const SHOWN = 100;
/** A retry looks at every step of its plan: of a large one, a call tries fewer. */
const RETRIES_TIMES_STEPS = 200_000;

const keysOf = (rows: readonly StepRow[]): readonly string[] => rows.map((row) => row.key);

export const stepChange: Operation<StepChangeRequest, StepChangeResponse> = async (tx, request, context) => {
  const { planId, verb, reason, dryRun } = request;
  // Found under the lock: nothing moves between the look and the change but by the changes themselves.
  const locked = await lockPlan(tx, context, planId);
  if (!locked.ok) return locked;
  const { found, next } = await find(tx, context, request, locked.value);
  if (dryRun) return read({ matched: found.length, steps: keysOf(found.slice(0, SHOWN)), refused: [], next });
  const steps: string[] = [];
  const refused: { readonly step: string; readonly refusal: Refusal }[] = [];
  const news: News[] = [];
  const decide = await decideContext(tx, context);
  let slice = tx.plans.slice(locked.value);
  for (const row of found) slice.steps.set(row.ordinal, row);
  for (const { ordinal, key } of found) {
    const row = slice.steps.get(ordinal);
    // One that the change of another took along has had its turn.
    if (row === undefined || !allows(row, request)) continue;
    const decision = await decideIn(tx, slice, { kind: verb, ordinal, reason }, decide);
    if (decision.ok) {
      const { changes } = decision.value;
      await tx.plans.save(changes);
      slice = advanced(slice, changes);
      steps.push(key);
      news.push(newsOf(decision.value));
    } else {
      refused.push({ step: key, refusal: decision.refusal });
    }
  }
  await recordRefusals(
    tx,
    context,
    verb,
    refused.map((one) => one.refusal),
  );
  const value = { matched: steps.length + refused.length, steps, refused, next };
  return decided({ value, recordId: null, ...(steps.length > 0 ? allNews(news) : {}) });
};

/** The page's steps, by key; the token leads on from the last key that was looked at. */
async function find(
  tx: Tx,
  context: OperationContext,
  request: StepChangeRequest,
  { nextOrdinal }: PlanRow,
): Promise<{ readonly found: readonly StepRow[]; readonly next: SortKey | null }> {
  const pattern = keyPattern(request.keys);
  const states = statesOf(request);
  const dear = request.verb === "retry" ? Math.max(1, Math.floor(RETRIES_TIMES_STEPS / nextOrdinal)) : SHOWN;
  const most = request.dryRun ? LOOKED_AT : Math.min(request.page.limit, SHOWN, dear);
  const found: StepRow[] = [];
  if (states.length === 0) return { found, next: null };
  let after = request.page.after ?? (pattern.after === null ? null : [pattern.after]);
  for (let looked = 0; looked < LOOKED_AT;) {
    const views = await tx.plans.listSteps(
      context.principal.orgId,
      request.planId,
      { states },
      { limit: CHUNK, after },
    );
    for (const { row } of views) {
      if (pattern.isPast(row.key)) return { found, next: null };
      after = [row.key];
      if (!pattern.matches(row.key) || !allows(row, request)) continue;
      found.push(row);
      if (found.length === most) return { found, next: after };
    }
    if (views.length < CHUNK) return { found, next: null };
    looked += views.length;
  }
  return { found, next: after };
}

const NOT_BEGUN: readonly StepState[] = ["PENDING", "WAITING", "AWAITING_APPROVAL", "READY", "BACKING_OFF"];
const STATES: Readonly<Record<StepVerb, readonly StepState[]>> = {
  retry: ["FAILED", "REFUSED", "BACKING_OFF"],
  skip: NOT_BEGUN,
  hold: NOT_BEGUN,
  release: ["PENDING", "WAITING"],
};

/** States that are asked for and allow the verb. What could not be undone is tried again only when somebody says so. */
function statesOf({ verb, states }: StepChangeRequest): readonly StepState[] {
  if (states.length === 0) return STATES[verb];
  const may = verb === "retry" ? [...STATES[verb], "COMPENSATION_FAILED" as const] : STATES[verb];
  return may.filter((state) => states.includes(state));
}

function allows(row: StepRow, request: StepChangeRequest): boolean {
  if (!statesOf(request).includes(row.state)) return false;
  if (request.verb === "retry") return true;
  return !row.undoing && (request.verb === "skip" || row.heldBack === (request.verb === "release"));
}

/** As the engine records the refusal of a call: each of these is one as well. */
async function recordRefusals(
  tx: Tx,
  context: OperationContext,
  verb: StepVerb,
  refusals: readonly Refusal[],
): Promise<void> {
  if (refusals.length === 0) return;
  const { orgId, name } = context.principal;
  await tx.records.appendJournal(
    orgId,
    context.sessionId,
    refusals.map(({ reason, stage, rule, explanation, metadata, lifter }) => ({
      kind: `step.${verb}.refused`,
      actor: name,
      body: { reason, stage, rule, explanation, metadata, lifter, stages: context.stages },
    })),
    await tx.nowMs(),
  );
}
