// Performs a leased gate step: the same judgement as a preview's, as the step's outcome. Not here: the rules, see domain/release;
// leases and who reports, see dispatch/gates.ts.
import { digestOf } from "../domain/canonical.ts";
import { runOfPlan } from "../domain/id.ts";
import type { OrgId } from "../domain/id.ts";
import type { LeaseRef, OutcomeResult } from "../domain/outcome.ts";
import { RefusedError } from "../domain/refusal.ts";
import type { Judgement, VerdictState } from "../domain/release/gate.ts";
import { CommitUnknownError, StoreUnavailableError } from "../store/ports/store.ts";
import type { Store } from "../store/ports/store.ts";
import { pause } from "../support/timers.ts";
import type { Timers } from "../support/timers.ts";
import { idWord, verdictWords } from "./pack-words.ts";
import type { LoadedGate, ReleaseGate } from "./release-gate.ts";

export interface GateToPerform {
  readonly orgId: OrgId;
  readonly lease: LeaseRef;
}

/** Wait before something that passes is asked for again; the lease's time ends it. */
const AGAIN_MS = 1_000;
/** Characters of verdicts that are told, of the failed ones first: outputs and details of failures are bounded. */
const TOLD = 40_000;

/** Trouble that passes is waited for, as long as the lease stands; `signal` says that it does not any more. */
export function gatePerform(
  store: Pick<Store, "transaction">,
  gate: Pick<ReleaseGate, "load" | "judge">,
  timers: Timers,
): (wanted: GateToPerform, signal: AbortSignal) => Promise<OutcomeResult> {
  return async (wanted, signal) => {
    for (;;) {
      try {
        const loaded = await load(store, gate, wanted, signal);
        return resultOf(await gate.judge(loaded, signal));
      } catch (error) {
        if (signal.aborted || !passes(error)) throw error;
      }
      await pause(timers, AGAIN_MS);
    }
  };
}

async function load(
  store: Pick<Store, "transaction">,
  gate: Pick<ReleaseGate, "load">,
  { orgId, lease }: GateToPerform,
  signal: AbortSignal,
): Promise<LoadedGate> {
  const options = { readOnly: true, oneMoment: true, inTurn: true, signal };
  return store.transaction(
    [orgId],
    async (tx) => {
      const [run] = await tx.runs.find(orgId, [runOfPlan(lease.planId)]);
      if (run === undefined) throw new Error(`the plan ${lease.planId} has no run`);
      return gate.load(tx, run, { kind: "STEP", ordinal: lease.ordinal });
    },
    options,
  );
}

function passes(error: unknown): boolean {
  if (error instanceof RefusedError) return error.refusal.retryable;
  return error instanceof StoreUnavailableError || error instanceof CommitUnknownError;
}

function resultOf(judgement: Judgement): OutcomeResult {
  const told = toldOf(judgement);
  if (judgement.passed) {
    const outputs = { kind: "json" as const, text: JSON.stringify(told) };
    return { kind: "success", outputs, outputsDigest: digestOf(told) };
  }
  const rules = judgement.details.failedRules;
  return {
    kind: "failure",
    // It may pass another time: retries judge again.
    failure: {
      errorClass: "TRANSIENT",
      message: `${judgement.message}; failed: ${rules.join(", ")}`,
      details: JSON.stringify(told),
    },
  };
}

const FIRST: Readonly<Record<VerdictState, number>> = { FAILED: 0, WAIVED: 1, PASSED: 2, NOT_APPLICABLE: 3 };

/** As clients of the REST know it, with as many verdicts as there is room for. */
function toldOf({ runId, passed, message, mode, details, verdicts }: Judgement): Readonly<Record<string, unknown>> {
  const told: unknown[] = [];
  let room = TOLD;
  for (const verdict of verdicts.toSorted((a, b) => FIRST[a.state] - FIRST[b.state])) {
    const one = verdictWords(verdict);
    room -= JSON.stringify(one).length;
    if (room < 0) break;
    told.push(one);
  }
  return {
    run_id: idWord("run", runId),
    passed,
    message,
    mode: mode.toLowerCase(),
    details: {
      total_artifacts: details.totalArtifacts,
      compliant_artifacts: details.compliantArtifacts,
      failed_rules: details.failedRules,
    },
    verdicts: told,
    verdicts_left_out: verdicts.length - told.length,
  };
}
