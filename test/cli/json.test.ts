// `--json`: every answer and every error is an object a line, answers on standard output and errors on the other; and the exit
// codes. Not here: what the answers hold, which each command's own tests say.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../../src/cli/io.ts";
import { ROOT } from "../docs/snippets.ts";
import type { Ended } from "./command.ts";
import { here } from "./command.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
let planId: string;
beforeAll(async () => {
  stage = await Stage.open();
  const file = stage.file("json", "  one: { capability: smelting }\n  two: { capability: smelting, needs: [one] }\n");
  const { out } = await stage.here("--json", "apply", file, "--detach");
  ({ plan_id: planId } = one(out) as { plan_id: string });
});
afterAll(() => stage.close());

/** Lists that have nothing in them here. */
const EMPTY = ["executors", "keys", "approvals"];

const lines = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);

/** The only object. */
function one(text: string): unknown {
  const [found, ...others] = lines(text);
  expect(others).toEqual([]);
  return found;
}

function errorOf({ err }: Ended): unknown {
  return (one(err) as { error: unknown }).error;
}

describe("an error is one object on standard error, and nothing is on standard output", () => {
  test.each([
    ["goals", "goal_00000000000000000000000000"],
    ["plans", "plan_00000000000000000000000000"],
    ["steps", "plan_00000000000000000000000000", "one"],
    ["watch", "plan_00000000000000000000000000"],
    ["explain", "plan_00000000000000000000000000"],
    ["logs", "plan_00000000000000000000000000", "one"],
    ["trace", "plan_00000000000000000000000000"],
    ["diff", "plan_00000000000000000000000000"],
    ["cancel", "plan_00000000000000000000000000"],
    ["suspend", "plan_00000000000000000000000000"],
    ["resume", "plan_00000000000000000000000000"],
    ["retry", "plan_00000000000000000000000000", "one"],
    ["hold", "plan_00000000000000000000000000", "one"],
    ["release", "plan_00000000000000000000000000", "one"],
    ["skip", "plan_00000000000000000000000000", "one"],
    ["hold", "plan_00000000000000000000000000", "on*"],
    ["rerun", "plan_00000000000000000000000000", "one"],
    ["resolve", "plan_00000000000000000000000000", "one", "--success", "--reason", "seen"],
    ["approve", "appr_00000000000000000000000000"],
    ["executors", "exec_00000000000000000000000000"],
    ["executors", "drain", "exec_00000000000000000000000000"],
    ["executors", "trust", "exec_00000000000000000000000000", "1"],
  ])("refused by the server, as the contract says it: %s %s", async (...args) => {
    const ended = await stage.here(...args, "--json");
    expect(errorOf(ended)).toMatchObject({
      reason: "NOT_FOUND",
      exit_code: 1,
      refusal: { reason: "REFUSAL_REASON_NOT_FOUND", explanation: expect.any(String) as string },
    });
    expect([ended.code, ended.out]).toEqual([1, ""]);
  });

  test.each([
    ["goals", "nobody"],
    ["plans", "nobody"],
    ["watch", "nobody"],
    ["cancel", "nobody"],
    ["hold", "nobody", "one"],
    ["executors", "nobody"],
    ["keys", "revoke", "nobody"],
    ["grants", "nobody"],
  ])("a name that nobody has: %s %s", async (...args) => {
    const ended = await stage.here("--json", ...args);
    expect(errorOf(ended)).toEqual({
      reason: "NOT_FOUND",
      exit_code: 1,
      message: expect.stringMatching(/^"nobody" is no /) as string,
    });
    expect([ended.code, ended.out]).toEqual([1, ""]);
  });

  test.each([["goals"], ["plans", "x"], ["watch", "x"], ["hold", "x", "y"], ["executors"], ["keys"], ["grants"]])(
    "no server answers: %s",
    async (...args) => {
      const ended = await here(["--json", "--server", "http://127.0.0.1:1", ...args]);
      expect(errorOf(ended)).toMatchObject({
        reason: "UNREACHABLE",
        exit_code: 3,
        message: expect.stringMatching(/^no server answers at http:\/\/127\.0\.0\.1:1: /) as string,
      });
      expect([ended.code, ended.out]).toEqual([3, ""]);
    },
  );

  test.each([
    [["goals", "--no-such-flag"], /^unknown option '--no-such-flag'/],
    [["goals", "--limit", "many"], /must be a whole number from 1 to 100000/],
    [["goals", "--label", "team"], /^--label team: write name=value$/],
    [["plans", "--state", "hungry"], /Allowed choices are /],
    [["no-such-command"], /^unknown command 'no-such-command'/],
    [["watch"], /^missing required argument 'plan'/],
    [["cancel"], /^name a plan, or say which by /],
    [["keys", "create", "x"], /^say what the key may do with --grant/],
    [["resolve", "x", "y"], /^say why/],
    [["serve", "--port", "many"], /port/],
    [["completion", "tcsh"], /Allowed choices are bash, zsh, fish/],
    [["export", "--data-dir", "x", "--config", "absent.yaml"], /absent\.yaml/],
    [["import", "-"], /^an export is read twice/],
    [["--server", "ftp://x", "goals"], /is not the address of a server/],
    [[], /^name a command$/],
  ])("misused: %j", async (args, said) => {
    const ended = await stage.here(...args, "--json");
    expect(errorOf(ended)).toEqual({
      reason: "MISUSED",
      exit_code: 2,
      message: expect.stringMatching(said) as string,
    });
    expect([ended.code, ended.out]).toEqual([2, ""]);
  });

  test("a wrong plan file: every mistake with its place", async () => {
    const file = stage.file("wrong", "  one: { capability: smelting, needs: [none], color: red }\n");
    for (const args of [
      ["validate", file],
      ["apply", file],
      ["replan", planId, file],
      ["diff", planId, file],
    ]) {
      const ended = await stage.here("--json", ...args);
      expect(errorOf(ended)).toMatchObject({
        reason: "INVALID_FILE",
        exit_code: 2,
        mistakes: [{ line: 4, column: expect.any(Number) as number, path: "steps.one.color" }],
      });
      expect([ended.code, ended.out], args.join(" ")).toEqual([2, ""]);
    }
    const recording = join(stage.folder, "recording.json");
    writeFileSync(recording, "{}");
    expect(errorOf(await stage.here("--json", "import", "wfcommons", recording))).toMatchObject({
      reason: "INVALID_FILE",
      exit_code: 2,
    });
  });

  test("an installation that cannot be moved: the reason in a word", async () => {
    const ended = await stage.here("--json", "export", "--data-dir", join(stage.folder, "nowhere"), "-o", "x.gz");
    expect(errorOf(ended)).toMatchObject({ reason: "NO_INSTALLATION", exit_code: 1 });
    const foreign = await stage.here("--json", "import", stage.file("foreign", "  x: {}\n"), "--data-dir", "nowhere");
    expect(errorOf(foreign)).toMatchObject({ reason: "NOT_AN_EXPORT", exit_code: 1 });
  });

  test("a plan that did not complete: the plan is the answer, and the error says so", async () => {
    const file = stage.file("ended", "  one: { capability: smelting }\n");
    const { plan_id: id } = one((await stage.here("--json", "apply", file, "--detach")).out) as { plan_id: string };
    await stage.here("cancel", id);
    const ended = await stage.here("--json", "watch", id);
    expect(one(ended.out)).toMatchObject({ plan_id: id, state: "PLAN_STATE_CANCELLED" });
    expect(errorOf(ended)).toMatchObject({ reason: "PLAN_CANCELLED", exit_code: 1 });
    expect(ended.code).toBe(1);
  });
});

