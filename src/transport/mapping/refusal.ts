// Refusals as messages. Not here: wire codes, see transport/refusals.ts.
import type { Refusal as WireRefusal } from "../../../gen/maestro/v1/refusal_pb.ts";
import type { RecordId } from "../../domain/id.ts";
import type { Refusal } from "../../domain/refusal.ts";
import { recordUri } from "../../engine/record.ts";
import { optionalDuration } from "./time.ts";
import { lifters, refusalReasons, refusalStages } from "./words.ts";

export function refusalToWire(refusal: Refusal): WireRefusal {
  const uri = refusal.recordUri ?? "";
  return {
    $typeName: "maestro.v1.Refusal",
    reason: refusalReasons.number(refusal.reason),
    stage: refusalStages.number(refusal.stage),
    rule: refusal.rule,
    explanation: refusal.explanation,
    metadata: { ...refusal.metadata },
    remedy: refusal.remedy,
    lifter: lifters.number(refusal.lifter),
    retryable: refusal.retryable,
    retryAfter: optionalDuration(refusal.retryAfterMs ?? null),
    // Decisions name a record by its id; only here does it get its address.
    recordUri: uri === "" || uri.includes(":") ? uri : recordUri(uri as RecordId),
    violations: refusal.violations.map(({ field, description, rule }) => ({ $typeName: "maestro.v1.Violation", field, description, rule })),
  };
}
