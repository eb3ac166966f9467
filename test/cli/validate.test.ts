// `maestro validate` and `schema`, and how commands say that they were misused: no server is asked. Not here: what a plan
// file may hold, see plan-file.test.ts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { maestro } from "./command.ts";
import type { CommandOptions, Ended } from "./command.ts";

const folder = mkdtempSync(join(tmpdir(), "maestro cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const GOOD = `charter: release
goal: { name: pack }
steps:
  build: { capability: shell, input: { run: make } }
  test: { capability: shell, needs: [build], input: { run: make test } }
`;
const WRONG = `charter: release
goal: { name: pack, colour: red }
steps:
  build: { capability: shell, timeout: soon }
  test: { capability: shell, needs: [biuld] }
  loop: { capability: shell, needs: [loop] }
`;

async function run(args: readonly string[], options?: CommandOptions): Promise<Ended> {
  return await maestro(args, { cwd: folder, ...options }).ended;
}

/** The same in this process, which is quicker: nothing of these is about processes. */
async function here(...args: readonly string[]): Promise<Ended> {
  const said = { out: "", err: "" };
  const code = await runCli(args, {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    terminal: false,
    columns: 200,
    env: {},
    signal: new AbortController().signal,
  });
  return { code, ...said };
}

describe("validate", () => {
  test("says what a good file holds", async () => {
    writeFileSync(join(folder, "good.yaml"), GOOD);
    const [plain, json, quiet, piped] = await Promise.all([
      run(["validate", "good.yaml"]),
      run(["--json", "validate", "good.yaml"]),
      run(["--quiet", "validate", "good.yaml"]),
      run(["validate", "-"], { stdin: GOOD }),
    ]);
    expect(plain).toEqual({
      code: 0,
      out: "good.yaml: goal pack under charter release, 2 steps, 1 edges: fine\n",
      err: "",
    });
    expect(json).toEqual({ code: 0, out: '{"ok":true,"steps":2,"edges":1}\n', err: "" });
    expect(quiet).toEqual({ code: 0, out: "", err: "" });
    expect(piped.out).toMatch(/^-: goal pack/);
  });

  test("lists every mistake with its place, and ends with exit code 2", async () => {
    writeFileSync(join(folder, "wrong.yaml"), WRONG);
    const { code, out, err } = await run(["validate", "wrong.yaml"]);
    expect(code).toBe(2);
    expect(out).toBe("");
    const lines = err.trimEnd().split("\n");
    expect(lines.slice(0, -1).every((line) => /^wrong\.yaml:\d+:\d+: /.test(line))).toBe(true);
    expect(err).toMatch(/^wrong\.yaml:2:\d+: goal\.colour: unknown key/m);
    expect(err).toMatch(/^wrong\.yaml:4:\d+: steps\.build\.timeout: /m);
    expect(lines.at(-1)).toBe(`${lines.length - 1} mistakes in wrong.yaml`);
  });

  test("finds references to nothing and circles once the file's form is right", async () => {
    const source = `${GOOD.replace("[build]", "[biuld, other]")}  other: { capability: shell, needs: [test] }\n`;
    const { code, err } = await run(["validate", "-"], { stdin: source });
    expect(code).toBe(2);
    expect(err).toMatch(/^-:5:\d+: steps\.test\.needs.*biuld/m);
    expect(err).toMatch(
      /^-:\d+:\d+: steps\.(test|other): the steps wait for each other: .*(test → other|other → test)/m,
    );
    expect(err).toMatch(/2 mistakes in -$/m);
  });

  test("says that a file cannot be read", async () => {
    expect(await run(["validate", "absent.yaml"])).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(/^absent\.yaml cannot be read: ENOENT/) as unknown,
    });
  });
});

describe("the command", () => {
  test("prints a JSON Schema for editors", async () => {
    const { code, out } = await here("schema");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ type: "object", required: ["charter", "goal", "steps"] });
  });

  test.each([
    [["nonsense"], /unknown command 'nonsense'/],
    [["validate"], /missing required argument 'file'/],
    [["watch", "plan_x", "--colour"], /unknown option '--colour'/],
    [["executor", "run", "--slots", "none"], /must be a whole number from 1 to 4096/],
    [["executor", "run", "--label", "gpu"], /--label gpu: write name=value/],
    [["apply", "plan.yaml", "--local", "--detach"], /--detach needs a server/],
    [["--server", "ftp://x", "watch", "plan_x"], /is not the address of a server/],
    [["--server", "ftp://x", "executor", "run"], /is not the address of a server/],
    [["--server", "http://198.51.100.1:8002", "executor", "run"], /name the orgs whose commands may run here/],
  ])("%j is misused: exit code 2", async (args, said) => {
    const { code, err, out } = await here(...args);
    expect(err).toMatch(said);
    expect(code).toBe(2);
    expect(out).toBe("");
  });

  test("says how to start a server when none answers: exit code 1", async () => {
    const { code, err } = await run(["--server", "127.0.0.1:1", "watch", "plan_x"]);
    expect(err).toMatch(/no server answers at 127\.0\.0\.1:1.*\n.*maestro serve/);
    expect(code).toBe(1);
  });

  test("prints help and version on standard output: exit code 0", async () => {
    const [help, version, verb] = await Promise.all([here("--help"), here("--version"), here("apply", "--help")]);
    const verbs = "serve validate schema apply watch explain logs approve reject trace executor";
    for (const command of verbs.split(" ")) expect(help.out).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(verb.out).toContain("--local");
    expect((await here("executor", "run", "--help")).out).toContain("run untrusted commands as another user");
    expect([help.code, version.code, verb.code]).toEqual([0, 0, 0]);
  });
});
