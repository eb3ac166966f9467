// `maestro replan` and `diff`: what a file or a version would change, and the change itself. Not here: files that find their
// plan by themselves, see apply.test.ts.
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const steps = (run: string, more = ""): string => `  one: { capability: smelting, input: { run: ${run} } }
  two: { capability: smelting, needs: [one] }
${more}`;

test("a file takes a plan's place: shown by --dry-run, done with a reason, and then no difference", async () => {
  const planId = await stage.begin("swap", steps("old"));
  const file = stage.file("swap", steps("new", "  three: { capability: smelting, needs: [two] }\n"));
  const dry = await stage.here("replan", "swap", file, "--dry-run");
  expect(dry.out).toMatch(/^STEP +BECOMES +WHAT CHANGED\n/);
  expect(dry.out).toMatch(/^one +\w+ +input\.run: "old" → "new"$/m);
  expect(dry.out).toMatch(/^three +ADDED/m);
  expect(dry.out).not.toContain("re-planned");
  expect(dry).toMatchObject({ code: 0, err: "" });
  // Nothing of it is there yet.
  expect((await stage.here("diff", "swap", file, "--exit-code")).code).toBe(1);

  const done = await stage.here("replan", planId, file, "--reason", "the mirror moved");
  expect(done.out).toContain(`re-planned ${planId} to version 2\n`);
  expect(await stage.here("diff", "swap", file, "--exit-code")).toEqual({ code: 0, out: "no difference\n", err: "" });
  expect((await stage.here("replan", "swap", file)).out).toBe(`nothing changed: ${planId} stays as it is\n`);
});

test("--json says what the server answered, and --quiet nothing", async () => {
  await stage.begin("said", steps("old"));
  const file = stage.file("said", steps("new"));
  const [dry, diff] = [
    await stage.here("--json", "replan", "said", file, "--dry-run"),
    await stage.here("--json", "diff", "said", file),
  ];
  expect(JSON.parse(dry.out)).toMatchObject({ summary: { changed_steps: 1 }, steps: [{ key: "one" }] });
  expect(JSON.parse(diff.out)).toMatchObject({ summary: { changed_steps: 1 } });
  const done = await stage.here("--json", "replan", "said", file);
  expect(JSON.parse(done.out)).toMatchObject({ version: { version: 2 }, plan: { active_version: 2 } });
  const quiet = await stage.here("--quiet", "replan", "said", stage.file("said", steps("newer")));
  expect(quiet).toEqual({ code: 0, out: "", err: "" });
});

test("limits are taken as well; the goal stays as it is, which is said when the file names another", async () => {
  const planId = await stage.begin("limits", steps("x"));
  const file = stage.file("other", steps("x"));
  writeFileSync(file, readFileSync(file, "utf8").replace("{ name: other }", "{ name: other, budget: { tokens: 10 } }"));
  expect((await stage.here("diff", planId, file)).out).toMatch(/\nlimits change\n$/);
  const { code, out, err } = await stage.here("replan", planId, file);
  expect(err).toBe(`${file}: the goal of ${planId} stays as it is; steps and limits are taken\n`);
  expect(out).toContain(`re-planned ${planId} to version 2\n`);
  expect(code).toBe(0);
  expect((await stage.client.plans.getPlan({ planId })).plan?.ledger?.allotted?.tokens).toBe(10n);
});

test("versions are compared with the one before, with the active one, or with each other", async () => {
  const planId = await stage.begin("versions", steps("a"));
  for (const run of ["b", "c"]) await stage.here("replan", planId, stage.file("versions", steps(run)));
  const change = (from: string, to: string): RegExp => new RegExp(`^one .*input\\.run: "${from}" → "${to}"$`, "m");
  const last = await stage.here("diff", "versions");
  expect(last.out).toMatch(/^version 2 → 3 of goal_\w+\n/);
  expect(last.out).toMatch(change("b", "c"));
  expect(last.out).toMatch(/^one +CHANGED [^]*; 0 added, 0 removed, 1 changed, 1 as they were$/m);
  expect((await stage.here("diff", planId, "1")).out).toMatch(change("a", "c"));
  expect((await stage.here("diff", planId, "v2", "1")).out).toMatch(change("b", "a"));
  expect((await stage.here("diff", planId, "2", "2")).out).toMatch(/^version 2 → 2 .*\nno difference\n$/);
  expect((await stage.here("diff", planId, "1", "--exit-code")).code).toBe(1);
  expect((await stage.here("--quiet", "diff", planId, "1")).out).toBe("");
  expect(JSON.parse((await stage.here("--json", "diff", planId, "1", "2")).out)).toMatchObject({
    steps: [{ key: "one", fields: [{ path: "input.run", before_json: '"a"', after_json: '"b"' }] }],
  });
});

test("edges that come and go are listed", async () => {
  const planId = await stage.begin("edges", steps("a"));
  const loose = steps("a").replace(", needs: [one]", "");
  await stage.here("replan", planId, stage.file("edges", loose));
  expect((await stage.here("diff", planId)).out).toMatch(/^- one → two$/m);
});

test("what cannot be compared or re-planned is told", async () => {
  const planId = await stage.begin("sole", steps("a"));
  const file = stage.file("sole", steps("b"));
  for (const [args, exit, said] of [
    [["diff", planId], 1, /^maestro: version 1 of goal_\w+ was made from no other; name two versions or a file\n$/],
    [["diff", planId, "1", "9"], 1, /^maestro: refused: NOT_FOUND — /],
    [["diff", planId, "1", "last"], 2, /^"last" is not the number of a version, such as 2\n$/],
    [["diff", planId, "absent.yaml"], 2, /^absent\.yaml cannot be read: ENOENT/],
    [["diff", planId, file, "2"], 2, /^a plan file is compared with the active version; name it alone\n$/],
    [["replan", planId, "absent.yaml"], 2, /^absent\.yaml cannot be read: ENOENT/],
    [["replan", "nobody", file], 1, /^maestro: "nobody" is no plan id/],
  ] as const) {
    const { code, out, err } = await stage.here(...args);
    expect(err).toMatch(said);
    expect([code, out], args.join(" ")).toEqual([exit, ""]);
  }
  await stage.here("cancel", planId);
  expect((await stage.here("replan", planId, file)).err).toMatch(/^maestro: refused: STATE_CONFLICT — /);
});

test("a re-plan that must be ratified says so and how, and the plan goes on as it is", async () => {
  const careful = (run: string): string => {
    const file = stage.file("careful", steps(run));
    writeFileSync(file, readFileSync(file, "utf8").replace("{ name: cli }", "{ name: wary, ratify_commits: true }"));
    return file;
  };
  const applied = await stage.here("apply", careful("a"), "--detach");
  const approval = /waits for ratification: (appr_\w+)/.exec(applied.out)?.[1] ?? "";
  // Somebody else than who committed must say yes.
  const made = await stage.here("--json", "keys", "create", "second", "--grant", "map.maestro.*");
  const { secret } = JSON.parse(made.out) as { secret: string };
  expect((await stage.here("--api-key", secret, "approve", approval)).out).toMatch(/^approved /);
  const { out, code } = await stage.here("replan", "careful", careful("b"));
  expect(out).toMatch(/^version 2 of plan_\w+ waits for ratification: appr_\w+; until then it goes on as it is$/m);
  expect(out).toMatch(/answer with: maestro --server \S+ approve appr_/);
  expect(code).toBe(0);
});
