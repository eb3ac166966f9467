// `maestro import wfcommons`: recorded workflows become plans, are refused with reasons, and run, small and large ones.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkPlanFile } from "../../src/cli/plan-file/check.ts";
import { planOf } from "../../src/cli/wfcommons/plan.ts";
import type { ImportedPlan } from "../../src/cli/wfcommons/plan.ts";
import { readRecording } from "../../src/cli/wfcommons/recording.ts";
import { here } from "./command.ts";
import { mosaic14, mosaic15 } from "./recordings.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

function file(name: string, content: unknown): string {
  const path = join(stage.folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function imported(content: unknown, scale = 0.01): ImportedPlan {
  const read = readRecording(JSON.stringify(content));
  if (!read.ok) throw new Error(read.mistakes.join("\n"));
  return planOf(read.recording, { scale, performer: "simulated" });
}

function mistakes(content: unknown): readonly string[] {
  const read = readRecording(typeof content === "string" ? content : JSON.stringify(content));
  return read.ok ? [] : read.mistakes;
}

describe("a recording as a plan", () => {
  test("has the file's names, scaled times, and its dependencies as artifacts with their sizes", () => {
    const { charter, goal, steps } = imported(mosaic15(3));
    expect(charter.name).toBe("Pegasus");
    expect(goal).toMatchObject({ name: "mosaic-3", labels: { source: "wfcommons", schema: "1.5", scale: "0.01" } });
    expect(Object.keys(steps)).toHaveLength(10);
    expect(steps["project_1"]).toMatchObject({
      capability: "wfcommons.task",
      input: {
        task: "project_1",
        sleep_ms: 177,
        runtime_s: 17.7,
        program: "project",
        machine: "worker-1",
        cores: 1,
        memory_bytes: 14_800_000,
        read_bytes: 4_150_080,
        written_bytes: 4_150_080,
        writes: [{ name: "project_1.fits", bytes: 4_150_080 }],
      },
      estimate: "177ms",
      produces: ["project_1.fits"],
    });
    expect(steps["project_1"]).not.toHaveProperty("consumes");
    expect(steps["diff_1"]).toMatchObject({ consumes: ["project_0.fits", "project_1.fits"] });
    expect(steps["diff_1"]).not.toHaveProperty("needs");
    expect(steps["sum"]).not.toHaveProperty("produces");
  });

  test("is the same from 1.4, where tasks have other names for each other, as from 1.5", () => {
    const edges = (content: unknown): unknown => {
      const checked = checkPlanFile(JSON.stringify(imported(content)));
      return checked.ok ? [checked.requests.steps.length, checked.edgeCount] : checked.mistakes;
    };
    expect(edges(mosaic15(20))).toEqual([61, 19 * 2 + 19 + 20 * 2 + 20]);
    expect(edges(mosaic14(20))).toEqual(edges(mosaic15(20)));
  });

  test("has plain edges where artifacts would be too many, and none is lost", () => {
    const { steps } = imported(mosaic15(100));
    const { needs = [], consumes = [] } = steps["sum"] ?? {};
    expect([needs.length, consumes.length]).toEqual([36, 64]);
    const checked = checkPlanFile(JSON.stringify(imported(mosaic15(100))));
    expect(checked.ok && checked.edgeCount).toBe(99 * 2 + 99 + 100 * 2 + 100);
  });

  test("has keys that steps may have, different ones for different tasks", () => {
    const recording = { ...mosaic15(2), schemaVersion: "1.6" };
    const text = JSON.stringify(recording)
      .replaceAll("project_0", "NF:ALIGN.X (1)")
      .replaceAll("project_1", "NF.ALIGN:X (1)")
      .replaceAll('"sum"', '"1-sum"');
    const read = readRecording(text);
    if (!read.ok) throw new Error(read.mistakes.join("\n"));
    const { steps } = planOf(read.recording, { scale: 0, performer: "shell" });
    expect(Object.keys(steps)).toEqual(expect.arrayContaining(["NF_ALIGN_X__1_", "NF_ALIGN_X__1__2", "_1-sum"]));
    expect(steps["NF_ALIGN_X__1__2"]?.title).toBe("NF.ALIGN:X (1)");
    expect(steps["_1-sum"]).toMatchObject({
      capability: "shell",
      input: { run: expect.stringMatching(/^sleep 0\.000 && /) as unknown },
    });
  });

  test("has the dependencies that files tell when nothing else does", () => {
    const text = JSON.stringify(mosaic15(3)).replaceAll(/"(parents|children)":\[[^\]]*\]/g, '"$1":[]');
    expect(imported(JSON.parse(text)).steps["diff_1"]?.consumes).toEqual(["project_0.fits", "project_1.fits"]);
  });
});

describe("refused, with the place", () => {
  const good = mosaic15(2);
  const tasks = (change: (all: Record<string, unknown>[]) => void): unknown => {
    const copy = structuredClone(good) as unknown as {
      workflow: { specification: { tasks: Record<string, unknown>[] } };
    };
    change(copy.workflow.specification.tasks);
    return copy;
  };
  test.each<[string, unknown, RegExp]>([
    ["text", "not json", /^it is not JSON: /],
    ["a list", [], /^schemaVersion: is missing/],
    ["another format", { hello: 1 }, /^schemaVersion: is missing/],
    [
      "an older version",
      { ...good, schemaVersion: "1.2" },
      /^schemaVersion: is "1\.2"; WfFormat 1\.4, 1\.5, 1\.6 can be read$/,
    ],
    ["no run", { ...good, workflow: { specification: {} } }, /^workflow: has no execution/],
    ["no task", tasks((all) => all.splice(0)), /^workflow\.specification\.tasks: holds no task$/],
    ["no name", { ...good, name: undefined }, /^name: is missing; it must be a text$/],
    [
      "an unknown parent",
      tasks((all) => (all[2] = { ...all[2], parents: ["ghost"] })),
      /^workflow\.specification\.tasks\[2\]\.parents\[0\]: there is no task "ghost"$/,
    ],
    [
      "two of one id",
      tasks((all) => (all[1] = { ...all[1], id: "project_0" })),
      /^workflow\.specification\.tasks\[1\]: there are two tasks "project_0"$/,
    ],
    [
      "no time",
      tasks((all) => (all[1] = { ...all[1], id: "unmeasured" })),
      /^workflow\.specification\.tasks\[1\]: "unmeasured" is not among workflow\.execution\.tasks/,
    ],
    ["a circle", tasks((all) => (all[0] = { ...all[0], parents: ["sum"] })), /^tasks wait for each other: .*sum/],
    [
      "a wrong time",
      JSON.parse(JSON.stringify(good).replace('"runtimeInSeconds":16.7', '"runtimeInSeconds":"16.7"')),
      /^workflow\.execution\.tasks\[0\]\.runtimeInSeconds: must be a number of at least 0$/,
    ],
    [
      "two runs of one task",
      JSON.parse(JSON.stringify(good).replace('"id":"project_1","runtime', '"id":"project_0","runtime')),
      /^workflow\.execution\.tasks\[1\]: there are two runs of task "project_0"$/,
    ],
    [
      "a time without an end",
      JSON.stringify(good).replace('"runtimeInSeconds":16.7', '"runtimeInSeconds":1e300'),
      /^workflow\.execution\.tasks\[0\]\.runtimeInSeconds: is 1e\+300, more than \d+: times --scale it is more than half a year/,
    ],
    [
      "a size that no number holds",
      JSON.stringify(good).replace(/"sizeInBytes":\d+/, '"sizeInBytes":90071992547409930'),
      /^workflow\.specification\.files\[0\]\.sizeInBytes: is 90071992547409940, more than 9007199254740991$/,
    ],
    ["an empty name", { ...good, name: "" }, /^name: must not be empty: the goal is called by it$/],
    ["a name that no text may have", { ...good, name: "a\0b" }, /^name: must not hold NUL characters$/],
  ])("%s", (_, content, expected) => {
    expect(mistakes(content)[0]).toMatch(expected);
  });

  test("what only a plan may not have is told of the task", async () => {
    const large = "x".repeat(300_000);
    const path = file("large.json", JSON.stringify(good).replaceAll('"project_1"', `"${large}"`));
    const { code, err } = await stage.here("import", "wfcommons", path, "--dry-run");
    expect(code).toBe(2);
    expect(err).toMatch(/large\.json: it can be no plan: of the step of task "x{200,255}" input /);
    expect(err).not.toMatch(/steps\.x|goal\./);
  });

  test("a byte order mark is none", () => {
    expect(mistakes(`\uFEFF${JSON.stringify(good)}`)).toEqual([]);
  });

  test("the command names the file and every reason, and exits with 2", async () => {
    const broken = file(
      "broken.json",
      tasks((all) => all.forEach((task, i) => (all[i] = { ...task, parents: ["ghost"] }))),
    );
    const { code, out, err } = await stage.here("import", "wfcommons", broken);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.trimEnd().split("\n")).toHaveLength(7);
    expect(err).toContain(`${broken}: workflow.specification.tasks[6].parents[0]: there is no task "ghost"\n`);
    const missing = await stage.here("import", "wfcommons", join(stage.folder, "nowhere.json"));
    expect(missing.code).toBe(2);
    expect(missing.err).toMatch(/nowhere\.json cannot be read: ENOENT/);
    const scale = await stage.here("import", "wfcommons", broken, "--scale", "-1");
    expect([scale.code, scale.err]).toEqual([2, expect.stringContaining("must be a number from 0 to 1000")]);
  });
});

