// Steps that tasks of workflows become: keys that can be keys and are unique, needs that follow dependencies. Not here: refusals, see
// test/wire/workflows.test.ts.
import { expect, it } from "vitest";
import { stepKeys, workflowProblem, workflowSteps } from "../../src/domain/workflow.ts";

const tasks = (...names: readonly string[]) => names.map((name) => ({ name, agentType: "x" }));

it("keeps names that can be keys, and makes others into keys that nobody has", () => {
  const long = "ü".repeat(64);
  const names = ["build", "Build it", "Build-it", "build it!", "1st", "!!!", "…", long, `a${"b".repeat(127)}`, "a b"];
  const keys = [...stepKeys(tasks(...names)).values()];
  expect(keys).toEqual([
    "build",
    "Build-it-2",
    "Build-it",
    "build-it",
    "task-1st",
    "task",
    "task-2",
    "task-3",
    `a${"b".repeat(127)}`,
    "a-b",
  ]);
  for (const key of keys) expect(key).toMatch(/^[A-Za-z_][A-Za-z0-9_-]{0,127}$/);
});

it("makes two thousand alike names into as many keys, quickly", () => {
  const names = Array.from(
    { length: 2_000 },
    (_, i) => `${"!".repeat((i % 120) + 1)}${" ".repeat(Math.floor(i / 120) + 1)}`,
  );
  const given = tasks(...new Set(names));
  expect(new Set(stepKeys(given).values()).size).toBe(given.length);
});

it("makes steps in the order of tasks, with each need once, title and capability", () => {
  const dependencies = [
    { task: "b", dependsOn: "a" },
    { task: "b", dependsOn: "a" },
    { task: "c d", dependsOn: "b" },
  ];
  const given = tasks("a", "b", "c d");
  expect(workflowProblem(given, dependencies)).toBeUndefined();
  expect(workflowSteps({ tasks: given, dependencies }).map(({ key, title, needs }) => [key, title, needs])).toEqual([
    ["a", "a", []],
    ["b", "b", [{ step: "a", regardless: false }]],
    ["c-d", "c d", [{ step: "b", regardless: false }]],
  ]);
});

it("hands a step what its task says, and nothing where it says nothing", () => {
  const given = [{ name: "a", agentType: "shell", input: '{"run":["true"]}' }, ...tasks("b")];
  expect(workflowSteps({ tasks: given, dependencies: [] }).map(({ input }) => input)).toEqual([
    { kind: "json", text: '{"run":["true"]}' },
    null,
  ]);
});
