// Whole numbers that a caller may send: every one fits a number of this runtime, or is refused by its field's name.
import { create, createRegistry } from "@bufbuild/protobuf";
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType, getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";
import { AttachRequestSchema, file_maestro_v1_dispatch_service } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { OutcomeSchema } from "../../gen/maestro/v1/dispatch_pb.ts";
import { file_maestro_v1_approval_service } from "../../gen/maestro/v1/approval_service_pb.ts";
import { file_maestro_v1_charter_service } from "../../gen/maestro/v1/charter_service_pb.ts";
import { file_maestro_v1_executor_service } from "../../gen/maestro/v1/executor_service_pb.ts";
import { file_maestro_v1_goal_service } from "../../gen/maestro/v1/goal_service_pb.ts";
import { file_maestro_v1_graph_service } from "../../gen/maestro/v1/graph_service_pb.ts";
import { file_maestro_v1_identity_service } from "../../gen/maestro/v1/identity_service_pb.ts";
import { file_maestro_v1_maestro_service } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { WatchPlanRequestSchema, file_maestro_v1_plan_service } from "../../gen/maestro/v1/plan_service_pb.ts";
import { file_maestro_v1_step_service } from "../../gen/maestro/v1/step_service_pb.ts";
import { validate } from "../../src/transport/validate.ts";

const MOST = 9_223_372_036_854_775_807n;
const files = [
  file_maestro_v1_approval_service,
  file_maestro_v1_charter_service,
  file_maestro_v1_dispatch_service,
  file_maestro_v1_executor_service,
  file_maestro_v1_goal_service,
  file_maestro_v1_graph_service,
  file_maestro_v1_identity_service,
  file_maestro_v1_maestro_service,
  file_maestro_v1_plan_service,
  file_maestro_v1_step_service,
];

/** Messages that a request may hold, itself included. */
function sent(): ReadonlySet<DescMessage> {
  const inputs = [...createRegistry(...files)].flatMap((type) =>
    type.kind === "service" ? type.methods.map((method) => method.input) : [],
  );
  const found = new Set<DescMessage>(inputs);
  // A set grows while it is walked over.
  for (const { fields } of found)
    for (const { message } of fields) if (message?.typeName.startsWith("maestro.v1.") === true) found.add(message);
  return found;
}

function bounded(field: DescField): boolean {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules).type : undefined;
  if (rules?.case !== "int64") return false;
  const { lessThan, greaterThan } = rules.value;
  return (
    lessThan.case === "lte" &&
    lessThan.value === BigInt(Number.MAX_SAFE_INTEGER) &&
    greaterThan.case === "gte" &&
    greaterThan.value >= 0n
  );
}

test("every long number of a request has bounds that keep its digits", () => {
  const long = [...sent()].flatMap((type) => type.fields.filter((field) => field.scalar === ScalarType.INT64));
  expect(long.length).toBeGreaterThan(10);
  expect(long.filter((field) => !bounded(field)).map((field) => `${field.parent.typeName}.${field.name}`)).toEqual([]);
});

test("numbers beyond are refused by name", () => {
  const planId = "plan_01h455vb4pex5vsknk084sn02q";
  const lease = { planId, step: "a", ordinal: 1, fencing: MOST };
  expect(validate(WatchPlanRequestSchema, create(WatchPlanRequestSchema, { planId, after: MOST }))).toMatchObject({
    ok: false,
    refusal: { reason: "INVALID_REQUEST", violations: [{ field: "after" }] },
  });
  const outcome = create(OutcomeSchema, { lease, result: { case: "success", value: {} } });
  expect(validate(OutcomeSchema, outcome)).toMatchObject({
    ok: false,
    refusal: { violations: [{ field: "lease.fencing" }] },
  });
  const hello = create(AttachRequestSchema, {
    number: 1n,
    message: { case: "hello", value: { held: [lease] } },
  });
  const judged = validate(AttachRequestSchema, hello);
  if (judged.ok) throw new Error("accepted");
  expect(judged.refusal.violations.map((v) => v.field)).toContain("hello.held[0].fencing");
});
