// What REST says otherwise than the messages do: which texts are null when they are empty, what is left out, which lists are bare.
// Read by the writer, by the reader and by the OpenAPI document alike.
import { getOption, hasOption } from "@bufbuild/protobuf";
import type { DescEnum, DescField } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** Texts of which an empty one says that there is none, by message. */
const NULL_WHEN_EMPTY: Readonly<Record<string, readonly string[]>> = {
  "maestro.conductor.v1.Run": ["workflow_id", "plan_id", "charter"],
  "maestro.conductor.v1.Artifact": ["content_hash", "step"],
  "maestro.conductor.v1.Verdict": ["artifact_id", "waiver_id"],
  "maestro.conductor.v1.Waiver": ["artifact_id", "revoked_by"],
};

/** What is there only where it applies. */
const ABSENT_WHEN_EMPTY: Readonly<Record<string, readonly string[]>> = {
  "maestro.conductor.v1.GateDetails": ["current_status", "required_status", "failed_rules"],
  "maestro.conductor.v1.WorkflowTask": ["input"],
};

/** A list in a message of its own, so that it can be absent; here it is only the list. */
export const BARE_LIST = "maestro.conductor.v1.IdList";
export const STRUCT = "google.protobuf.Struct";
export const TIMESTAMP = "google.protobuf.Timestamp";

export function isNullWhenEmpty(field: DescField): boolean {
  return NULL_WHEN_EMPTY[field.parent.typeName]?.includes(field.name) ?? false;
}

export function isAbsentWhenEmpty(field: DescField): boolean {
  return ABSENT_WHEN_EMPTY[field.parent.typeName]?.includes(field.name) ?? false;
}

/** A word of an enum, such as `succeeded`; empty for the one that is never sent. */
export function enumWord(desc: DescEnum, number: number): string {
  return number === 0 ? "" : (desc.value[number]?.localName.toLowerCase() ?? "");
}

export function enumWords(desc: DescEnum): readonly string[] {
  return desc.values.filter(({ number }) => number !== 0).map(({ number }) => enumWord(desc, number));
}

export function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
}

/** Whether a body must have it: its rules refuse what it is when it is absent. */
export function isRequired(field: DescField): boolean {
  const rules = rulesOf(field);
  if (rules === undefined) return false;
  if (rules.required) return true;
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT && field.fieldKind !== "list") return false;
  const { type } = rules;
  switch (type.case) {
    case "string":
      return type.value.minLen > 0n;
    case "enum":
      return type.value.notIn.includes(0);
    case "repeated":
      return type.value.minItems > 0n;
    default:
      return false;
  }
}