test("what is told on the way is an object as well", async () => {
  const some = await stage.here("--json", "plans", "--limit", "1");
  await stage.here("apply", stage.file("second", "  one: { capability: smelting }\n"), "--detach");
  const fewer = await stage.here("--json", "plans", "--limit", "1");
  expect(lines(fewer.out)).toHaveLength(1);
  expect([lines(some.out).length, one(fewer.err)]).toEqual([
    1,
    { notice: expect.stringMatching(/^more follow after these 1: /) as string, more: true },
  ]);
  const file = stage.file("warned", '  one: { capability: shell, input: { run: "echo ${{ goal.name }}" } }\n');
  expect(one((await stage.here("--json", "validate", file)).err)).toMatchObject({
    notice: expect.stringContaining("warning: ") as string,
    warnings: [{ line: 4 }],
  });
});

test("every answer is made of objects, help among them", async () => {
  const file = stage.file("json", "  one: { capability: smelting }\n");
  for (const args of [
    ["goals"],
    ["goals", "json"],
    ["plans"],
    ["plans", planId],
    ["steps", planId],
    ["steps", planId, "one"],
    ["approvals"],
    ["explain", planId],
    ["executors"],
    ["keys"],
    ["grants"],
    ["validate", file],
    ["apply", file, "--dry-run"],
    ["apply", stage.file("fresh", "  one: { capability: smelting }\n"), "--dry-run"],
    ["diff", planId, file],
    ["replan", planId, file, "--dry-run"],
    ["hold", planId, "two"],
    ["release", planId, "tw*"],
    ["suspend", planId],
    ["resume", "--charter", "cli", "--dry-run"],
    ["init", "-"],
    ["schema"],
    ["completion", "bash"],
    ["--version"],
    ["--help"],
    ["apply", "--help"],
  ]) {
    const { code, out, err } = await stage.here("--json", ...args);
    expect([code, err], args.join(" ")).toEqual([0, ""]);
    // A plan file is an object of its own, in as many lines as people like.
    const answers = args[0] === "init" ? [JSON.parse(out)] : lines(out);
    expect(answers.length, args.join(" ")).toBeGreaterThanOrEqual(EMPTY.includes(args[0] ?? "") ? 0 : 1);
  }
});

test("the README's table of exit codes is the command's own", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, table = ""] = /^\| exit code \| \|\n\|---\|---\|\n((?:\|.*\|\n)+)/m.exec(readme) ?? [];
  const rows = [...table.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, code, what]) => [Number(code), what]);
  expect(rows).toEqual(EXIT_CODES);
});
