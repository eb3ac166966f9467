// Tells of a run of work done elsewhere. Calls go together; each leaves one record. Not here: runs that are plans.
import type { GroupOperation } from "../engine/operation.ts";
import type { Charter } from "../domain/charter.ts";
import type { OrgId, RunId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { newRun } from "../domain/run.ts";
import type { Run, RunDraft } from "../domain/run.ts";
import type { Tx } from "../store/ports/store.ts";
import { journaled } from "./done.ts";
import { runRecordWords } from "./run-record.ts";

export interface RunCreateRequest {
  readonly draft: RunDraft;
  /** Name or id of the charter whose policy judges it; empty for none. */
  readonly charter: string;
}

export const runCreate: GroupOperation<RunCreateRequest, Run> = async (tx, calls) => {
  const [first] = calls;
  if (first === undefined) return [];
  const { orgId } = first.context.principal;
  const charters = await chartersOf(
    tx,
    orgId,
    calls.map(({ request }) => request.charter),
  );
  const createdMs = await tx.nowMs();
  const runs: Run[] = [];
  const decisions = calls.map(({ request: { draft, charter }, context: { principal, ids } }) => {
    const under = charters.get(charter);
    if (charter !== "" && under === undefined) return notFound("charter", charter);
    const decision = newRun(draft, {
      orgId,
      runId: ids.uuid() as RunId,
      charter: under?.name ?? null,
      createdMs,
      createdBy: principal.name,
    });
    if (!decision.ok) return decision;
    const run = decision.value;
    runs.push(run);
    return journaled(run, { kind: "conductor.run.create", actor: principal.name, body: runRecordWords(run) });
  });
  await tx.runs.add(runs);
  return decisions;
};

/** Asked for all at once: the store answers in order, and nobody waits for each. */
async function chartersOf(tx: Tx, orgId: OrgId, names: readonly string[]): Promise<ReadonlyMap<string, Charter>> {
  const named = [...new Set(names)].filter((name) => name !== "");
  const charters = await Promise.all(named.map((name) => tx.charters.find(orgId, name)));
  return new Map(named.flatMap((name, i) => (charters[i] === undefined ? [] : [[name, charters[i]]])));
}
