// Refusals as messages. Not here: wire codes, see transport/refusals.ts.
import type { PassedOver as WirePassedOver, Refusal as WireRefusal } from "../../../gen/maestro/v1/refusal_pb.ts";
import { ID_PREFIX } from "../../domain/id.ts";
import type { IdKind, RecordId } from "../../domain/id.ts";
import type { Refusal } from "../../domain/refusal.ts";
import { recordUri } from "../../engine/record.ts";
import type { PassedOver } from "../../operations/passed-over.ts";
import { typeidOf } from "../../support/typeid.ts";
import { optionalDuration } from "./time.ts";
import { lifters, refusalReasons, refusalStages } from "./words.ts";

/** Metadata that hold an id, with what it is the id of; `id` itself goes by its `kind`. */
const ID_NAMES: Readonly<Record<string, IdKind>> = {
  executor_id: "executor",
  approval_id: "approval",
  plan_id: "plan",
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function refusalToWire(decided: Refusal): WireRefusal {
  const refusal = withWireIds(decided);
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
    violations: refusal.violations.map(({ field, description, rule }) => ({
      $typeName: "maestro.v1.Violation",
      field,
      description,
      rule,
    })),
  };
}

/** Examples as the wire names them. */
export function passedOverToWire(
  { reason, state, count, examples, explanation }: PassedOver,
  name: (example: string) => string,
): WirePassedOver {
  return {
    $typeName: "maestro.v1.PassedOver",
    reason: refusalReasons.number(reason),
    state,
    count,
    examples: examples.map(name),
    explanation,
  };
}

/** Decisions speak of ids in the store's form; whoever reads them knows the wire's. */
function withWireIds(refusal: Refusal): Refusal {
  const { metadata } = refusal;
  let { explanation } = refusal;
  const named = Object.entries(metadata).map(([name, value]) => {
    const kind = name === "id" ? metadata["kind"] : ID_NAMES[name];
    if (kind === undefined || !Object.hasOwn(ID_PREFIX, kind) || !UUID.test(value)) return [name, value] as const;
    const typeid = typeidOf(ID_PREFIX[kind as IdKind], value);
    explanation = explanation.replaceAll(value, typeid);
    return [name, typeid] as const;
  });
  return { ...refusal, explanation, metadata: Object.fromEntries(named) };
}
