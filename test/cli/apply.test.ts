// `maestro apply` against a server and an executor in a process of its own. Not here: `--local`, see apply-local.test.ts.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { Stage, planIn } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("apply-shell");
});
afterAll(() => stage.close());

const TWO = `  first: { capability: shell, input: { run: echo one } }
  second: { capability: shell, needs: [first], input: { run: echo two } }
`;

test("shows the plan as a table, commits it, says each move on a plain line, and ends with exit code 0", async () => {
  const { code, out, err } = await stage.run(["apply", stage.file("good", TWO)]);
  expect(err).toBe("");
  const at = (pattern: RegExp): number => {
    const index = out.split("\n").findIndex((line) => pattern.test(line));
    expect(index, `${String(pattern)} in\n${out}`).toBeGreaterThanOrEqual(0);
    return index;
  };
  const order = [
    /^charter cli at revision 1 \(new\)$/,
    /^LEVEL +STEP +NEEDS EXECUTOR FOR +FROM +EXPECTED +SLACK +AFTER$/,
    /^0 +first +shell /,
    /^1 +second +shell .* first$/,
    /^2 steps, 1 edge, 2 levels; critical path first → second: /,
    /^committed as plan_/,
    /^\d\d:\d\d:\d\d {2}✓ first SUCCEEDED/,
    /^\d\d:\d\d:\d\d {2}✓ second SUCCEEDED/,
    /^\d\d:\d\d:\d\d {2}plan COMPLETED$/,
    /^plan plan_\w+ COMPLETED in .*; 2 of 2 steps succeeded; used /,
    /^more: maestro trace plan_/,
  ].map(at);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  // Not a terminal: nothing is redrawn.
  expect(out).not.toContain("\u001b");
  expect(code).toBe(0);
});

test("applied again, an unchanged file changes nothing and tells how its plan ended", async () => {
  const file = stage.file("same", TWO);
  const first = await stage.run(["apply", file]);
  const again = await stage.run(["apply", file]);
  expect(again.code).toBe(0);
  const id = planIn(first.out);
  expect(again.out).toContain(`nothing changed: ${id} stays as it is\n`);
  expect(again.out).toMatch(new RegExp(`^plan ${id} COMPLETED`, "m"));
  expect(again.out).not.toContain("committed");
  const { attempts } = await stage.client.steps.listAttempts({ planId: id, step: "first" });
  expect(attempts).toHaveLength(1);
});

test("--dry-run shows a charter that is new or would change, declares nothing, and is not refused", async () => {
  const file = stage.file("dry", TWO);
  const text = readFileSync(file, "utf8");
  const under = (charter: string): string => {
    writeFileSync(file, text.replace(/^charter: .*$/m, `charter: ${charter}`));
    return file;
  };
  const dry = await stage.here("apply", under("{ name: dry, purpose: To see }"), "--dry-run");
  expect(dry).toMatchObject({ code: 0, err: "" });
  expect(dry.out).toMatch(
    /^first +shell [^]*^2 steps, 1 edge\ncharter dry would be new\n {2}purpose: — → To see\ngoal dry would be new; /m,
  );
  expect(JSON.parse((await stage.here("--json", "apply", file, "--dry-run")).out)).toMatchObject({
    steps: 2,
    edges: 1,
  });
  const charters = async () => (await stage.client.charters.listCharters({})).charters.filter((c) => c.name === "dry");
  expect(await charters()).toEqual([]);
  await stage.client.maestro.declareCharter({ name: "dry", terms: { purpose: "To see" } });
  expect((await stage.here("apply", file, "--dry-run")).out).not.toContain("charter");
  const changed = await stage.here("apply", under("{ name: dry, purpose: To see, deadline: 1h }"), "--dry-run");
  expect(changed.out).toMatch(/^charter dry would get revision 2; .*\n {2}deadline: — → 1 h 00 m\n/m);
  expect(await charters()).toMatchObject([{ revision: 1 }]);
});

