// Judges whether a run may be released, or whether a gate step of its plan would pass now. Changes nothing. Not here: the judging, see release-gate.ts.
import type { Operation, OperationContext } from "../engine/operation.ts";
import type { GateMode } from "../domain/charter.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Judgement } from "../domain/release/gate.ts";
import type { Run } from "../domain/run.ts";
import type { Tx } from "../store/ports/store.ts";
import { read } from "./done.ts";
import type { GateAsked, ReleaseGate } from "./release-gate.ts";
import type { RunName } from "./run-name.ts";
import { findStep } from "./with-plan.ts";

export interface GateCheckRequest {
  readonly run: RunName;
  /** As if the policy said so; null as it does. */
  readonly mode: GateMode | null;
  /** Key of a gate step of its plan; absent or empty for the run as a whole. */
  readonly step?: string;
}

export function gateCheck(gate: ReleaseGate): Operation<GateCheckRequest, Judgement> {
  return async (tx, { run: { id, text }, mode, step = "" }, context) => {
    const { principal, signal } = context;
    const [run] = id === null ? [] : await tx.runs.find(principal.orgId, [id]);
    if (run === undefined) return notFound("run", text);
    const asked = step === "" ? decided({ kind: "RUN" } as const) : await stepOf(tx, run, step, context);
    if (!asked.ok) return asked;
    const loaded = await gate.load(tx, run, mode === null ? asked.value : { ...asked.value, mode });
    if (!gate.readsEvidence(loaded)) return read(gate.judgeAtOnce(loaded));
    return decided({ later: async () => decided(await gate.judge(loaded, signal)) });
  };
}

/** Only what is a gate is judged as one. */
async function stepOf(tx: Tx, run: Run, key: string, context: OperationContext): Promise<Decision<GateAsked>> {
  if (run.planId === null) return notFound("gate step", key);
  const found = await findStep(tx, context, run.planId, key);
  if (!found.ok || found.value.definition.kind !== "gate") return notFound("gate step", key);
  return decided({ kind: "STEP", ordinal: found.value.row.ordinal });
}
