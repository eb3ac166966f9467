// How REST's bodies become messages and messages its answers, without a server: times, values that are taken and that are not, nulls.
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ArtifactSchema } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import {
  CreateArtifactRequestSchema,
  CreateDisclosurePackRequestSchema,
  CreateRunRequestSchema,
  UpdateRunRequestSchema,
} from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ReleaseGateSchema } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { RunSchema, RunStatus } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import { GateMode } from "../../../gen/maestro/v1/charter_pb.ts";
import { readMessage } from "../../../src/transport/conductor/read.ts";
import type { FieldError } from "../../../src/transport/conductor/read.ts";
import { readTime, timeText } from "../../../src/transport/conductor/times.ts";
import { alsoBroken } from "../../../src/transport/conductor/violations.ts";
import { written } from "../../../src/transport/conductor/write.ts";
import { validate } from "../../../src/transport/validate.ts";

const again = (value: unknown): string | undefined => {
  const time = readTime(value);
  return time === undefined ? undefined : timeText(time);
};

describe("times", () => {
  test.each([
    ["2025-11-22T10:00:00Z", "2025-11-22T10:00:00Z"],
    ["2025-11-22T10:00:00", "2025-11-22T10:00:00Z"],
    ["2025-11-22 10:00", "2025-11-22T10:00:00Z"],
    ["2025-11-22T10:00:00.12+02:00", "2025-11-22T08:00:00.120Z"],
    ["2025-11-22T10:00:00-0530", "2025-11-22T15:30:00Z"],
    ["2024-02-29", "2024-02-29T00:00:00Z"],
    ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"],
    ["0001-01-01", "0001-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"],
    [1_763_805_600, "2025-11-22T10:00:00Z"],
    [1_763_805_600_500, "2025-11-22T10:00:00.500Z"],
    ["1763805600", "2025-11-22T10:00:00Z"],
  ])("%s is %s", (given, expected) => {
    expect(again(given)).toBe(expected);
  });

  test.each([
    "2025-02-29",
    "2025-13-01",
    "2025-11-22T24:00:00Z",
    "2025-11-22T10:00:60Z",
    "2025-11-22T10:00:00+24:00",
    "0000-01-01",
    "9999-12-31T23:59:59-01:00",
    "yesterday",
    "",
    Number.NaN,
    1e300,
    true,
    null,
    {},
  ])("%j is none", (given) => {
    expect(readTime(given)).toBeUndefined();
  });
});

const RUN = { name: "check", owner: "devops@example.com" };

function errorsOf(given: Readonly<Record<string, unknown>>): readonly FieldError[] {
  const errors: FieldError[] = [];
  const message = readMessage(CreateRunRequestSchema, given, ["body"], errors);
  return alsoBroken(CreateRunRequestSchema, message, errors, { within: "body", given });
}

describe("a body", () => {
  test("that is good is the message that the contract has for it", () => {
    const errors: FieldError[] = [];
    const given = {
      ...RUN,
      status: "running",
      cost_estimate: "10.5",
      related_entity_ids: ["a", "b"],
      metadata: { a: [1, { b: null }] },
      finished_at: null,
      nobody_knows: 1,
    };
    const message = readMessage(CreateRunRequestSchema, given, ["body"], errors);
    expect(errors).toEqual([]);
    expect(message).toEqual(
      create(CreateRunRequestSchema, {
        ...RUN,
        status: RunStatus.RUNNING,
        costEstimate: 10.5,
        relatedEntityIds: ["a", "b"],
        metadata: { a: [1, { b: null }] },
      }),
    );
  });

  test("of a change has what is to be changed, and only that", () => {
    const errors: FieldError[] = [];
    const given = { related_entity_ids: [], cost_actual: 8.5 };
    const message = readMessage(UpdateRunRequestSchema, given, ["body"], errors, { id: "run_x" });
    expect(errors).toEqual([]);
    expect(message).toEqual(
      create(UpdateRunRequestSchema, { id: "run_x", relatedEntityIds: { ids: [] }, costActual: 8.5 }),
    );
  });

  test("that lacks what is needed hears of all that is missing", () => {
    expect(errorsOf({}).map(({ loc, msg, type }) => ({ loc, msg, type }))).toEqual([
      { loc: ["body", "name"], msg: "Field required", type: "missing" },
      { loc: ["body", "owner"], msg: "Field required", type: "missing" },
    ]);
    const errors: FieldError[] = [];
    readMessage(CreateArtifactRequestSchema, {}, ["body"], errors);
    expect(errors.map(({ loc }) => loc[1])).toEqual(["run_id", "kind", "path_or_uri"]);
    errors.length = 0;
    readMessage(CreateDisclosurePackRequestSchema, {}, ["body"], errors);
    expect(errors.map(({ loc }) => loc[1])).toEqual(["run_id", "summary"]);
  });

  test.each<[string, unknown, string, string]>([
    ["name", 5, "string_type", "Input should be a valid string"],
    ["name", null, "string_type", "Input should be a valid string"],
    ["status", "done", "enum", "Input should be 'pending', 'running', 'succeeded', 'failed' or 'cancelled'"],
    ["status", "SUCCEEDED", "enum", "Input should be 'pending', 'running', 'succeeded', 'failed' or 'cancelled'"],
    ["cost_estimate", "much", "float_parsing", "Input should be a valid number, unable to parse string as a number"],
    ["cost_estimate", [], "float_type", "Input should be a valid number"],
    ["cost_estimate", "NaN", "finite_number", "Input should be a finite number"],
    ["cost_estimate", JSON.parse("1e999"), "finite_number", "Input should be a finite number"],
    ["cost_estimate", -1, "greater_than_equal", "Input should be greater than or equal to 0"],
    ["cost_estimate", 1e13, "less_than_equal", "Input should be less than or equal to 1000000000000"],
    ["related_entity_ids", "entity-1", "list_type", "Input should be a valid list"],
    ["metadata", [], "dict_type", "Input should be a valid dictionary"],
    [
      "started_at",
      "soon",
      "datetime_from_date_parsing",
      "Input should be a valid datetime or date, such as 2025-11-22T10:00:00Z",
    ],
    ["name", "", "string_too_short", "String should have at least 1 character"],
    ["owner", "x".repeat(256), "string_too_long", "String should have at most 255 bytes"],
  ])("whose %s is %j is wrong there", (field, value, type, msg) => {
    const found = errorsOf({ ...RUN, [field]: value });
    expect(found.map((error) => ({ loc: error.loc, type: error.type, msg: error.msg }))).toEqual([
      { loc: ["body", field], type, msg },
    ]);
  });

  test("that is wrong in shape and in value hears of both, with what was given", () => {
    expect(errorsOf({ name: 5, owner: "o", cost_estimate: -2 })).toEqual([
      { loc: ["body", "name"], type: "string_type", msg: "Input should be a valid string", input: 5 },
      {
        loc: ["body", "cost_estimate"],
        type: "greater_than_equal",
        msg: "Input should be greater than or equal to 0",
        input: -2,
        ctx: { ge: 0 },
      },
    ]);
  });

  test("names the place in a list, and no more than a hundred of them", () => {
    const [first, ...others] = errorsOf({ ...RUN, related_entity_ids: Array.from({ length: 500 }, () => 1) });
    expect(first?.loc).toEqual(["body", "related_entity_ids", 0]);
    expect(others).toHaveLength(99);
  });
});

