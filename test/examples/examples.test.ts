// Every plan of the examples is run to its end, as it stands, but for the folder that it writes to. Not here: the release of
// this very project, which the demo runs.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { checkPlanFile } from "../../src/cli/plan-file/check.ts";
import { readWorkflowFile } from "../../src/cli/workflow-file.ts";
import { startTestServer } from "../../src/testing/testing.ts";
import type { TestPlan, TestServer } from "../../src/testing/testing.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "maestro examples-"));
/** Examples that tests of this file run. */
const RUN = [
  "approval-gate.yaml",
  "build-test-release.yaml",
  "data-pipeline.yaml",
  "fan-out.yaml",
  "release-gate.yaml",
] as const;
/** The demo runs it. */
const RUN_ELSEWHERE = ["release.yaml"];
/** A workflow, and no plan; test/cli/release.test.ts makes a run of it. */
const WORKFLOW = "workflow.yaml";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
  await server.shell({ slots: 4 });
});
// Examples call what they write alike.
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Commits it with a folder of its own, and with what else is changed in its text. */
async function begin(name: (typeof RUN)[number], changes: Readonly<Record<string, string>> = {}): Promise<TestPlan> {
  let text = readFileSync(join(EXAMPLES, name), "utf8");
  for (const [before, after] of Object.entries(changes)) {
    expect(text).toContain(before);
    text = text.replace(before, after);
  }
  text = text.replace(/\bout: [\w-]+/, `out: ${JSON.stringify(folder)}`);
  return await server.commit(text);
}

function written(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

test("build-test-release: published with its checksum, after both tests", { timeout: 60_000 }, async () => {
  const { state, steps } = await (await begin("build-test-release.yaml")).ended();
  expect(state).toBe("COMPLETED");
  expect(steps["whole_test"]?.outputs).toMatchObject({ version: "1.2.0" });
  const sum = steps["checksum"]?.outputs as { readonly sha256: string };
  expect(written("published/greet-1.2.0.mjs.sha256")).toBe(`${sum.sha256}\n`);
});

test("build-test-release: a failure after the publication takes it back", { timeout: 60_000 }, async () => {
  const broken = { 'createHash("sha256")': 'createHash("no such hash")', "1.2.0": "1.3.0" };
  const { state, steps } = await (await begin("build-test-release.yaml", broken)).ended();
  expect(state).toBe("FAILED");
  expect(steps["publish"]?.state).toBe("COMPENSATED");
  expect(existsSync(join(folder, "published/greet-1.3.0.mjs"))).toBe(false);
});

test("data-pipeline: a busy source is asked a third time, and the day is loaded", { timeout: 60_000 }, async () => {
  const { state, steps } = await (await begin("data-pipeline.yaml")).ended({ skip: true });
  expect(state).toBe("COMPLETED");
  expect(steps["fetch"]?.attempt).toBe(3);
  expect(steps["transform"]?.outputs).toMatchObject({ count: 4, total: 29 });
  expect(JSON.parse(written("day.json"))).toMatchObject({ total: 29 });
  expect(steps["report"]?.outputs).toMatchObject({ stdout: "4 readings, in all 29\n" });
});

test("data-pipeline: what does not agree is taken out again", { timeout: 60_000 }, async () => {
  const { state, steps } = await (await begin("data-pipeline.yaml", { "3 5 8 13": "3 5 8" })).ended({ skip: true });
  expect(state).toBe("FAILED");
  expect(steps["reconcile"]?.failure?.message).toContain("the store has 16, the source 29");
  expect(steps["load"]?.state).toBe("COMPENSATED");
  expect(existsSync(join(folder, "day.json"))).toBe(false);
});

test("approval-gate: everyone has it after a yes, nobody after a no", { timeout: 60_000 }, async () => {
  const refused = await begin("approval-gate.yaml");
  await refused.stepIs("everyone", "AWAITING_APPROVAL");
  expect(written("trial")).toBe("on\n");
  await refused.answer(false, "not yet");
  const { steps: kept } = await refused.ended();
  expect([kept["everyone"]?.state, kept["announce"]?.state]).toEqual(["SKIPPED", "SKIPPED"]);

  const approved = await begin("approval-gate.yaml");
  await approved.stepIs("everyone", "AWAITING_APPROVAL");
  expect(existsSync(join(folder, "everyone"))).toBe(false);
  await approved.answer(true);
  const { state, steps } = await approved.ended();
  expect(state).toBe("COMPLETED");
  expect(written("everyone")).toBe("on\n");
  expect(steps["announce"]?.state).toBe("SUCCEEDED");
});

test("fan-out: parts are counted at once, and a broken one does not stop the sum", { timeout: 60_000 }, async () => {
  const { state, steps } = await (await begin("fan-out.yaml")).ended();
  expect(steps["sum"]?.outputs).toMatchObject({ words: 20 });
  expect(steps["count_broken"]?.state).toBe("FAILED");
  expect(state).toBe("COMPLETED");
});

test(
  "release-gate: published once something speaks for it, and somebody had it judged again",
  { timeout: 60_000 },
  async () => {
    const plan = await begin("release-gate.yaml");
    await plan.stepIs("release", "AWAITING_APPROVAL");
    expect(existsSync(join(folder, "published"))).toBe(false);
    const { id: runId } = plan;
    const all = { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true };
    const pathOrUri = "s3://releases/greet.mjs";
    const { conductor } = server.client;
    await conductor.createArtifact({ runId, kind: ArtifactKind.OTHER, pathOrUri, metadataJson: all });
    await plan.answer(true);
    const { state, steps } = await plan.ended();
    expect(state).toBe("COMPLETED");
    expect(steps["release"]?.attempt).toBe(2);
    expect(written("published")).toBe("yes\n");
  },
);

test("every example is a valid plan or a workflow, and is run by a test", () => {
  const names = readdirSync(EXAMPLES).filter((name) => /\.(yaml|json)$/.test(name) && name !== WORKFLOW);
  expect(names.sort()).toEqual([...RUN, ...RUN_ELSEWHERE]);
  for (const name of names) {
    // Keys that examples name are made when they are run.
    const { publicKey } = generateKeyPairSync("ed25519");
    const key = publicKey.export({ format: "pem", type: "spki" }).toString();
    const checked = checkPlanFile(readFileSync(join(EXAMPLES, name), "utf8"), () => key);
    expect(checked.ok ? checked.warnings : checked.mistakes, name).toEqual([]);
  }
  expect(readWorkflowFile(readFileSync(join(EXAMPLES, WORKFLOW), "utf8"))).toMatchObject({ ok: true });
});
