// Changes of a plan's header that no decision makes: new graph versions, with their record in the plan's stream.
// Not here: verbs that move a plan, see with-plan.ts.
import type { OperationContext } from "../engine/operation.ts";
import type { RecordId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { RECORD_SALT_BYTES, storeRecord } from "../domain/record.ts";
import type { RecordDraft } from "../domain/record.ts";
import type { Tx } from "../store/ports/store.ts";

/** Saves the plan with one more record; the plan must be locked. Answers with the plan as it is now. */
export async function recordOnPlan(tx: Tx, context: OperationContext, plan: PlanRow, draft: RecordDraft): Promise<{ readonly plan: PlanRow; readonly recordId: RecordId }> {
  const recordId = context.ids.uuid() as RecordId;
  const seq = plan.recordSeq + 1;
  const changed: PlanRow = { ...plan, recordSeq: seq, rev: plan.rev + 1 };
  const place = { orgId: plan.orgId, stream: plan.planId, seq, atMs: await tx.nowMs() };
  const record = storeRecord(draft, place, recordId, context.random.bytes(RECORD_SALT_BYTES));
  await tx.plans.save({ plan: changed, steps: [], attempts: [], late: [], inputs: [], records: [record], timers: [], approvals: [], checkpoints: [], cascade: undefined, goal: null });
  return { plan: changed, recordId };
}
