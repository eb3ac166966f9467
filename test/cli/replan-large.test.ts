// `maestro replan`, `diff` and `apply` of plan files with more steps than one call takes. Not here: what they say of small ones,
// see replan.test.ts.
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Stage } from "./stage.ts";

const COUNT = 2_500;
const TIME = { timeout: 120_000 };

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

/** Chains of five; `changed` says of which steps the input is another. */
function steps(changed: (i: number) => boolean = () => false, count = COUNT): string {
  return Array.from({ length: count }, (_, i) => {
    const needs = i % 5 === 0 ? "" : `needs: [s${i - 1}], `;
    return `  s${i}: { capability: smelting, ${needs}input: { run: ${changed(i) ? "new" : "old"}, b: [1, { z: 1.50 }], a: x }, estimate: [1s, 2s, 4s], retry: { max: 2 }, executor_labels: { os: linux, cpu: x }, hold: { tokens: 1 }, compensation: { capability: smelting, input: { undo: 1 } } }\n`;
  }).join("");
}

async function versionsOf(planId: string): Promise<readonly number[]> {
  const { plan } = await stage.client.plans.getPlan({ planId });
  const { versions } = await stage.client.graphs.listGraphs({ goalId: plan?.goalId ?? "" });
  return versions.map(({ version }) => version);
}

test("few changes of many steps are one call: shown, done, and then no difference", TIME, async () => {
  const planId = await stage.begin("few", steps());
  const file = stage.file("few", `${steps((i) => i === 7, COUNT - 1)}  more: { capability: smelting }\n`);
  const dry = await stage.here("diff", "few", file, "--exit-code");
  expect(dry).toMatchObject({ code: 1, err: "" });
  expect(dry.out).toMatch(/^s7 +\w+ +input\.run: "old" → "new"$/m);
  expect(dry.out).toMatch(/^more +ADDED/m);
  expect(dry.out).toMatch(/^s2499 +DROPPED/m);
  expect(dry.out.trimEnd().split("\n")).toHaveLength(5);
  expect(await versionsOf(planId)).toEqual([1]);
  const done = await stage.here("replan", "few", file, "--reason", "a better mirror");
  expect(done.out).toContain(`re-planned ${planId} to version 2\n`);
  expect(await stage.here("diff", "few", file, "--exit-code")).toEqual({ code: 0, out: "no difference\n", err: "" });
  expect((await stage.here("apply", file, "--detach")).out).toContain(`nothing changed: ${planId} stays as it is\n`);
});

test("more changes than one call takes, and limits, are compared and committed all the same", TIME, async () => {
  const planId = await stage.begin("all", steps());
  const file = stage.file(
    "all",
    steps(() => true),
  );
  writeFileSync(file, readFileSync(file, "utf8").replace("name: all }", "name: all, budget: { tokens: 9000 } }"));
  const diff = await stage.here("diff", "all", file);
  expect(diff.out).toMatch(/^… and 1500 more steps$/m);
  expect(diff.out).toMatch(/\nlimits change\n$/);
  expect(diff).toMatchObject({ code: 0, err: "" });
  expect((await stage.client.plans.getPlan({ planId })).plan?.activeVersion).toBe(1);
  const done = await stage.here("--json", "replan", "all", file);
  expect(JSON.parse(done.out)).toMatchObject({
    summary: { changed_steps: COUNT },
    version: { state: "GRAPH_STATE_ACTIVE" },
    plan: { plan_id: planId, ledger: { allotted: { tokens: "9000" } } },
  });
  // A plan that has ended takes neither, and gets no version for nothing.
  await stage.here("cancel", planId);
  const before = await versionsOf(planId);
  expect(await stage.here("replan", planId, stage.file("all", steps()))).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^maestro: refused: STATE_CONFLICT — /) as string,
  });
  expect(await versionsOf(planId)).toEqual(before);
});
