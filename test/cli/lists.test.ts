// `maestro goals` and `plans`: lists by charter, label, filter, state and order, and one of them in detail, by id or by name.
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stage, planIn } from "./stage.ts";

let stage: Stage;
/** Plans by the names of their goals. */
const plans = new Map<string, string>();
beforeAll(async () => {
  stage = await Stage.open();
  for (const [charter, name, labels] of [
    ["red", "alpha", "{ team: core, tier: '1' }"],
    ["red", "beta", "{ team: core, tier: '2' }"],
    ["blue", "gamma", "{ team: edge }"],
  ] as const) {
    const path = join(stage.folder, `${name}.yaml`);
    const limits = "budget: { money: 5 USD, tokens: 100 }, deadline: 1h";
    writeFileSync(
      path,
      `charter: { name: ${charter} }\ngoal: { name: ${name}, labels: ${labels}, intent: "see", inputs: { n: 1 }, ${limits} }\nsteps:\n  smelt: { capability: smelting }\n`,
    );
    plans.set(name, planIn((await stage.here("apply", path, "--detach")).out));
  }
  await stage.client.plans.cancelPlan({ planId: plan("beta"), reason: "enough", idempotencyKey: "beta" });
});
afterAll(() => stage.close());

const plan = (name: string): string => plans.get(name) ?? "";

/** The goals' names, in the order in which they were listed. */
async function names(...args: readonly string[]): Promise<string[]> {
  const { code, out, err } = await stage.here("--json", "goals", ...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { spec: { name: string } }).spec.name);
}

