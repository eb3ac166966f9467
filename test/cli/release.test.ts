// `maestro gate`, `waivers`, `packs` and `workflows`: verdicts and exit codes, who may waive, packs and their archives, runs of
// workflows. Not here: runs and artifacts themselves, see runs.test.ts; what a rule asks, see the gate's own tests.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Stage } from "./stage.ts";

const WORKFLOW = fileURLToPath(new URL("../../examples/workflow.yaml", import.meta.url));
let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

/** What a command that makes something prints: an id alone. */
async function made(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await stage.here("--quiet", ...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out.trim();
}

async function object(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await stage.here("--json", ...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Record<string, unknown>;
}

/** A run that succeeded, with one artifact that has all flags. */
async function releasable(name: string): Promise<{ readonly run: string; readonly artifact: string }> {
  const run = await made("runs", "create", name, "--status", "succeeded");
  const flags = ["--sbom", "--slsa", "--risk", "--hash", `sha256:${"a".repeat(64)}`];
  const artifact = await made("artifacts", "add", run, "s3://releases/app.tgz", "--kind", "other", ...flags);
  return { run, artifact };
}

describe("gate", () => {
  test("passes with a table and 0", async () => {
    const { run } = await releasable("passes");
    const { code, out, err } = await stage.here("gate", run);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^gate +passes$/m);
    expect(out).toMatch(/^why +Release gate passed: 1 compliant artifact\(s\) found$/m);
    expect(out).toMatch(/^RULE +VERDICT +ARTIFACT +WAIVER +WHY\n/m);
    expect(out).toMatch(/^run\.succeeded +PASSED /m);
  });

  test("does not pass with what is wrong first, and 4", async () => {
    const run = await made("runs", "create", "pending");
    const { code, out, err } = await stage.here("gate", run);
    expect({ code, err }).toEqual({ code: 4, err: "" });
    expect(out).toMatch(/^gate +does not pass$/m);
    expect(out).toMatch(/^failed rules +run\.succeeded, artifacts\.present/m);
    expect(out).toMatch(/WHY\nrun\.succeeded +FAILED /);
  });

  test("of a step that is no gate of its plan is refused", async () => {
    const { run } = await releasable("stepless");
    const { code, err } = await stage.here("gate", run, "--step", "release");
    expect(code).not.toBe(0);
    expect(err).toContain("There is no gate step release.");
  });

  test("for programs: the whole answer, and an object that says why it ended with 4", async () => {
    const run = await made("runs", "create", "pending");
    const { code, out, err } = await stage.here("--json", "gate", run);
    expect(JSON.parse(out)).toMatchObject({ run_id: run, mode: "GATE_MODE_FLAGS", passed: false });
    expect(await object("runs", "manifest", run)).toMatchObject({
      compliance_report: { release_gate_passed: false, summary: { compliant_artifacts: 0 } },
    });
    expect(JSON.parse(err)).toMatchObject({ error: { reason: "GATE_CLOSED", exit_code: 4 } });
    expect(code).toBe(4);
  });

  test("judges as if the policy said so", async () => {
    const { run } = await releasable("verified");
    const { code, out } = await stage.here("gate", run, "--mode", "verified");
    expect(out).toMatch(/^mode +VERIFIED$/m);
    expect(out).toMatch(/^provenance\.present +FAILED/m);
    expect(code).toBe(4);
  });

  test.each([
    [["gate", "run_00000000000000000000000000"], 1, /refused: NOT_FOUND/],
    [["gate", "x", "--mode", "odd"], 2, /Allowed choices are flags, verified/],
  ])("%j ends with %i", async (args, exit, said) => {
    const { code, err } = await stage.here(...args);
    expect(err).toMatch(said);
    expect(code).toBe(exit);
  });
});

describe("waivers", () => {
  test("are granted by somebody else, listed, and taken back", async () => {
    const run = await made("runs", "create", "waived", "--status", "succeeded", "--owner", "ci");
    const secret = await made("keys", "create", "auditor", "--grant", "map.maestro.*");
    const words = ["waivers", "grant", run, "artifacts.present", "--reason", "seen by two", "--expires", "7d"];
    const refused = await stage.here(...words);
    expect(refused.err).toMatch(/refused: APPROVAL_REQUIRED/);
    const granted = await stage.here("--api-key", secret, ...words);
    expect(granted.err).toMatch(new RegExp(`^waived artifacts\\.present of ${run} until \\d{4}-`));
    const waiver = granted.out.trim();
    const { out } = await stage.here("waivers", run);
    expect(out).toMatch(/^WAIVER +RUN +RULE +ARTIFACT +STATE +BY +GRANTED +EXPIRES +REASON\n/);
    expect(out).toMatch(new RegExp(`^${waiver} +${run} +artifacts\\.present +stands +auditor .* seen by two$`, "m"));
    expect((await stage.here("gate", run)).out).toMatch(new RegExp(`^artifacts\\.present +WAIVED .*${waiver}`, "m"));
    expect((await stage.here("waivers", "revoke", waiver)).out).toMatch(new RegExp(`^revoked ${waiver}: `));
    expect((await stage.here("waivers", run)).out).toMatch(/ revoked +auditor /);
    expect((await stage.here("gate", run)).out).toMatch(/^artifacts\.present +FAILED/m);
  });

  test.each([
    [["--reason", "x", "--expires", "soon"], 2, /^--expires soon: must be a duration such as 7d/],
    [["--reason", "x"], 2, /required option '--expires <when>' not specified/],
    [["--expires", "7d"], 2, /required option '--reason <text>' not specified/],
    [["--reason", "x", "--expires", "2020-01-31T12:00:00Z"], 1, /refused: /],
    [["--reason", "x", "--expires", "2020-01-31"], 1, /refused: /],
    [
      ["--reason", "x", "--expires", "2020-02-31"],
      2,
      /^--expires 2020-02-31: must be a duration such as 7d, a day, or/,
    ],
  ])("grant with %j ends with %i", async (flags, exit, said) => {
    const run = await made("runs", "create", "unwaived", "--owner", "ci");
    const { code, out, err } = await stage.here("waivers", "grant", run, "sbom.valid", ...flags);
    expect(err).toMatch(said);
    expect([code, out]).toEqual([exit, ""]);
  });
});

describe("packs", () => {
  test("are made of all that counts, listed, shown and exported", { timeout: 60_000 }, async () => {
    const { run, artifact } = await releasable("disclosed");
    const pack = await made("packs", "create", run, "--summary", "all of it", "--redact", "outcome.*");
    expect(await object("packs", pack)).toMatchObject({
      id: pack,
      run_id: run,
      artifact_ids: [artifact],
      redactions: ["outcome.*"],
    });
    const shown = await stage.here("packs", pack);
    expect(shown.out).toMatch(/^withheld +outcome\.\*$/m);
    expect(shown.out.trimEnd().split("\n").at(-1)).toBe(artifact);
    const listed = await stage.here("packs", "--run", run);
    expect(listed.out).toMatch(new RegExp(`^${pack} +${run} +1 +.* all of it$`, "m"));
    expect((await stage.here("runs", "manifest", run)).out).toMatch(new RegExp(`^pack +${pack}, `, "m"));

    const file = join(stage.folder, "all.tar.gz");
    const exported = await object("packs", "export", pack, "--output", file);
    const content = readFileSync(file);
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
    expect(exported).toMatchObject({ file, size_bytes: content.length, digest });
    expect(exported["key_id"]).toMatch(/^sha256:[0-9a-f]{64}$/);
    const keys = await stage.here("packs", "keys");
    expect(keys.out).toMatch(new RegExp(`^KEY +MADE\n${String(exported["key_id"])} +\\d{4}-`));
    expect((await object("packs", "keys"))["public_key_pem"]).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    expect(content.readUInt16BE(0)).toBe(0x1f8b);
    const again = await stage.run(["packs", "export", pack]);
    expect(again).toMatchObject({ code: 0, err: "" });
    const said = /^wrote (\S+): \d+ bytes, sha256:[0-9a-f]{64}\nsigned with sha256:[0-9a-f]{64}\n$/;
    const named = said.exec(again.out)?.[1] ?? "";
    expect(named).toMatch(/^run_\w+\.maestro-pack\.tar\.gz$/);
    expect(readFileSync(join(stage.folder, named)).length).toBeGreaterThan(0);
    expect(readdirSync(stage.folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test.each([
    [["packs", "pack_00000000000000000000000000"], /refused: NOT_FOUND/],
    [["packs", "export", "pack_00000000000000000000000000", "--output", "absent.tar.gz"], /refused: NOT_FOUND/],
  ])("%j is refused, and leaves nothing", async (args, said) => {
    const { code, out, err } = await stage.here(...args);
    expect(err).toMatch(said);
    expect([code, out]).toEqual([1, ""]);
    expect(existsSync("absent.tar.gz")).toBe(false);
  });

  test("of nothing new are refused", async () => {
    const { run } = await releasable("twice");
    await made("packs", "create", run, "--summary", "once");
    expect((await stage.here("packs", "create", run, "--summary", "once")).err).toMatch(/refused: ALREADY_EXISTS/);
  });
});

describe("workflows", () => {
  test("are made from a file, shown and listed, and runs are made of them", { timeout: 60_000 }, async () => {
    const workflow = await made("workflows", "create", WORKFLOW);
    const shown = await stage.here("workflows", workflow);
    expect(shown.out).toMatch(/^TASK +AGENT +NEEDS\n/m);
    expect(shown.out).toMatch(/^publish +shell +analyse, review$/m);
    expect((await stage.here("workflows")).out).toMatch(new RegExp(`^${workflow} +4 +.*nightly-report$`, "m"));

    const run = await made("workflows", "run", workflow, "tonight", "--owner", "ops", "--metadata", "why=test");
    const found = await stage.here("runs", run);
    expect(found.out).toMatch(/^owner +ops$/m);
    expect(found.out).toMatch(new RegExp(`^workflow +${workflow}$`, "m"));
    expect(found.out).toMatch(/^TASK +STATUS +AGENT +STEP/m);
    expect(found.out).toMatch(/^collect +PENDING +collector +collect$/m);
  });

  test.each([
    [{ c: ["a", "b"], b: "a" }],
    [
      [
        { task: "c", depends_on: ["a", "b"] },
        { task: "b", depends_on: "a" },
      ],
    ],
  ])("a file may name dependencies as %j", async (dependencies) => {
    const file = join(stage.folder, "forms.json");
    const tasks = ["a", "b", "c"].map((name) => ({ name, agent_type: "x" }));
    writeFileSync(file, JSON.stringify({ name: "forms", tasks, dependencies }));
    expect(await object("workflows", await made("workflows", "create", file))).toMatchObject({
      dependencies: [
        { task: "c", depends_on: "a" },
        { task: "c", depends_on: "b" },
        { task: "b", depends_on: "a" },
      ],
    });
  });

  test("a file may name dependencies one by one, and every mistake in it is told", async () => {
    const file = join(stage.folder, "flow.json");
    const tasks = ["a", "b"].map((name) => ({ name, agent_type: "x" }));
    writeFileSync(file, JSON.stringify({ name: "f", tasks, dependencies: [{ task: "b", depends_on: "a" }] }));
    const workflow = await made("workflows", "create", file);
    expect(await object("workflows", workflow)).toMatchObject({ dependencies: [{ task: "b", depends_on: "a" }] });
    writeFileSync(file, JSON.stringify({ tasks: [{ name: "a", agent: "x" }], dependencies: 3 }));
    const { code, err } = await stage.here("workflows", "create", file);
    expect(err).toMatch(/"name" is missing/);
    expect(err).toMatch(/tasks\[0\]\.agent: unknown key/);
    expect(err).toMatch(/dependencies: must be a list of \{ task, depends_on \}, or a map/);
    expect(code).toBe(2);
  });

  test.each([
    [["workflows", "wf_00000000000000000000000000"], 1, /refused: NOT_FOUND/],
    [["workflows", "run", "wf_00000000000000000000000000", "x"], 1, /refused: NOT_FOUND/],
    [["workflows", "create", "absent.yaml"], 2, /^absent\.yaml cannot be read/],
  ])("%j ends with %i", async (args, exit, said) => {
    const { code, err } = await stage.here(...args);
    expect(err).toMatch(said);
    expect(code).toBe(exit);
  });
});
