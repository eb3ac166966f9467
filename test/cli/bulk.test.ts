// `maestro rerun` and `resolve`, and verbs on many plans or steps at once. Not here: what they mean to a plan, see
// test/operations.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import { Stage, planIn } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("bulk-shell");
});
afterAll(() => stage.close());

const step = async (planId: string, key: string) => (await stage.client.steps.getStep({ planId, step: key })).step;
const state = async (planId: string) => (await stage.client.plans.getPlan({ planId })).plan?.state;

/** A plan that nobody can perform, of a goal with that label. */
async function labelled(name: string, team: string): Promise<string> {
  const path = join(stage.folder, `${name}.yaml`);
  writeFileSync(
    path,
    `charter: { name: bulk }\ngoal: { name: ${name}, labels: { team: ${team} } }\nsteps:\n  smelt: { capability: smelting }\n`,
  );
  return planIn((await stage.here("apply", path, "--detach")).out);
}

test("plans of the goals that flags name are counted, suspended, resumed and cancelled", async () => {
  const mine = [await labelled("one", "core"), await labelled("two", "core")];
  const other = await labelled("three", "edge");
  const dry = await stage.here("suspend", "--label", "team=core", "--dry-run");
  expect(dry.out.split("\n").slice(0, 2).sort()).toEqual([...mine].sort());
  expect(dry.out).toMatch(/\nsuspend: 2 plans, had it not been a dry run\n$/);
  expect(await state(mine[0] ?? "")).toBe(PlanState.ACTIVE);

  expect((await stage.here("suspend", "--label", "team=core")).out).toMatch(/\nsuspend: 2 plans\n$/);
  expect(await Promise.all([...mine, other].map(state))).toEqual([
    PlanState.SUSPENDED,
    PlanState.SUSPENDED,
    PlanState.ACTIVE,
  ]);
  expect((await stage.here("suspend", "--label", "team=core")).out).toMatch(
    /^suspend: 0 plans\npassed over: 2 \(plan_\w+, plan_\w+\) — A plan that is SUSPENDED cannot be suspended\.\n$/,
  );
  const resumed = await stage.here("--json", "resume", "--filter", 'name == "one"', "--charter", "bulk");
  expect(JSON.parse(resumed.out)).toMatchObject({ matched: 1, plan_ids: [mine[0]] });
  expect(await stage.here("--quiet", "cancel", "--charter", "bulk")).toEqual({ code: 0, out: "", err: "" });
  expect(await Promise.all([...mine, other].map(state))).toEqual(Array(3).fill(PlanState.CANCELLED));
});

test("steps are held, released and skipped by a pattern and their state", async () => {
  const planId = await stage.begin(
    "pattern",
    ["build-a", "build-b", "test-a"].map((key) => `  ${key}: { capability: smelting }\n`).join(""),
  );
  expect((await stage.here("hold", "pattern", "build-*", "--dry-run")).out).toBe(
    "build-a\nbuild-b\nhold: 2 steps, had it not been a dry run\n",
  );
  expect((await stage.here("hold", "pattern", "build-?")).out).toBe("build-a\nbuild-b\nhold: 2 steps\n");
  expect((await stage.here("hold", "pattern", "build-?")).out).toBe(
    "hold: 0 steps\npassed over: 2 (build-a, build-b) — A step that is WAITING and held already cannot be held back.\n",
  );
  const released = await stage.here("--json", "release", planId, "*", "--state", "waiting");
  expect(JSON.parse(released.out)).toMatchObject({ matched: 2, steps: ["build-a", "build-b"] });
  expect((await stage.here("skip", planId, "*-a")).out).toBe("build-a\ntest-a\nskip: 2 steps\n");
  expect((await step(planId, "test-a"))?.state).toBe(StepState.SKIPPED);
  expect((await stage.here("skip", planId, "none*")).out).toBe("skip: 0 steps\n");
});

test("a step that is done is done again, alone or with what came of it", async () => {
  const planId = await stage.begin(
    "again",
    `  first: { capability: shell, input: { run: echo one } }
  second: { capability: shell, input: { run: [echo, "\${{ steps.first.outputs.stdout }}"] } }
  last: { capability: smelting, needs: [second] }
`,
  );
  await expect.poll(async () => (await step(planId, "second"))?.state, { timeout: 15_000 }).toBe(StepState.SUCCEEDED);
  const dry = await stage.here("rerun", "again", "first", "--dry-run");
  expect(dry.out).toMatch(new RegExp(`^first of ${planId} would run again\n(.*\n)*stays, and is stale +second\n`));
  const all = await stage.here("--json", "rerun", "again", "first", "--cascade", "--reason", "stale");
  expect(JSON.parse(all.out)).toMatchObject({ step: { key: "first" }, rerun_steps: ["second"] });
  const attempts = async () => (await stage.client.steps.listAttempts({ planId, step: "second" })).attempts.length;
  await expect.poll(attempts, { timeout: 15_000 }).toBe(2);
  expect((await stage.here("rerun", "again", "absent")).err).toMatch(/^maestro: refused: NOT_FOUND — /);
});

