// Judges whether a run may be released: what a gate in its plan would say. Changes nothing. Not here: the judging, see release-gate.ts.
import type { Operation } from "../engine/operation.ts";
import type { GateMode } from "../domain/charter.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { Judgement } from "../domain/release/gate.ts";
import { read } from "./done.ts";
import { WHOLE_RUN } from "./release-gate.ts";
import type { ReleaseGate } from "./release-gate.ts";
import type { RunName } from "./run-name.ts";

export interface GateCheckRequest {
  readonly run: RunName;
  /** As if the policy said so; null as it does. */
  readonly mode: GateMode | null;
}

export function gateCheck(gate: ReleaseGate): Operation<GateCheckRequest, Judgement> {
  return async (tx, { run: { id, text }, mode }, { principal: { orgId }, signal }) => {
    const [run] = id === null ? [] : await tx.runs.find(orgId, [id]);
    if (run === undefined) return notFound("run", text);
    const loaded = await gate.load(tx, run, mode === null ? WHOLE_RUN : { kind: "RUN", mode });
    if (!gate.readsEvidence(loaded)) return read(gate.judgeAtOnce(loaded));
    return decided({ later: async () => decided(await gate.judge(loaded, signal)) });
  };
}
