// `maestro cancel`, `suspend`, `resume`, `retry`, `hold`, `release` and `skip`: what an operator does to plans and their steps.
// Not here: what each means to a plan, see test/operations.
import { afterAll, beforeAll, expect, test } from "vitest";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("verbs-shell");
});
afterAll(() => stage.close());

const steps = async (planId: string, step: string) => (await stage.client.steps.getStep({ planId, step })).step?.state;
const state = async (planId: string) => (await stage.client.plans.getPlan({ planId })).plan?.state;

test("a plan is suspended, resumed and cancelled by its goal's name, with a reason that is kept", async () => {
  const planId = await stage.begin("named", "  smelt: { capability: smelting }\n");
  expect(await stage.here("suspend", "named", "--reason", "lunch")).toEqual({
    code: 0,
    out: `${planId} is SUSPENDED\n`,
    err: "",
  });
  expect((await stage.here("explain", "named")).out).toMatch(/SUSPENDED/);
  const resumed = await stage.here("--json", "resume", planId);
  expect(JSON.parse(resumed.out)).toMatchObject({ plan_id: planId, state: "PLAN_STATE_ACTIVE" });
  expect(await stage.here("--quiet", "cancel", "named", "--reason", "wrong branch")).toEqual({
    code: 0,
    out: "",
    err: "",
  });
  expect((await stage.client.plans.getPlan({ planId })).plan).toMatchObject({
    state: PlanState.CANCELLED,
    reason: expect.stringContaining("wrong branch") as unknown,
  });

  const again = await stage.here("suspend", planId);
  expect(again.err).toMatch(/^maestro: refused: STATE_CONFLICT — .*\n(.*\n)* {2}decided by: .*; can be lifted by: /);
  expect([again.code, again.out]).toEqual([1, ""]);
});

test("what is done is undone by --compensate, and left by --no-compensate", async () => {
  const both = (name: string): string => `  made:
    capability: shell
    input: { run: echo made }
    compensation: { capability: shell, input: { run: "echo undone > ${name}" } }
  never: { capability: smelting, needs: [made] }
`;
  const [undo, keep] = await Promise.all(["undo", "keep"].map((name) => stage.begin(name, both(name))));
  for (const planId of [undo ?? "", keep ?? ""])
    await expect.poll(() => steps(planId, "made"), { timeout: 15_000 }).toBe(StepState.SUCCEEDED);
  expect((await stage.here("cancel", "undo", "--compensate")).out).toBe(`${undo ?? ""} is COMPENSATING\n`);
  expect((await stage.here("cancel", "keep", "--no-compensate")).out).toBe(`${keep ?? ""} is CANCELLED\n`);
  await expect.poll(() => state(undo ?? ""), { timeout: 15_000 }).toBe(PlanState.CANCELLED);
  expect(await steps(undo ?? "", "made")).toBe(StepState.COMPENSATED);
  expect(await steps(keep ?? "", "made")).toBe(StepState.SUCCEEDED);
});

test("a step is held, released, skipped, and retried when it failed", async () => {
  const planId = await stage.begin(
    "steps",
    `  smelt: { capability: smelting }
  after: { capability: shell, needs: [smelt], input: { run: "true" } }
  flaky: { capability: shell, input: { run: "test -e mended" }, on_failure: carry_on }
`,
  );
  expect((await stage.here("hold", "steps", "smelt")).out).toBe(`smelt of ${planId} is WAITING, held\n`);
  expect((await stage.here("explain", "steps", "smelt")).out).toMatch(/HELD/);
  // One that could not begin yet looks like any other that waits.
  expect((await stage.here("hold", "steps", "after")).out).toBe(`after of ${planId} is PENDING, held\n`);
  expect((await stage.here("explain", "steps", "after")).out).toMatch(/^after  PENDING  HELD: .* waits for smelt\.$/m);
  const shown = (await stage.here("plans", "steps")).out;
  expect(shown).toMatch(/^after +PENDING, held /m);
  expect(shown).toMatch(/^smelt +WAITING, held /m);
  await stage.here("release", "steps", "after");
  expect(JSON.parse((await stage.here("--json", "release", planId, "smelt")).out)).toMatchObject({
    key: "smelt",
    state: "STEP_STATE_READY",
  });
  await expect.poll(() => steps(planId, "flaky"), { timeout: 15_000 }).toBe(StepState.FAILED);
  const retried = await stage.here("retry", planId, "flaky", "--reason", "mended");
  expect(retried).toMatchObject({ code: 0, err: "" });
  expect(retried.out).toMatch(new RegExp(`^flaky of ${planId} is (READY|LEASED)\n$`));
  expect(await stage.here("--quiet", "skip", "steps", "smelt")).toEqual({ code: 0, out: "", err: "" });
  expect(await steps(planId, "after")).toBe(StepState.SKIPPED);
});

test.each([
  [["hold", "plan_00000000000000000000000000", "x"], 1, /^maestro: refused: NOT_FOUND — /],
  [["retry", "nothing", "x"], 1, /^maestro: "nothing" is no plan id/],
  [["skip", "nothing"], 2, /missing required argument 'step'/],
  [["cancel", "nothing", "--undo"], 2, /unknown option '--undo'/],
])("%j ends with %i", async (args, exit, said) => {
  const { code, out, err } = await stage.here(...args);
  expect(err).toMatch(said);
  expect([code, out]).toEqual([exit, ""]);
});

test("a step that is not in the plan is told", async () => {
  const planId = await stage.begin("sole", "  smelt: { capability: smelting }\n");
  expect((await stage.here("hold", planId, "melt")).err).toMatch(/^maestro: refused: NOT_FOUND — .*melt/);
});
