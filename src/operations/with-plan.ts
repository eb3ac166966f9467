// Verbs on a plan that exists: lock, load, decide, save. Not here: the decisions, see domain/plan/.
import type { Done, News, OperationContext } from "../engine/operation.ts";
import type { PlanId, ReadyStep } from "../domain/id.ts";
import { payloadOf } from "../domain/payload.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decidePlan } from "../domain/plan/decide.ts";
import type { PlanCommand, PlanDecision } from "../domain/plan/decide.ts";
import type { DecideContext } from "../domain/plan/draft.ts";
import type { BuiltStep } from "../domain/plan/rows.ts";
import { MissingRows, ROUNDS_LIMIT } from "../domain/plan/slice.ts";
import type { PlanSlice } from "../domain/plan/slice.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { StepRow } from "../domain/step.ts";
import type { StepView } from "../store/ports/plans.ts";
import type { Tx } from "../store/ports/store.ts";

/** The plan, locked until the transaction ends. */
export async function lockPlan(tx: Tx, context: OperationContext, planId: PlanId): Promise<Decision<PlanRow>> {
  const plan = await tx.plans.lock(context.principal.orgId, planId);
  return plan === undefined ? notFound("plan", planId) : decided(plan);
}

export async function decideContext(tx: Tx, context: OperationContext): Promise<DecideContext> {
  return {
    nowMs: await tx.nowMs(),
    storeEpoch: context.storeEpoch,
    actor: context.principal.name,
    stages: context.stages,
    newId: () => context.ids.uuid(),
    salts: (bytes) => context.random.bytes(bytes),
    fraction: () => context.random.fraction(),
  };
}

/** Decides one command on a locked plan, completing its slice until the decision has all it needs; `rows` are known already. Writes nothing. */
export async function decideOn(
  tx: Tx,
  plan: PlanRow,
  command: PlanCommand,
  context: DecideContext,
  rows: readonly StepRow[] = [],
): Promise<Decision<PlanDecision>> {
  const slice = tx.plans.slice(plan);
  for (const row of rows) slice.steps.set(row.ordinal, row);
  return decideIn(tx, slice, command, context);
}

/** As decideOn, on a slice that may hold more than the plan row. */
export async function decideIn(
  tx: Tx,
  slice: PlanSlice,
  command: PlanCommand,
  context: DecideContext,
): Promise<Decision<PlanDecision>> {
  for (let round = 0; round < ROUNDS_LIMIT; round++) {
    try {
      return decidePlan(slice, command, context);
    } catch (trouble) {
      if (!(trouble instanceof MissingRows)) throw trouble;
      await tx.plans.complete(slice, trouble.needs);
    }
  }
  throw new Error("a decision asked for more rows without end");
}

/** What dispatch must hear of a decision; `added` are rows that the commit brought besides. */
export function newsOf(
  { changes, ready, stops, leased }: PlanDecision,
  added: readonly BuiltStep[] = [],
): Required<News> {
  const { plan } = changes;
  const { orgId, planId } = plan;
  const taken = new Set(leased.map((row) => row.ordinal));
  const inputs = new Map(added.map(({ row, input }) => [row.ordinal, input?.text ?? null]));
  return {
    wake: [{ orgId, planId }],
    ready: [...readyAtOnce(plan, added).filter((step) => !taken.has(step.ordinal)), ...ready],
    leased: leased.map((row) => ({ plan, row, input: payloadOf(inputs.get(row.ordinal) ?? null) })),
    stops,
    goesOn: changes.timers.some(({ dueMs }) => dueMs !== null) || (changes.cascade ?? null) !== null,
  };
}

/** Rows that the commit brought and that go into the ready set with it. */
export function readyAtOnce({ orgId, planId }: PlanRow, added: readonly BuiltStep[]): readonly ReadyStep[] {
  return added.flatMap(({ row: { ordinal, demandId, orderKey } }) =>
    orderKey === null ? [] : [{ orgId, planId, ordinal, demandId, orderKey }],
  );
}

/** Locks the plan, decides the command, saves what it changed. */
export async function withPlan(
  tx: Tx,
  context: OperationContext,
  planId: PlanId,
  commandOf: (plan: PlanRow) => Promise<Decision<PlanCommand>> | Decision<PlanCommand>,
): Promise<Decision<Done<PlanRow>>> {
  const locked = await lockPlan(tx, context, planId);
  if (!locked.ok) return locked;
  const command = await commandOf(locked.value);
  if (!command.ok) return command;
  const decision = await decideOn(tx, locked.value, command.value, await decideContext(tx, context));
  if (!decision.ok) return decision;
  const { changes, recordId } = decision.value;
  await tx.plans.save(changes);
  return decided({ value: changes.plan, recordId, ...newsOf(decision.value) });
}

/** A step under the active version, by key. */
export async function findStep(
  tx: Tx,
  context: OperationContext,
  planId: PlanId,
  key: string,
): Promise<Decision<StepView>> {
  const [view] = await tx.plans.listSteps(
    context.principal.orgId,
    planId,
    { states: [], key },
    { limit: 1, after: null },
  );
  return view === undefined ? notFound("step", key) : decided(view);
}

/** A row by its number, current or dropped, under the key that it should have. */
export async function findRow(
  tx: Tx,
  context: OperationContext,
  planId: PlanId,
  key: string,
  ordinal: number,
): Promise<Decision<StepView>> {
  const view = await tx.plans.findRow(context.principal.orgId, planId, ordinal);
  return view?.row.key === key ? decided(view) : notFound("step", `${key}, row ${String(ordinal)}`);
}

export interface StepVerbRequest {
  readonly planId: PlanId;
  readonly step: string;
  readonly reason: string;
}

/** A verb of an operator on one step; answers with the step as it stands afterwards. */
export async function withStep(
  tx: Tx,
  { planId, step, reason }: StepVerbRequest,
  context: OperationContext,
  kind: "retry" | "skip" | "hold" | "release",
): Promise<Decision<Done<StepView>>> {
  return changeStep(tx, context, planId, step, (ordinal) => ({ kind, ordinal, reason }));
}

/** A command about one row of a step, the current one unless `which` finds another; answers with it as it stands afterwards. */
export async function changeStep(
  tx: Tx,
  context: OperationContext,
  planId: PlanId,
  step: string,
  commandOf: (ordinal: number) => PlanCommand,
  which: () => Promise<Decision<StepView>> = () => findStep(tx, context, planId, step),
): Promise<Decision<Done<StepView>>> {
  let ordinal = 0;
  const done = await withPlan(tx, context, planId, async () => {
    const view = await which();
    if (!view.ok) return view;
    ({ ordinal } = view.value.row);
    return decided(commandOf(ordinal));
  });
  if (!done.ok) return done;
  const after = await findRow(tx, context, planId, step, ordinal);
  if (!after.ok) throw new Error(`step ${step} is gone after a verb on it`);
  return decided({ ...done.value, value: after.value });
}

/** What dispatch must hear of several decisions. */
export function allNews(each: readonly News[]): Required<News> {
  return {
    wake: each.flatMap(({ wake = [] }) => wake),
    ready: each.flatMap(({ ready = [] }) => ready),
    leased: each.flatMap(({ leased = [] }) => leased),
    stops: each.flatMap(({ stops = [] }) => stops),
    goesOn: each.some(({ goesOn }) => goesOn === true),
  };
}
