// Judging messages: in one go, or a slice a turn when they are long; with the same result. Not here: each rule of the contract.
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { RefineGoalRequestSchema } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { RefineGoalRequest } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { validate, validateInSlices } from "../../src/transport/validate.ts";

function request(count: number, wrong: readonly number[] = []): RefineGoalRequest {
  return create(RefineGoalRequestSchema, {
    target: { case: "newGoal", value: { charter: "c", spec: { labels: { b: "2", a: "1" } } } },
    steps: Array.from({ length: count }, (_, i) => ({
      key: wrong.includes(i) ? "" : `s${i}`,
      kind: { case: "work" as const, value: { capability: "x", executorLabels: { b: "2", a: "1" } } },
    })),
  });
}

/** Turns of the event loop that others got meanwhile. */
async function turns(work: () => unknown): Promise<number> {
  let count = 0;
  let over = false;
  const tick = (): void => {
    count += 1;
    if (!over) setImmediate(tick);
  };
  setImmediate(tick);
  await work();
  over = true;
  return count;
}

test("two thousand steps let others have their turns in between", async () => {
  expect(await turns(() => validateInSlices(RefineGoalRequestSchema, request(2_000)))).toBeGreaterThan(20);
  expect(await turns(() => validateInSlices(RefineGoalRequestSchema, request(10)))).toBeLessThan(2);
});

test.each([[[]], [[3]], [[3, 70, 199]]])("slices find what one go finds: %j", async (wrong) => {
  expect(await validateInSlices(RefineGoalRequestSchema, request(200, wrong))).toEqual(
    validate(RefineGoalRequestSchema, request(200, wrong)),
  );
});

test("maps are put in order in every slice", async () => {
  const judged = await validateInSlices(RefineGoalRequestSchema, request(200));
  if (!judged.ok) throw new Error("refused");
  const { target, steps } = judged.value;
  expect(Object.keys((target.value as { spec: { labels: object } }).spec.labels)).toEqual(["a", "b"]);
  for (const { kind } of steps)
    expect(Object.keys(kind.case === "work" ? kind.value.executorLabels : {})).toEqual(["a", "b"]);
});

test("a list that is too long is not looked into", async () => {
  const judged = await validateInSlices(RefineGoalRequestSchema, request(2_001, [0]));
  expect(judged).toMatchObject({
    ok: false,
    refusal: { violations: [{ field: "steps", rule: "repeated.max_items" }] },
  });
  expect(validate(RefineGoalRequestSchema, request(2_001, [0]))).toEqual(judged);
});
