// `maestro validate` and `schema`, and how commands say that they were misused: no server is asked. Not here: what a plan
// file may hold, see plan-file.test.ts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { here, maestro } from "./command.ts";
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
      out: "good.yaml: goal pack under charter release, 2 steps, 1 edge: fine\n",
      err: "",
    });
    expect(json).toEqual({ code: 0, out: '{"ok":true,"steps":2,"edges":1}\n', err: "" });
    expect(quiet).toEqual({ code: 0, out: "", err: "" });
    expect(piped.out).toMatch(/^-: goal pack/);
  });

  test("a plan has steps", async () => {
    writeFileSync(join(folder, "none.yaml"), "charter: { name: c }\ngoal: { name: g }\nsteps: {}\n");
    const { code, err } = await run(["validate", "none.yaml"]);
    expect([code, err]).toEqual([2, "none.yaml:3:8: steps: must have at least one step\n1 mistake in none.yaml\n"]);
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
    const source = `${GOOD.replace("[build]", "[biuld, other]")}  other: { capability: shell, needs: [test], input: { run: x } }\n`;
    const { code, err } = await run(["validate", "-"], { stdin: source });
    expect(code).toBe(2);
    expect(err).toMatch(/^-:5:\d+: steps\.test\.needs.*biuld/m);
    expect(err).toMatch(
      /^-:\d+:\d+: steps\.(test|other): the steps wait for each other: .*(test → other|other → test)/m,
    );
    expect(err).toMatch(/2 mistakes in -$/m);
  });

  test("judges the input of a shell step that holds no reference", async () => {
    const steps = `  typo: { capability: shell, input: { rn: echo } }
  none: { capability: shell }
  later: { capability: shell, input: { run: "\${{ steps.typo.outputs.v }}", timeout: "\${{ goal.inputs.t }}" } }
  mine: { capability: mine, input: { rn: echo } }
`;
    const { code, err } = await run(["validate", "-"], {
      stdin: `charter: c\ngoal: { name: g, inputs: { t: 1s } }\nsteps:\n${steps}`,
    });
    expect(code).toBe(2);
    expect(err).toMatch(/^-:4:\d+: steps\.typo\.input\.rn: is unknown; did you mean `run`\?$/m);
    expect(err).toMatch(/^-:5:\d+: steps\.none.*: must be an object with `run`$/m);
    expect(err).toMatch(/^3 mistakes in -$/m);
  });

  test("warns of references in a shell's text, and not of those in a list or in env", async () => {
    const steps = `  src: { capability: shell, input: { run: make } }
  text: { capability: shell, input: { run: "echo hi \${{ steps.src.outputs.v }}" } }
  told: { capability: shell, input: { run: [bash, -ec, "echo \${{ steps.src.outputs.v }}"] } }
  list: { capability: shell, input: { run: [echo, "\${{ steps.src.outputs.v }}"] } }
  env: { capability: shell, input: { run: 'echo "$V"', env: { V: "\${{ steps.src.outputs.v }}" } } }
`;
    const stdin = `charter: c\ngoal: { name: g }\nsteps:\n${steps}`;
    const [loud, quiet] = await Promise.all([
      run(["validate", "-"], { stdin }),
      run(["--quiet", "validate", "-"], { stdin }),
    ]);
    expect(loud.code).toBe(0);
    expect(loud.out).toContain("5 steps, 4 edges: fine");
    const lines = loud.err.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^-:5:\d+: steps\.text\.input\.run: warning: a reference here becomes part of the shell's/,
    );
    expect(lines[1]).toMatch(/^-:6:\d+: steps\.told\.input\.run\[2\]: warning: .*`env`$/);
    expect(quiet).toEqual({ code: 0, out: "", err: "" });
  });

  test("is not taken in by a file that ends never, is nested without end, or speaks to the terminal", async () => {
    const evil = `charter: c\ngoal: { name: g, "\u009b31m\\e[2J": x }\nsteps: { a: { capability: "x" } }\n`;
    const [endless, deep, dashes, spoken] = await Promise.all([
      run(["validate", process.platform === "linux" ? "/dev/zero" : "-"], { stdin: " ".repeat(9 * 1024 * 1024) }),
      run(["validate", "-"], { stdin: "[".repeat(20_000) }),
      run(["validate", "-"], { stdin: "- ".repeat(20_000) }),
      run(["validate", "-"], { stdin: evil }),
    ]);
    expect(endless).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(/ is larger than 8 MiB\n$/) as unknown,
    });
    expect(deep).toEqual({ code: 2, out: "", err: "-: is nested too deeply\n1 mistake in -\n" });
    expect(dashes).toEqual(deep);
    expect(spoken.code).toBe(2);
    expect(spoken.err).toContain("[2J");
    expect(spoken.err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
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
    const { code, out } = await here(["schema"]);
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
    const { code, err, out } = await here(args);
    expect(err).toMatch(said);
    expect(code).toBe(2);
    expect(out).toBe("");
  });

  test("says how to start a server when none answers: exit code 3", async () => {
    const { code, err } = await run(["--server", "127.0.0.1:1", "watch", "plan_x"]);
    expect(err).toMatch(/no server answers at 127\.0\.0\.1:1.*\n.*maestro serve/);
    expect(code).toBe(3);
  });

  test("prints help and version on standard output: exit code 0", async () => {
    const [help, version, verb] = await Promise.all([here(["--help"]), here(["--version"]), here(["apply", "--help"])]);
    const verbs = "init serve validate schema apply watch explain logs approve reject trace executor";
    for (const command of verbs.split(" ")) expect(help.out).toMatch(new RegExp(`^ {2}${command}\\b`, "m"));
    expect(version.out).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(verb.out).toContain("--local");
    expect((await here(["executor", "run", "--help"])).out).toContain("run untrusted commands as another user");
    expect([help.code, version.code, verb.code]).toEqual([0, 0, 0]);
  });
});