describe("goals", () => {
  test.each([
    [[], ["gamma", "beta", "alpha"]],
    [
      ["--order-by", "name"],
      ["alpha", "beta", "gamma"],
    ],
    [
      ["--charter", "red"],
      ["beta", "alpha"],
    ],
    [
      ["--label", "team=core"],
      ["beta", "alpha"],
    ],
    [["--label", "team=core", "--label", "tier=1"], ["alpha"]],
    [
      ["--filter", 'name.startsWith("g") || labels.tier == "2"'],
      ["gamma", "beta"],
    ],
    [["--filter", 'name == "gamma" || name == "alpha"', "--label", "team=core"], ["alpha"]],
    [["--state", "cancelled"], ["beta"]],
    [
      ["--state", "ACTIVE", "--state", "cancelled", "--charter", "red"],
      ["beta", "alpha"],
    ],
    [["--label", 'team=" || true || "'], []],
    [
      ["--limit", "3"],
      ["gamma", "beta", "alpha"],
    ],
  ])("%j lists %j", async (args, expected) => {
    expect(await names(...args)).toEqual(expected);
  });

  test("as a table, and says when more follow", async () => {
    const table = await stage.here("goals", "--order-by", "name");
    expect(table.out).toMatch(/^GOAL +NAME +STATE +DONE +VERSION +MADE +LABELS\n/);
    expect(table.out).toMatch(
      /^goal_\w+ +alpha +ACTIVE +0\/1 +1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ +team=core, tier=1$/m,
    );
    const some = await stage.here("goals", "--limit", "2");
    expect(some.out.trimEnd().split("\n")).toHaveLength(3);
    expect(some.err).toBe("more follow after these 2: --limit or --all shows them\n");
    expect((await stage.here("goals", "--all")).err).toBe("");
    expect((await stage.here("--quiet", "goals", "--limit", "2")).err).toBe("");
    expect((await stage.here("goals", "--state", "draft")).out).toBe("no goals\n");
  });

  test("one in detail, by name, by its own id and by its plan's", async () => {
    const { out } = await stage.here("goals", "alpha");
    const goalId = /^goal +(goal_\w+)$/m.exec(out)?.[1] ?? "";
    expect(out).toMatch(/^state +ACTIVE$/m);
    expect(out).toMatch(new RegExp(`^plan +${plan("alpha")}$`, "m"));
    expect(out).toMatch(/^budget +5\.00 USD, 100 tokens$/m);
    expect(out).toMatch(/^deadline +1 h 00 m from commit$/m);
    expect(out).toMatch(/^inputs +\{"n":1\}$/m);
    for (const named of [goalId, plan("alpha")]) expect((await stage.here("goals", named)).out).toBe(out);
    const json = await stage.here("--json", "goals", goalId);
    expect(JSON.parse(json.out)).toMatchObject({ goal_id: goalId, plan_id: plan("alpha"), active_version: 1 });
  });

  test.each([
    [["--filter", "size(name) > 3"], 1, /^maestro: refused: FILTER_UNSUPPORTED — .*\n(.*\n)* {2}decided by: /],
    [["--state", "odd"], 2, /Allowed choices are DRAFT, REFINED/],
    [["--label", "team"], 2, /--label team: write name=value/],
    [["--limit", "0"], 2, /must be a whole number from 1/],
    [["--order-by", "color"], 2, /Allowed choices are created_at desc/],
    [["delta"], 1, /^maestro: "delta" is no plan id, no goal id, and no goal's name\n$/],
    [["goal_00000000000000000000000000"], 1, /^maestro: refused: NOT_FOUND — /],
    [["\u001b[2Jx"], 1, /^maestro: "�\[2Jx" is no plan id/],
  ])("%j ends with %i", async (args, exit, said) => {
    const { code, out, err } = await stage.here("goals", ...args);
    expect(err).toMatch(said);
    expect([code, out]).toEqual([exit, ""]);
  });

  test("a name that several goals have is told with their plans", async () => {
    const file = stage.file("twice", "  smelt: { capability: smelting }\n");
    const ids: string[] = [];
    for (const flags of [[], ["--again"]])
      ids.push(planIn((await stage.here("apply", file, "--detach", ...flags)).out));
    const { code, out, err } = await stage.here("watch", "twice");
    expect(err).toBe(
      `maestro: 2 goals are named "twice", newest first; name one by its id:\n  ${ids[1] ?? ""}  ACTIVE\n  ${ids[0] ?? ""}  ACTIVE\n`,
    );
    expect([code, out]).toEqual([2, ""]);
  });
});

describe("plans", () => {
  test("by state and by goal, newest first", async () => {
    const cancelled = await stage.here("plans", "--state", "cancelled");
    expect(cancelled.out).toMatch(/^PLAN +GOAL +STATE +DONE +VERSION +COMMITTED +ENDED +REASON\n/);
    expect(cancelled.out).toMatch(
      new RegExp(`^${plan("beta")} +beta +CANCELLED +1/1 +1 +\\S+ \\S+ +\\S+ \\S+ +enough$`, "m"),
    );
    expect(cancelled.out.trimEnd().split("\n")).toHaveLength(2);
    const ofGoal = await stage.here("--json", "plans", "--goal", "gamma");
    expect(JSON.parse(ofGoal.out)).toMatchObject({ plan_id: plan("gamma"), state: "PLAN_STATE_ACTIVE" });
    const all = await stage.here("--json", "plans", "--all");
    const listed = all.out
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { plan_id: string }).plan_id);
    expect(listed.filter((id) => [...plans.values()].includes(id))).toEqual(["gamma", "beta", "alpha"].map(plan));
    expect((await stage.here("plans", "--state", "awaiting-ratification")).out).toBe("no plans\n");
  });

  test("one in detail, with its account and its steps", async () => {
    const { out } = await stage.here("plans", "alpha");
    expect(out).toMatch(new RegExp(`^plan +${plan("alpha")}$`, "m"));
    expect(out).toMatch(/^budget +5\.00 USD, 100 tokens$/m);
    expect(out).toMatch(/^steps +1; 0 succeeded, 0 failed, refused or cancelled$/m);
    expect(out).toMatch(/^STEP +STATE +ATTEMPTS +EXECUTOR +SINCE +FAILURE\nsmelt +READY +0/m);
    const json = await stage.here("--json", "plans", plan("alpha"));
    expect(JSON.parse(json.out)).toMatchObject({ plan_id: plan("alpha"), progress: { total: 1 } });
    expect((await stage.here("plans", "plan_00000000000000000000000000")).err).toMatch(/refused: NOT_FOUND/);
  });
});