describe("the command", () => {
  test(
    "shows the plan and runs it, as apply does; the recording again changes nothing",
    { timeout: 60_000 },
    async () => {
      const recording = file("small.json", mosaic15(4));
      const first = await stage.here("import", "wfcommons", recording, "--scale", "0.001");
      expect(first.err).toBe("");
      expect(first.out).toMatch(
        /^goal mosaic-4 under charter Pegasus: 13 tasks, 21 edges, 17 files; recorded on 1 machine/m,
      );
      expect(first.out).toMatch(/^0 +project_0 +wfcommons\.task /m);
      expect(first.out).toMatch(/; 13 of 13 steps succeeded;/);
      expect(first.out).toMatch(/^took .*; recorded, scaled: 1\.1 s$/m);
      expect(first.code).toBe(0);
      const again = await stage.here("import", "wfcommons", recording, "--scale", "0.001");
      expect(again.out).toContain("nothing changed: plan_");
      expect(again.code).toBe(0);
    },
  );

  test("--dry-run commits nothing, and says as JSON what it found", async () => {
    const recording = file("dry.json", { ...mosaic14(5), name: "dry" });
    const { code, out, err } = await stage.here("--json", "import", "wfcommons", recording, "--dry-run");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toEqual({
      charter: "Pegasus",
      goal: "dry",
      tasks: 16,
      edges: 27,
      files: 21,
      machines: 1,
      scale: 0.01,
      work_s: expect.any(Number) as unknown,
      recorded_makespan_s: 1060,
    });
    const { goals } = await stage.client.maestro
      .queryGoals({ charter: "Pegasus", filter: 'name == "dry"' })
      .catch(() => ({ goals: [] }));
    expect(goals.map(({ activeVersion }) => activeVersion)).not.toContain(1);
  });

  test("--output writes a plan file that can be applied, never over another", { timeout: 60_000 }, async () => {
    const recording = file("out.json", { ...mosaic15(2), name: "out" });
    const out = join(stage.folder, "out.yaml");
    const wrote = await here(["import", "wfcommons", recording, "--shell", "--scale", "0", "--output", out]);
    expect(wrote).toMatchObject({ code: 0, err: "" });
    expect(readFileSync(out, "utf8")).toMatch(/^charter:\n {2}name: Pegasus\n/);
    const twice = await here(["import", "wfcommons", recording, "--output", out]);
    expect(twice.code).toBe(1);
    expect(twice.err).toContain("it is there already, and is not overwritten");
    const printed = await here(["import", "wfcommons", recording, "--output", "-"]);
    expect(checkPlanFile(printed.out).ok).toBe(true);
    expect(printed.err).toContain("goal out under charter Pegasus");
    const executor = await stage.executor("sleepers");
    const applied = await stage.here("apply", out);
    executor.signal("SIGTERM");
    expect(applied.out).toMatch(/; 7 of 7 steps succeeded;/);
    expect(existsSync(join(stage.folder, "out.json"))).toBe(true);
  });

  test.each([
    [100, 301],
    [667, 2_002],
  ])("runs a recording of %i images: %i tasks", { timeout: 120_000 }, async (images, count) => {
    const recording = file(`large-${images}.json`, mosaic15(images));
    const { code, out, err } = await stage.here("import", "wfcommons", recording, "--scale", "0.0001", "--slots", "64");
    expect(err).toBe("");
    expect(out).toContain(`; ${count} of ${count} steps succeeded;`);
    expect(code).toBe(0);
  });

  test("--local needs nothing else", { timeout: 60_000 }, async () => {
    const recording = file("local.json", { ...mosaic15(2), name: "local" });
    const { code, out } = await stage.run([
      "import",
      "wfcommons",
      recording,
      "--local",
      "--data-dir",
      "data",
      "--scale",
      "0.001",
    ]);
    expect(out).toMatch(/; 7 of 7 steps succeeded;/);
    expect(code).toBe(0);
    expect(existsSync(join(stage.folder, "data"))).toBe(true);
    const detached = await stage.run(["import", "wfcommons", recording, "--local", "--detach"]);
    expect([detached.code, detached.err]).toEqual([2, expect.stringContaining("--detach needs a server")]);
  });
});
