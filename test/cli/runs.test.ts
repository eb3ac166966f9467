// `maestro runs` and `artifacts`: made, listed, shown and changed, of plans and of work done elsewhere; files that are uploaded on
// the way. Not here: the gate, packs, waivers and workflows, see release.test.ts.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../support/artifacts.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
let planId = "";
beforeAll(async () => {
  stage = await Stage.open();
  planId = await stage.begin("packing", "  smelt: { capability: smelting }\n");
});
afterAll(() => stage.close());

/** What a command that makes something prints: an id alone. */
async function made(...args: readonly string[]): Promise<string> {
  const { code, out, err } = await stage.here("--quiet", ...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^[a-z]+_[0-9a-z]{26}\n$/);
  return out.trim();
}

async function object(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, out, err } = await stage.here("--json", ...args);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as Record<string, unknown>;
}

describe("runs", () => {
  test("of work done elsewhere are told of, changed and shown", async () => {
    const { out, err } = await stage.here(
      ...["runs", "create", "nightly", "--owner", "ci", "--status", "running", "--cost-estimate", "2.5"],
      ...["--entity", "e-1", "--decision", "d-1", "--metadata", "branch=main"],
    );
    expect(err).toBe('made run "nightly" of ci: RUNNING\n');
    const run = out.trim();
    const changed = await stage.here("runs", "update", run, "--status", "succeeded", "--cost-actual", "2.1");
    expect(changed).toMatchObject({ code: 0, out: `changed ${run} "nightly": SUCCEEDED\n` });
    const shown = await stage.here("runs", run);
    expect(shown.out).toMatch(/^owner +ci$/m);
    expect(shown.out).toMatch(/^status +SUCCEEDED$/m);
    expect(shown.out).toMatch(/^ended +\d{4}-/m);
    expect(shown.out).toMatch(/^estimate +2\.5$/m);
    expect(shown.out).toMatch(/^cost +2\.1$/m);
    expect(shown.out).toMatch(/^entities +e-1$/m);
    expect(shown.out).toMatch(/^metadata +\{"branch":"main"\}$/m);
    expect(await object("runs", run)).toMatchObject({ id: run, status: "RUN_STATUS_SUCCEEDED", cost_actual: 2.1 });
  });

  test("belong to whoever tells of them unless another owner is named", async () => {
    expect(await object("runs", await made("runs", "create", "mine"))).toMatchObject({ owner: "local", name: "mine" });
  });

  test("of plans are found by the plan, its goal and its goal's name", async () => {
    const byName = await object("runs", "packing");
    expect(byName).toMatchObject({ name: "packing", plan_id: planId, status: "RUN_STATUS_RUNNING", charter: "cli" });
    for (const named of [planId, String(byName["id"])]) expect(await object("runs", named)).toEqual(byName);
  });

  test("are found by their own names, also those of no plan, unless several have them", async () => {
    const told = await made("runs", "create", "told by name");
    expect(await object("runs", "told by name")).toMatchObject({ id: told });
    expect((await stage.here("runs", "update", "packing", "--name", "renamed")).code).toBe(0);
    expect(await object("runs", "renamed")).toMatchObject({ plan_id: planId, name: "renamed" });
    expect((await stage.here("runs", "update", "renamed", "--name", "packing")).code).toBe(0);
    const twice = [await made("runs", "create", "twice"), await made("runs", "create", "twice")];
    const { code, err } = await stage.here("runs", "twice");
    expect(code).toBe(2);
    expect(err).toMatch(/2 runs are named "twice", newest first; name one by its id:/);
    for (const id of twice) expect(err).toMatch(new RegExp(`^ {2}${id} {2}PENDING$`, "m"));
  });

  test("are listed by owner and status, newest first", async () => {
    const first = await made("runs", "create", "first", "--owner", "lists", "--status", "failed");
    const second = await made("runs", "create", "second", "--owner", "lists");
    const { out } = await stage.here("runs", "--owner", "lists");
    expect(out).toMatch(/^RUN +STATUS +OWNER +STARTED +ENDED +COST +NAME\n/);
    expect([...out.matchAll(/^run_\w+/gm)].map(([id]) => id)).toEqual([second, first]);
    const failed = await stage.here("runs", "--owner", "lists", "--status", "failed");
    expect([...failed.out.matchAll(/^run_\w+/gm)].map(([id]) => id)).toEqual([first]);
    expect((await stage.here("runs", "--owner", "nobody")).out).toBe("no runs\n");
    expect((await stage.here("runs", "--owner", "lists", "--limit", "1")).err).toMatch(/^more follow after these 1/);
  });

  test.each([
    [["runs", "update", "packing"], 2, /^say what is to be changed/],
    [["runs", "update", "packing", "--status", "succeeded"], 1, /refused: STATE_CONFLICT/],
    [["runs", "run_00000000000000000000000000"], 1, /refused: NOT_FOUND/],
    [["runs", "run_short"], 1, /refused: NOT_FOUND/],
    [["runs", "absent"], 1, /"absent" is no run's id, .* no name of a goal or of one/],
    [["runs", "create", "x", "--cost-estimate", "-1"], 2, /must be a number from 0 to 1,000,000,000,000/],
    [["runs", "create", "x", "--cost-estimate", "1e30"], 2, /must be a number from 0 to 1,000,000,000,000/],
    [["runs", "update", "x", "--cost-actual", "abc"], 2, /must be a number from 0 to 1,000,000,000,000/],
    [["runs", "create", "x", "--status", "odd"], 2, /Allowed choices are pending, running/],
    [["runs", "create", "x", "--metadata", "odd"], 2, /--metadata odd: write name=value/],
    [["runs", "update", "packing", "--finished-at", "noon"], 2, /must be a time such as/],
  ])("%j ends with %i", async (args, exit, said) => {
    const { code, out, err } = await stage.here(...args);
    expect(err).toMatch(said);
    expect([code, out]).toEqual([exit, ""]);
  });
});

describe("artifacts", () => {
  test("a file is uploaded, and known by its digest", async () => {
    const run = await made("runs", "create", "with files");
    const file = join(stage.folder, "bill.cdx.json");
    writeFileSync(file, '{"bomFormat":"CycloneDX"}');
    const digest = digestOf(Buffer.from('{"bomFormat":"CycloneDX"}'));
    const added = await stage.here(
      "artifacts",
      "add",
      run,
      file,
      "--kind",
      "sbom",
      "--content-type",
      "application/json",
    );
    expect(added.err).toBe(`made ${file} known as SBOM of ${run}: max://artifact/${digest}\n`);
    expect(await object("artifacts", added.out.trim())).toMatchObject({
      run_id: run,
      kind: "ARTIFACT_KIND_SBOM",
      content_hash: digest,
      path_or_uri: `max://artifact/${digest}`,
      metadata_json: {
        sbom_present: true,
        additional_metadata: { name: "bill.cdx.json", content_type: "application/json", size_bytes: 25 },
      },
    });
    const { artifact } = await stage.client.artifacts.getArtifact({ uri: `max://artifact/${digest}` });
    expect(artifact?.name).toBe("bill.cdx.json");
  });

  test("a file of several chunks arrives whole, and is not sent twice", { timeout: 60_000 }, async () => {
    const run = await made("runs", "create", "large");
    const file = join(stage.folder, "large.bin");
    const content = Buffer.alloc(2_500_000, "abc");
    writeFileSync(file, content);
    for (let i = 0; i < 2; i++) await made("artifacts", "add", run, file, "--kind", "other");
    const parts: Uint8Array[] = [];
    const uri = `max://artifact/${digestOf(content)}`;
    for await (const { message } of stage.client.artifacts.downloadArtifact({ uri }))
      if (message.case === "part") parts.push(message.value.data);
    expect(Buffer.concat(parts).equals(content)).toBe(true);
  });

  test("an empty file is taken, and said to be empty", async () => {
    const file = join(stage.folder, "empty.json");
    writeFileSync(file, "");
    const { code, err } = await stage.here("--quiet", "artifacts", "add", "packing", file, "--kind", "sbom");
    expect({ code, err }).toEqual({ code: 0, err: `${file} is empty: it speaks for nothing\n` });
  });

  test.skipIf(!existsSync("/proc/self/mem"))("a file that the system cannot read is told by its name", async () => {
    const { code, err } = await stage.here("artifacts", "add", "packing", "/proc/self/mem", "--kind", "sbom");
    expect(err).toMatch(/^\/proc\/self\/mem cannot be read: the system cannot read it/);
    expect(code).toBe(2);
  });

  test("an address is taken as it is, with what is said of it", async () => {
    const run = await made("runs", "create", "elsewhere");
    const id = await made(
      ...["artifacts", "add", run, "s3://releases/app.tgz", "--kind", "other", "--hash", "sha256:abc"],
      ...["--sbom", "--slsa", "--risk", "--metadata", "team=core"],
    );
    const shown = await stage.here("artifacts", id);
    expect(shown.out).toMatch(/^where +s3:\/\/releases\/app\.tgz$/m);
    expect(shown.out).toMatch(/^digest +sha256:abc$/m);
    expect(shown.out).toMatch(/^flags +sbom slsa risk$/m);
    expect(shown.out).toMatch(/^more +\{"team":"core"\}$/m);
  });

  test("are listed by run and kind, newest first", async () => {
    const run = await made("runs", "create", "listed");
    const log = await made("artifacts", "add", run, "https://ci.example/log", "--kind", "build-log");
    const other = await made("artifacts", "add", run, "https://ci.example/app", "--kind", "other");
    const { out } = await stage.here("artifacts", "--run", run);
    expect(out).toMatch(/^ARTIFACT +RUN +KIND +FLAGS +STEP +MADE +WHERE\n/);
    expect([...out.matchAll(/^art_\w+/gm)].map(([id]) => id)).toEqual([other, log]);
    const logs = await stage.here("artifacts", "--run", run, "--kind", "build_log");
    expect([...logs.out.matchAll(/^art_\w+/gm)].map(([id]) => id)).toEqual([log]);
    const none = await made("runs", "create", "bare");
    expect((await stage.here("artifacts", "--run", none)).out).toBe("no artifacts\n");
  });

  test.each([
    [["artifacts", "add", "packing", "absent.json", "--kind", "sbom"], 2, /^absent\.json is no file, and no address/],
    [["artifacts", "add", "packing", "s3://a/b"], 2, /required option '--kind <kind>' not specified/],
    [["artifacts", "add", "packing", "s3://a/b", "--kind", "odd"], 2, /Allowed choices are sbom, slsa_provenance/],
    [["artifacts", "add", "packing", "s3://a/b", "--kind", "sbom", "--hash", "odd"], 1, /refused: INVALID_REQUEST/],
    [["artifacts", "add", "run_00000000000000000000000000", "s3://a/b", "--kind", "sbom"], 1, /refused: NOT_FOUND/],
    [["artifacts", "art_00000000000000000000000000"], 1, /refused: NOT_FOUND/],
  ])("%j ends with %i", async (args, exit, said) => {
    const { code, out, err } = await stage.here(...args);
    expect(err).toMatch(said);
    expect([code, out]).toEqual([exit, ""]);
  });

  test("a wrong digest of a file is refused", async () => {
    const file = join(stage.folder, "other.bin");
    writeFileSync(file, "other");
    const wrong = `sha256:${"0".repeat(64)}`;
    const { code, err } = await stage.here("artifacts", "add", "packing", file, "--kind", "other", "--hash", wrong);
    expect(err).toMatch(/refused: CONTRADICTORY_EVIDENCE/);
    expect(code).toBe(1);
  });
});
