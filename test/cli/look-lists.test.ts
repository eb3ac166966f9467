// `maestro steps`, `approvals`, and lists that are watched: what an operator looks at while work goes on. Not here: goals, plans and
// executors, see lists.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { Stage } from "./stage.ts";

const TIME = { timeout: 60_000 };

let stage: Stage;
let planId: string;
beforeAll(async () => {
  stage = await Stage.open();
  planId = await stage.begin(
    "looked",
    `  done: { capability: smelting, title: the first }
  asks: { capability: smelting, requires_approval: true }
  after: { capability: smelting, needs: [done] }
`,
  );
  await stage.here("resolve", planId, "done", "--failure", "cold", "--reason", "seen");
});
afterAll(() => stage.close());

test("a plan's steps are listed by state, and one is shown with what was tried", TIME, async () => {
  const all = await stage.here("steps", "looked");
  expect(all.out).toMatch(/^STEP +STATE +ATTEMPTS +EXECUTOR +BEGAN +ENDED +FAILURE\n/);
  expect(all.out.trimEnd().split("\n")).toHaveLength(4);
  const failed = await stage.here("steps", planId, "--state", "failed");
  expect(failed.out).toMatch(/^done +FAILED .*cold$/m);
  expect(failed.out.trimEnd().split("\n")).toHaveLength(2);
  const shown = await stage.here("steps", planId, "done");
  expect(shown.out).toMatch(/^title +the first$/m);
  expect(shown.out).toMatch(/^failure +cold$/m);
  const json = JSON.parse((await stage.here("--json", "steps", planId, "done")).out) as object;
  expect(json).toMatchObject({
    step: { key: "done", state: "STEP_STATE_FAILED" },
    attempts: expect.any(Array) as unknown,
  });
});

test("questions are listed with their ids, and explaining a plan says how to answer", TIME, async () => {
  const id = await stage.begin("asking", "  asks: { capability: smelting, requires_approval: true }\n");
  const { out } = await stage.here("approvals", "asking");
  const [, approval = ""] = /^(appr_\w+) +plan_\w+ +PENDING .*May step asks/m.exec(out) ?? [];
  expect(approval).not.toBe("");
  expect((await stage.here("explain", id)).out).toMatch(new RegExp(`approve ${approval}, or .* reject ${approval}\n$`));
  await stage.here("approve", approval);
  expect((await stage.here("approvals", "asking")).out).toBe("no question waits for an answer\n");
  expect((await stage.here("approvals", "asking", "--answered")).out).toMatch(/^appr_\w+ .*APPROVED/m);
});

test("a list that is watched tells what changed, until it is interrupted", TIME, async () => {
  const id = await stage.begin("watched", "  one: { capability: smelting }\n");
  const end = new AbortController();
  let said = "";
  let hear = (): void => undefined;
  const code = runCli(["plans", "--goal", "watched", "--watch"], {
    out: (text) => {
      said += text;
      hear();
    },
    err: (text) => void (said += text),
    terminal: false,
    columns: 200,
    env: { MAESTRO_URL: stage.server.wideUrl },
    signal: end.signal,
  });
  const until = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      hear = () => {
        if (pattern.test(said)) resolve();
      };
      hear();
    });
  await until(new RegExp(`^PLAN .*\n${id} +watched +ACTIVE`, "m"));
  await stage.here("suspend", id);
  await until(new RegExp(`^${id} +watched +SUSPENDED`, "m"));
  end.abort();
  expect(await code).toBe(130);
  expect(said.trimEnd().split("\n")).toHaveLength(3);
});
