// What the quick test calls good, the validator calls good as well: over random messages of every type of the contract.
import { create, createRegistry, fromJson } from "@bufbuild/protobuf";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import { describe, expect, test } from "vitest";
import { file_maestro_v1_dispatch_service } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { BudgetSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import { OutcomeSchema } from "../../gen/maestro/v1/dispatch_pb.ts";
import { file_maestro_v1_graph_service } from "../../gen/maestro/v1/graph_service_pb.ts";
import { file_maestro_v1_identity_service } from "../../gen/maestro/v1/identity_service_pb.ts";
import { PlanRequestSchema, file_maestro_v1_maestro_service } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { file_maestro_v1_plan_service } from "../../gen/maestro/v1/plan_service_pb.ts";
import { file_maestro_v1_step_service } from "../../gen/maestro/v1/step_service_pb.ts";
import { isPlainlyValid } from "../../src/transport/plain-rules.ts";

const validator = createValidator();
const files = [
  file_maestro_v1_dispatch_service,
  file_maestro_v1_graph_service,
  file_maestro_v1_identity_service,
  file_maestro_v1_maestro_service,
  file_maestro_v1_plan_service,
  file_maestro_v1_step_service,
];
const types = [...createRegistry(...files)].flatMap((type) =>
  type.kind === "message" && type.typeName.startsWith("maestro.v1.") ? [type] : [],
);

/** A small generator with a seed: a failure can be looked at again. */
function dice(seed: number): (most: number) => number {
  let state = seed;
  return (most) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
}

const LENGTHS = [0, 1, 2, 63, 64, 65, 127, 128, 129, 255, 256, 4_096, 4_097];
const NUMBERS = [0, 1, -1, 2, 100, 101, 1_000, 4_096, 4_097, 2_147_483_647, -2_147_483_648];
const BIG = [0n, 1n, -1n, 315_360_000n, 9_007_199_254_740_991n, 9_007_199_254_740_992n, -9_223_372_036_854_775_808n];
const REALS = [0, 1, 0.5, -0.5, 1.000_001, 1e300, Number.NaN, Number.POSITIVE_INFINITY];

function scalar(type: ScalarType, roll: (most: number) => number): unknown {
  switch (type) {
    case ScalarType.STRING:
      return ["a", "é", "😀", "USD"][roll(4)]?.repeat(LENGTHS[roll(roll(8) === 0 ? LENGTHS.length : 4)] ?? 0);
    case ScalarType.BYTES:
      return new Uint8Array(LENGTHS[roll(4)] ?? 0);
    case ScalarType.BOOL:
      return roll(2) === 0;
    case ScalarType.INT64:
      return BIG[roll(BIG.length)];
    case ScalarType.DOUBLE:
      return REALS[roll(REALS.length)];
    default:
      return NUMBERS[roll(NUMBERS.length)];
  }
}

function messageOf(schema: DescMessage, roll: (most: number) => number, depth: number): Message {
  if (schema.typeName === DurationSchema.typeName)
    return create(DurationSchema, {
      seconds: BIG[roll(BIG.length)] ?? 0n,
      nanos: [0, 1, -1, 999_999_999][roll(4)] ?? 0,
    });
  const init: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (roll(4) === 0) continue;
    const value = fieldOf(field, roll, depth);
    if (value === undefined) continue;
    if (field.oneof === undefined) init[field.localName] = value;
    else init[field.oneof.localName] = { case: field.localName, value };
  }
  return create(schema, init);
}

function fieldOf(field: DescField, roll: (most: number) => number, depth: number): unknown {
  const nested = (schema: DescMessage): unknown => (depth > 3 ? undefined : messageOf(schema, roll, depth + 1));
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.scalar, roll);
    case "enum":
      return [0, 1, 2, 99][roll(4)];
    case "message":
      return nested(field.message);
    case "list": {
      const one = (): unknown =>
        field.listKind === "message"
          ? nested(field.message)
          : field.listKind === "enum"
            ? 1
            : scalar(field.scalar, roll);
      return Array.from({ length: [0, 1, 2, 101][roll(roll(6) === 0 ? 4 : 3)] ?? 0 }, one).filter(
        (v) => v !== undefined,
      );
    }
    case "map": {
      const one = (): unknown =>
        field.mapKind === "message" ? nested(field.message) : field.mapKind === "enum" ? 1 : scalar(field.scalar, roll);
      const entries = Array.from({ length: [0, 1, 65][roll(roll(6) === 0 ? 3 : 2)] ?? 0 }, (_, i) => [
        `k${String(i)}`,
        one(),
      ]);
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as unknown;
    }
  }
}

test("the contract has types to judge", () => {
  expect(types.length).toBeGreaterThan(90);
});

test("a message that is called good is good", () => {
  let good = 0;
  for (const [i, type] of types.entries()) {
    for (let seed = 0; seed < 100; seed++) {
      const message = messageOf(type, dice(i * 1_000 + seed + 1), 0);
      if (!isPlainlyValid(type, message)) continue;
      good += 1;
      const judged = validator.validate(type, message);
      expect(judged.kind, `${type.typeName}, seed ${String(seed)}: ${String(judged.error)}`).toBe("valid");
    }
  }
  expect(good).toBeGreaterThan(1_000);
});

describe("the usual messages are called good at once", () => {
  test("an outcome", () => {
    const outcome = fromJson(OutcomeSchema, {
      lease: { planId: "plan_01h455vb4pex5vsknk084sn02q", step: "build", ordinal: 1, fencing: "1099511627777" },
      success: { outputs: { json: '{"ok":true}' } },
      usage: { tokens: "5", wall: "1.5s" },
      startedAt: "2026-01-01T00:00:00Z",
    });
    expect(isPlainlyValid(OutcomeSchema, outcome)).toBe(true);
    expect(isPlainlyValid(OutcomeSchema, create(OutcomeSchema, { ...outcome, lease: undefined }))).toBe(false);
  });

  test("a plan", () => {
    const plan = fromJson(PlanRequestSchema, {
      newGoal: { charter: "release", spec: { name: "pack", constraints: { deadline: "600s" } } },
      steps: [
        {
          key: "build",
          work: { capability: "shell" },
          input: { json: "{}" },
          timeout: "60s",
          retry: { maxAttempts: 3, initialBackoff: "1s" },
        },
      ],
    });
    expect(isPlainlyValid(PlanRequestSchema, plan)).toBe(true);
  });

  test.each([
    ["EUR", true],
    ["", true],
    ["eur", false],
    ["EURO", false],
    ["EUR\n", false],
  ])("a budget in %j: %s", (currency, good) => {
    const budget = fromJson(BudgetSchema, { currency, moneyMicros: "5000000" });
    expect(isPlainlyValid(BudgetSchema, budget)).toBe(good);
    expect(validator.validate(BudgetSchema, budget).kind).toBe(good ? "valid" : "invalid");
  });
});