test("a changed file is shown as a difference and re-plans what runs; what is done stays done", async () => {
  const gate = stage.gate("changes");
  const steps = (run: string): string => `${TWO.split("\n")[0] ?? ""}
  held: { capability: shell, needs: [first], input: { run: "${gate.wait}" } }
  last: { capability: shell, needs: [held], input: { run: ${run} } }
`;
  const watched = stage.start(["apply", stage.file("changes", steps("echo old"))]);
  await watched.line(/▶ held LEASED by apply-shell$/);
  const file = stage.file("changes", steps("echo new"));
  const dry = await stage.run(["apply", file, "--dry-run"]);
  expect(dry.out).toMatch(/^STEP +BECOMES +WHAT CHANGED\nlast +\w+ .*echo old.*→.*echo new/m);
  expect(dry.out).not.toContain("re-planned");
  const changed = await stage.run(["apply", file, "--detach"]);
  const planId = planIn(changed.out);
  expect(changed.out).toContain(`re-planned ${planId} to version 2\n`);
  await gate.open();
  const { code, out } = await watched.ended;
  expect(code).toBe(0);
  expect(out).toMatch(/; 3 of 3 steps succeeded;/);
  const held = await stage.client.steps.listAttempts({ planId, step: "held" });
  expect(held.attempts).toHaveLength(1);
  expect((await stage.run(["logs", planId, "last"])).out).toBe("new\n");
});

test("a changed file whose plan is done has only what changed done again", async () => {
  const first = await stage.run(["apply", stage.file("over", TWO)]);
  const changed = await stage.run(["apply", stage.file("over", TWO.replace("echo two", "echo three"))]);
  expect(changed.code).toBe(0);
  const planId = planIn(first.out);
  expect(changed.out).toContain("; 1 reused, 1 to run again, 0 to stop, 0 to undo\n");
  expect(changed.out).toContain(`re-planned ${planId} to version 2\n`);
  // What it did before is no news.
  expect(changed.out).not.toContain("first SUCCEEDED");
  expect(changed.out).toMatch(new RegExp(`^plan ${planId} COMPLETED in .*; 2 of 2 steps succeeded;`, "m"));
  const [one, two] = await Promise.all(
    ["first", "second"].map(async (step) => stage.client.steps.listAttempts({ planId, step })),
  );
  expect([one?.attempts.length, two?.attempts.length]).toEqual([1, 2]);
  expect((await stage.run(["logs", planId, "second"])).out).toMatch(/^three$/m);
});

test("limits that a file changed are the plan's from then on: applied again, it changes nothing", async () => {
  const file = stage.file("limits", TWO);
  await stage.run(["apply", file]);
  writeFileSync(
    file,
    readFileSync(file, "utf8").replace("{ name: limits }", "{ name: limits, budget: { tokens: 1000 } }"),
  );
  const changed = await stage.run(["apply", file]);
  expect(changed.out).toMatch(/^re-planned plan_\w+ to version 2$/m);
  const again = await stage.run(["apply", file]);
  expect(again.out).toContain("nothing changed: ");
});

test("a mended file goes on where its plan failed", async () => {
  const broken = stage.file("mended", TWO.replace("echo two", "exit 1"));
  const first = await stage.run(["apply", broken]);
  const again = await stage.run(["apply", broken]);
  expect([first.code, again.code]).toEqual([1, 1]);
  const planId = planIn(first.out);
  expect(again.out).toContain(`nothing changed: ${planId} stays as it is, FAILED; --again begins a new goal\n`);
  expect(again.err).toMatch(/^✗ second failed after 1 attempt/);
  const mended = await stage.run(["apply", stage.file("mended", TWO)]);
  expect(mended.code).toBe(0);
  expect(mended.out).toMatch(/^second +RERUN +input\.run: "exit 1" → "echo two"$/m);
  expect(mended.out).toMatch(new RegExp(`^plan ${planId} COMPLETED in .*; 2 of 2 steps succeeded;`, "m"));
  const { attempts } = await stage.client.steps.listAttempts({ planId, step: "first" });
  expect(attempts).toHaveLength(1);
});

test("a changed file whose plan was cancelled, and any file with --again, is a new goal", async () => {
  const cancelled = await stage.begin("renewed", "  never: { capability: smelting }\n");
  await stage.client.plans.cancelPlan({ planId: cancelled, idempotencyKey: stage.client.newKey() });
  const renewed = await stage.run(["apply", stage.file("renewed", TWO)]);
  expect(renewed.code).toBe(0);
  expect(renewed.out).toContain(`${cancelled} has ended; this is a new goal\n`);
  const again = await stage.run(["apply", stage.file("renewed", TWO), "--again"]);
  const begun = [renewed, again].map(({ out }) => planIn(out.split("committed as")[1] ?? ""));
  expect(new Set([cancelled, ...begun]).size).toBe(3);
});