describe("an object of whatever members", () => {
  const judge = (metadata: object): readonly string[] => {
    const message = create(CreateRunRequestSchema, { ...RUN, metadata: metadata as never });
    const judged = validate(CreateRunRequestSchema, message);
    return judged.ok ? [] : judged.refusal.violations.map(({ field, rule }) => `${field} ${rule}`);
  };

  test("is kept as it is, whatever its members are called", () => {
    const metadata = { fields: 3, kind: { case: "x" }, $typeName: "y" };
    expect(judge(metadata)).toEqual([]);
    expect(metadata).toEqual({ fields: 3, kind: { case: "x" }, $typeName: "y" });
  });

  test("is refused where no store or reader could hold it", () => {
    expect(judge({ a: "\0" })).toEqual(["metadata json"]);
    expect(judge({ a: ["\ud800"] })).toEqual(["metadata json"]);
    expect(judge({ "\0": 1 })).toEqual(["metadata json"]);
    expect(judge({ a: Number.POSITIVE_INFINITY })).toEqual(["metadata json"]);
    let deep: object = {};
    for (let i = 0; i < 100; i++) deep = { deep };
    expect(judge(deep)).toEqual(["metadata json"]);
    expect(judge(JSON.parse(`{"a":${"[".repeat(60_000)}${"]".repeat(60_000)}}`) as object)).toEqual(["metadata json"]);
  });
});

describe("an answer", () => {
  test("says null for what a run is without", () => {
    const run = create(RunSchema, { id: "run_1", name: "n", owner: "o", status: RunStatus.PENDING });
    expect(written(RunSchema, run)).toEqual({
      id: "run_1",
      name: "n",
      owner: "o",
      started_at: null,
      finished_at: null,
      status: "pending",
      cost_estimate: null,
      cost_actual: null,
      related_entity_ids: [],
      related_decision_ids: [],
      metadata: {},
      workflow_id: null,
      task_runs: [],
      plan_id: null,
      charter: null,
      created_at: null,
    });
    expect(written(ArtifactSchema, create(ArtifactSchema, { id: "art_1" }))).toMatchObject({
      content_hash: null,
      step: null,
      metadata_json: null,
    });
  });

  test("of a gate that believes the flags has four members, of one that verifies also mode and verdicts", () => {
    const gate = create(ReleaseGateSchema, {
      runId: "run_1",
      passed: true,
      message: "m",
      details: { totalArtifacts: 1, compliantArtifacts: 1, compliantArtifactIds: ["art_1"] },
      mode: GateMode.FLAGS,
      verdicts: [{ rule: "run.succeeded", state: 1 }],
    });
    expect(written(ReleaseGateSchema, gate)).toEqual({
      run_id: "run_1",
      passed: true,
      message: "m",
      details: { total_artifacts: 1, compliant_artifacts: 1, compliant_artifact_ids: ["art_1"] },
    });
    expect(written(ReleaseGateSchema, { ...gate, mode: GateMode.VERIFIED } as typeof gate)).toMatchObject({
      mode: "verified",
      verdicts: [{ rule: "run.succeeded", state: "passed", artifact_id: null, waiver_id: null, evidence: {} }],
    });
  });
});
