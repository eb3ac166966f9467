// `maestro gate`: whether a run may be released, rule by rule, and an exit code that says it. Not here: the rules.
import {
  ReleaseGateSchema,
  VerdictState,
  VerdictStateSchema,
} from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import type { ReleaseGate, Verdict } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { GateModeSchema } from "../../../gen/maestro/v1/charter_pb.ts";
import { jsonAnswer } from "../context.ts";
import type { Context } from "../context.ts";
import { CommandEnd, GATE_CLOSED } from "../io.ts";
import { facts, table } from "../table.ts";
import { runIdOf } from "../target.ts";
import { valueOf, word } from "../words.ts";

export interface GateFlags {
  /** As if the policy said so. */
  readonly mode?: string;
  /** A gate step of its plan; the run as a whole unless given. */
  readonly step?: string;
}

/** What has to be seen to comes first. */
const ORDER = [VerdictState.FAILED, VerdictState.WAIVED, VerdictState.PASSED, VerdictState.NOT_APPLICABLE] as const;

export async function gate(
  named: string,
  { mode = "", step = "" }: GateFlags,
  { io, json, withClient }: Context,
): Promise<void> {
  await withClient(async (client) => {
    const id = await runIdOf(client, named, io.signal);
    const request = { id, mode: valueOf(GateModeSchema, mode) ?? 0, step };
    const { gate: judged } = await client.conductor.checkReleaseGate(request, { signal: io.signal });
    if (judged === undefined) throw new Error("the server shows no gate");
    io.out(json ? jsonAnswer(ReleaseGateSchema, judged) : `${gateText(judged, io.columns)}\n`);
    // People have read it above.
    if (!judged.passed) throw new CommandEnd(GATE_CLOSED, json ? judged.message : "");
  });
}

function gateText({ runId, passed, message, mode, details, verdicts }: ReleaseGate, columns: number): string {
  const head = facts([
    ["run", runId],
    ["gate", passed ? "passes" : "does not pass"],
    ["why", message],
    ["mode", word(GateModeSchema, mode)],
    ["artifacts", String(details?.totalArtifacts ?? 0)],
    ["failed rules", details?.failedRules.join(", ") ?? ""],
  ]);
  if (verdicts.length === 0) return head;
  const rows = ORDER.flatMap((state) => verdicts.filter((verdict) => verdict.state === state).map(rowOf));
  return `${head}\n\n${table(["RULE", "VERDICT", "ARTIFACT", "WAIVER", "WHY"], rows, columns)}`;
}

function rowOf({ rule, state, artifactId, waiverId, explanation }: Verdict): string[] {
  return [rule, word(VerdictStateSchema, state), artifactId, waiverId, explanation];
}