test("a failing step ends it with exit code 1 and the step's last lines", async () => {
  const steps = `  fine: { capability: shell, input: { run: echo fine } }
  bad: { capability: shell, needs: [fine], input: { run: "for i in 1 2 3; do echo line $i; done; echo went wrong >&2; exit 7" } }
  never: { capability: shell, needs: [bad], input: { run: echo never } }
`;
  const { code, out, err } = await stage.run(["apply", stage.file("failing", steps)]);
  expect(code).toBe(1);
  expect(out).toMatch(/✗ bad FAILED after .*: the command ended with exit code 7: went wrong$/m);
  expect(out).toMatch(/plan FAILED$/m);
  expect(err).toMatch(
    /^✗ bad failed after 1 attempt: the command ended with exit code 7: went wrong\n( {4}.*\n)+plan plan_\w+ FAILED in .*; 1 of 3 steps succeeded; used .*\n$/,
  );
  for (const line of ["    line 1\n", "    line 3\n", "    went wrong\n"]) expect(err).toContain(line);
});

test("--json says results as messages and --quiet nothing but the exit code", async () => {
  const [json, quiet] = await Promise.all([
    stage.run(["--json", "apply", stage.file("json", TWO)]),
    stage.run(["--quiet", "apply", stage.file("quiet", TWO)]),
  ]);
  const lines = json.out.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { state: "PLAN_STATE_COMPLETED", progress: { succeeded: 2, total: 2 } },
  ]);
  expect(quiet).toEqual({ code: 0, out: "", err: "" });
  expect(json.code).toBe(0);
});

test("on a terminal, lines go by above a display that is redrawn and gone at the end", async () => {
  let out = "";
  const code = await runCli(["apply", stage.file("live", TWO)], {
    out: (text) => void (out += text),
    err: (text) => void (out += text),
    terminal: true,
    columns: 60,
    env: { MAESTRO_URL: stage.server.wideUrl },
    signal: new AbortController().signal,
  });
  expect(code).toBe(0);
  const drawn = out.split("\n").filter((line) => /^(\u001b\[\d+A\u001b\[J)?[█░]{24} [0-2]\/2 {2}/.test(line));
  expect(drawn.length).toBeGreaterThan(0);
  expect(Math.max(...drawn.map((line) => line.replace(/^\u001b.*J/, "").length))).toBeLessThan(60);
  const [, after = ""] = out.split(/✓ second SUCCEEDED.*\n/);
  expect(after).toMatch(/\u001b\[\d+A\u001b\[J[^█░]*COMPLETED in [^█░]*$/);
});

test("what the server refuses is said with reason and remedy, and nothing was begun", async () => {
  const late = join(stage.folder, "late.yaml");
  writeFileSync(
    late,
    `charter: { name: hasty, deadline: 1s }
goal: { name: late }
steps: { long: { capability: shell, input: { run: "true" }, estimate: 1h } }
`,
  );
  const { code, err, out } = await stage.run(["apply", late]);
  expect(err).toMatch(/^maestro: refused: DEADLINE_INFEASIBLE — /);
  expect(err).toMatch(/^ {2}decided by: .*; can be lifted by: /m);
  expect(out).not.toContain("committed");
  expect(code).toBe(1);
});

test("interrupted, it stops watching; the plan goes on", async () => {
  const gate = stage.gate("interrupted");
  const steps = `  held: { capability: shell, input: { run: "${gate.wait}" } }\n`;
  const watched = stage.start(["apply", stage.file("interrupted", steps)]);
  await watched.line(/▶ held LEASED/);
  watched.signal("SIGINT");
  const { code, err, out } = await watched.ended;
  expect(code).toBe(130);
  const planId = planIn(out);
  expect(err).toBe(`stopped watching; the plan goes on: maestro watch ${planId}\n`);
  const later = stage.start(["watch", planId]);
  await gate.open();
  expect((await later.ended).out).toMatch(/COMPLETED in .*; 1 of 1 step succeeded/);
});

test("a plan that must be ratified first says so, and is not waited for", async () => {
  const file = join(stage.folder, "ratified.yaml");
  writeFileSync(file, `charter: { name: careful, ratify_commits: true }\ngoal: { name: ratified }\nsteps:\n${TWO}`);
  const { code, out, err } = await stage.run(["apply", file]);
  expect(err).toBe("");
  expect(out).toMatch(/^plan_\w{26} waits for ratification: \w+$/m);
  expect(out).not.toContain("committed");
  expect(code).toBe(0);
});