test("a step is undone before it is done again, at once if so wanted, and what could not be undone is tried again or resolved by its row", async () => {
  const undo = "compensation: { capability: shell, input: { run: ./undo } }";
  const planId = await stage.begin(
    "undone",
    `  made: { capability: shell, input: { run: echo one }, ${undo} }\n  last: { capability: smelting, needs: [made] }\n`,
  );
  await expect.poll(async () => (await step(planId, "made"))?.state, { timeout: 15_000 }).toBe(StepState.SUCCEEDED);
  const first = (await step(planId, "made"))?.ordinal ?? 0;
  expect((await stage.here("rerun", "undone", "made")).out).toMatch(/^made of \w+ is PENDING\nis undone first +made\n/);
  const why = async () => (await stage.client.plans.explainPlan({ planId, step: "made" })).waiting[0]?.explanation;
  const failed = "What it did before could not be undone: retry the compensation, or resolve it by hand.";
  await expect.poll(why, { timeout: 15_000 }).toBe(failed);
  expect((await stage.here("retry", planId, "made")).out).toBe(`made of ${planId} is COMPENSATING\n`);
  await expect.poll(why, { timeout: 15_000 }).toBe(failed);
  expect((await stage.here("retry", planId, "*", "--state", "compensation_failed")).out).toMatch(
    /^made\nretry: 1 step\n/,
  );
  await expect.poll(why, { timeout: 15_000 }).toBe(failed);
  const row = ["--row", String(first)];
  expect((await stage.here("retry", planId, "last", ...row)).err).toMatch(/^maestro: refused: NOT_FOUND — /);
  expect((await stage.here("resolve", planId, "made", ...row, "--success", "--reason", "seen to")).out).toBe(
    `made of ${planId} is COMPENSATED\n`,
  );
  await expect.poll(async () => (await step(planId, "made"))?.state, { timeout: 15_000 }).toBe(StepState.SUCCEEDED);
  expect((await stage.here("rerun", "undone", "made", "--at-once")).out).toMatch(/is undone +made\n/);
  await expect.poll(async () => (await step(planId, "made"))?.state, { timeout: 15_000 }).toBe(StepState.SUCCEEDED);
});

test("a step that nobody performs is resolved by hand, with outputs or as a failure", async () => {
  const planId = await stage.begin("byhand", "  up: { capability: smelting }\n  down: { capability: smelting }\n");
  const file = join(stage.folder, "outputs.json");
  writeFileSync(file, '{"url":"here"}');
  const why = ["--reason", "seen in the bucket"];
  expect((await stage.here("resolve", "byhand", "up", "--success", "--outputs", `@${file}`, ...why)).out).toBe(
    `up of ${planId} is SUCCEEDED\n`,
  );
  expect((await step(planId, "up"))?.outputs?.value).toEqual({ case: "json", value: '{"url":"here"}' });
  const failed = await stage.here("--json", "resolve", planId, "down", "--failure", "it is gone", ...why);
  expect(JSON.parse(failed.out)).toMatchObject({ state: "STEP_STATE_FAILED", failure: { message: "it is gone" } });
});

test.each([
  [["cancel"], /^name a plan, or say which by --charter, --label, --state or --filter\n$/],
  [["cancel", "x", "--label", "a=b"], /^name a plan, or say which by flags; not both\n$/],
  [["resume", "--dry-run"], /^name a plan, or say which/],
  [["hold", "x", "y", "--dry-run"], /^--dry-run and --state are for a pattern of steps\n$/],
  [["retry", "x", "y", "--row", "none"], /--row takes the number of a row\n$/],
  [["retry", "x", "y*", "--row", "1"], /^--row is for one step\n$/],
  [["resolve", "x", "y", "--success"], /^say why, and how it is known, with --reason\n$/],
  [["resolve", "x", "y", "--reason", "z"], /^say either --success/],
  [["resolve", "x", "y", "--reason", "z", "--success", "--failure", "f"], /^say either --success/],
  [["resolve", "x", "y", "--reason", "z", "--outputs", "[1]"], /^--outputs must be a JSON object.*it is no object\n$/],
  [["resolve", "x", "y", "--reason", "z", "--failure", "f", "--class", "odd"], /Allowed choices are transient, /],
])("%j is misused: exit code 2", async (args, said) => {
  const { code, out, err } = await stage.here(...args);
  expect(err).toMatch(said);
  expect([code, out]).toEqual([2, ""]);
});
