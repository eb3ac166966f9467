// Changes of a plan's header that no decision makes: new graph versions, with their record in the plan's stream.
// Not here: verbs that move a plan, see with-plan.ts.
import type { OperationContext } from "../engine/operation.ts";
import type { RecordId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { PlanDraft } from "../domain/plan/draft.ts";
import type { PlanChanges } from "../domain/plan/slice.ts";
import type { Tx } from "../store/ports/store.ts";
import { decideContext } from "./with-plan.ts";

/** The plan with its newest version and one more record. Writes nothing: whoever asks saves it, or has a commit save it along. */
export async function recordOnPlan(
  tx: Tx,
  context: OperationContext,
  plan: PlanRow,
  newestVersion: number,
  said: { readonly kind: string; readonly body: Readonly<Record<string, unknown>> },
): Promise<{ readonly changes: PlanChanges; readonly plan: PlanRow; readonly recordId: RecordId }> {
  const draft = new PlanDraft(tx.plans.slice(plan), await decideContext(tx, context));
  draft.plan.newestVersion = newestVersion;
  const recordId = draft.record(said.kind, said.body);
  const changes = draft.changes();
  return { changes, plan: changes.plan, recordId };
}
