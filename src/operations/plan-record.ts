// Changes of a plan's header that no decision makes: new graph versions, with their record in the plan's stream.
// Not here: verbs that move a plan, see with-plan.ts.
import type { OperationContext } from "../engine/operation.ts";
import type { RecordId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { PlanDraft } from "../domain/plan/draft.ts";
import type { Tx } from "../store/ports/store.ts";
import { decideContext } from "./with-plan.ts";

/** Saves the plan with its newest version and one more record; the plan must be locked. Answers with the plan as it is now. */
export async function recordOnPlan(
  tx: Tx,
  context: OperationContext,
  plan: PlanRow,
  newestVersion: number,
  said: { readonly kind: string; readonly body: Readonly<Record<string, unknown>> },
): Promise<{ readonly plan: PlanRow; readonly recordId: RecordId }> {
  const draft = new PlanDraft(tx.plans.slice(plan), await decideContext(tx, context));
  draft.plan.newestVersion = newestVersion;
  const recordId = draft.record(said.kind, said.body);
  const changes = draft.changes();
  await tx.plans.save(changes);
  return { plan: changes.plan, recordId };
}
