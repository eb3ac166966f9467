// Retries, skips, holds or releases many steps of a plan, a page at a time. Not here: the verbs, see domain/plan/control.ts.
import type { News, Operation, OperationContext } from "../engine/operation.ts";
import { passedByNobody } from "../domain/gate.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { advanced } from "../domain/plan/slice.ts";
import { conflict } from "../domain/plan/verb.ts";
import { decided } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";
import { has, STEP_FLAGS } from "../domain/step.ts";
import type { StepRow, StepState } from "../domain/step.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import type { Tx } from "../store/ports/store.ts";
import { read } from "./done.ts";
import type { SortKey } from "./page.ts";
import { PassedOverCount } from "./passed-over.ts";
import type { PassedOver } from "./passed-over.ts";
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
export interface StepRefused {
  readonly step: string;
  readonly ordinal: number;
  readonly refusal: Refusal;
}
export interface StepChangeResponse {
  readonly matched: number;
  readonly steps: readonly string[];
  readonly refused: readonly StepRefused[];
  /** Those that the filter named and whose state did not allow the verb; examples are keys. */
  readonly passedOver: readonly PassedOver[];
  readonly next: SortKey | null;
}

/** Steps that a call looks at, and reads at once. */
const LOOKED_AT = 5_000;
const CHUNK = 500;
const SHOWN = 100;
const LAST_ORDINAL = 2 ** 31 - 1;
/** A retry looks at every step of its plan: of a large one, a call tries fewer. */
const RETRIES_TIMES_STEPS = 200_000;

const keysOf = (rows: readonly StepRow[]): readonly string[] => rows.map((row) => row.key);

export const stepChange: Operation<StepChangeRequest, StepChangeResponse> = async (tx, request, context) => {
  const { planId, verb, reason, dryRun } = request;
  // Found under the lock: nothing moves between the look and the change but by the changes themselves.
  const locked = await lockPlan(tx, context, planId);
  if (!locked.ok) return locked;
  const { found, next } = await find(tx, context, request, locked.value);
  const passedOver = await passOver(tx, context, request, next);
  if (dryRun) {
    const isNo = (row: StepRow): boolean => verb === "skip" && has(row.flags, STEP_FLAGS.GATE);
    const may = found.filter((row) => !isNo(row));
    const no = found.filter(isNo).slice(0, SHOWN);
    return read({
      matched: found.length,
      steps: keysOf(may.slice(0, SHOWN)),
      refused: no.map(({ key, ordinal, state }) => ({ step: key, ordinal, refusal: passedByNobody(key, state) })),
      passedOver,
      next,
    });
  }
  const steps: string[] = [];
  const refused: StepRefused[] = [];
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
      refused.push({ step: key, ordinal, refusal: decision.refusal });
    }
  }
  await recordRefusals(
    tx,
    context,
    verb,
    refused.map((one) => one.refusal),
  );
  const value = { matched: steps.length + refused.length, steps, refused, passedOver, next };
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
    const { rows, isLast } = await chunk(tx, context, request, after);
    for (const row of rows) {
      if (pattern.isPast(row.key)) return { found, next: null };
      // Rows under one key stay together: the token names keys.
      if (found.length >= most && row.key !== found.at(-1)?.key) return { found, next: after };
      after = [row.key];
      if (pattern.matches(row.key) && allows(row, request)) found.push(row);
    }
    if (isLast) return { found, next: null };
    looked += rows.length;
  }
  return { found, next: after };
}

/** The next rows by key, all of those under a key: the current steps, and dropped rows where their compensations are asked for. */
async function chunk(
  tx: Tx,
  context: OperationContext,
  request: StepChangeRequest,
  after: PageRequest["after"],
): Promise<{ readonly rows: readonly StepRow[]; readonly isLast: boolean }> {
  const { orgId } = context.principal;
  const { planId } = request;
  const states = statesOf(request);
  const views = await tx.plans.listSteps(orgId, planId, { states }, { limit: CHUNK, after });
  const rows = views.map(({ row }) => row);
  if (!states.includes("COMPENSATION_FAILED")) return { rows, isLast: rows.length < CHUNK };
  const query = { states: ["COMPENSATION_FAILED" as const] };
  // After a key means after all rows under it.
  const beyond = after === null ? null : [after[0] ?? "", LAST_ORDINAL];
  const dropped = (await tx.plans.listDropped(orgId, planId, query, { limit: CHUNK, after: beyond })).map(
    ({ row }) => row,
  );
  const ends = [rows, dropped].flatMap((list) => (list.length < CHUNK ? [] : [list.at(-1)?.key ?? ""])).sort();
  const [end] = ends;
  const both = [...rows, ...dropped].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.ordinal - b.ordinal));
  if (end === undefined) return { rows: both, isLast: true };
  return { rows: both.filter((row) => row.key <= end), isLast: false };
}

/** Counts the steps of this page that the filter named and whose state does not allow the verb. */
async function passOver(
  tx: Tx,
  context: OperationContext,
  request: StepChangeRequest,
  next: SortKey | null,
): Promise<readonly PassedOver[]> {
  const { planId, verb, states, keys, page } = request;
  const text = (key: SortKey | null | undefined, without: string): string =>
    typeof key?.[0] === "string" ? key[0] : without;
  const alike = await tx.plans.countAlike(context.principal.orgId, planId, {
    after: text(page.after, ""),
    // Keys are letters, digits, `_` and `-`: `~` sorts after them all.
    upTo: text(next, "~"),
    keys,
  });
  const counts = new PassedOverCount();
  for (const { state, undoing, heldBack, count, keys: examples } of alike) {
    if ((states.length > 0 && !states.includes(state)) || allows({ state, undoing, heldBack }, request)) continue;
    const held = verb === "hold" && heldBack ? " and held already" : verb === "release" ? " and not held" : "";
    const why = `A step that is ${state}${held} cannot be ${DONE[verb]}.`;
    counts.add(conflict("step", examples[0] ?? "", state, why), examples, count);
  }
  return counts.list();
}

const DONE: Readonly<Record<StepVerb, string>> = {
  retry: "retried",
  skip: "skipped",
  hold: "held back",
  release: "released",
};

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

function allows(row: Pick<StepRow, "state" | "undoing" | "heldBack">, request: StepChangeRequest): boolean {
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
