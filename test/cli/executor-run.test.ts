// `maestro executor run`: whose steps it takes, how it ends, and how what it runs ends. Not here: commands themselves, see
// test/executor.
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli } from "../../src/cli/cli.ts";
import { gone, pidIn } from "../executor/shell-support.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

test("takes steps of the org that it names and its key belongs to, and of no other", async () => {
  const made = await stage.client.identity.createOrg({ name: "guests", idempotencyKey: stage.client.newKey() });
  const env = { MAESTRO_API_KEY: made.secret };
  // A key of another org than those that may run commands here.
  const wrong = await stage.run(["executor", "run", "--org", "default"], { env });
  expect(wrong).toMatchObject({
    code: 2,
    err: expect.stringMatching(/belongs to org guests .*--org does not name/) as unknown,
  });

  const executor = stage.start(["executor", "run", "--name", "guest-shell", "--org", "default", "--org", "guests"], {
    env,
  });
  await executor.line(/^attached as exec_/);
  const own = await stage.begin("own", `  mine: { capability: shell, input: { run: echo mine } }\n`);
  const theirs = await stage.run(
    ["apply", stage.file("theirs", `  theirs: { capability: shell, input: { run: echo theirs } }\n`)],
    { env },
  );
  expect(theirs.out).toMatch(/; 1 of 1 step succeeded;/);
  expect(executor.out).toMatch(/^✓ plan_\w+ theirs success$/m);
  const { steps } = await stage.client.steps.listSteps({ planId: own });
  expect(steps[0]).toMatchObject({ attempt: 0 });
  expect(executor.out).not.toContain("mine");

  executor.signal("SIGTERM");
  expect((await executor.ended).code).toBe(0);
});

test("told to end while a step runs, it finishes the step, takes no other, and says goodbye", async () => {
  const executor = await stage.executor("drains", "--slots", "1", "--label", "test=drain");
  const gate = stage.gate("drains");
  const labels = "executor_labels: { test: drain }";
  const planId = await stage.begin(
    "drains",
    `  held: { capability: shell, ${labels}, input: { run: "${gate.wait}; echo done" } }
  next: { capability: shell, ${labels}, needs: [held], input: { run: "true" } }
`,
  );
  await executor.line(/^▶ plan_\w+ held \(fencing \d+\)$/);
  executor.signal("SIGTERM");
  await executor.line(/^draining: /);
  await gate.open();
  const { code, out, err } = await executor.ended;
  expect(err).toBe("");
  expect(out).toMatch(/^✓ plan_\w+ held success$/m);
  expect(out).not.toContain("next");
  expect(out.trimEnd()).toMatch(/closed$/);
  expect(code).toBe(0);
  const { steps } = await stage.client.steps.listSteps({ planId });
  const word = new Map(steps.map(({ key, attempt, finishedAt }) => [key, [attempt, finishedAt !== undefined]]));
  expect(word.get("held")).toEqual([1, true]);
  expect(word.get("next")).toEqual([0, false]);
});

test("told twice, it ends what runs; the step goes to another without burning an attempt", async () => {
  const first = await stage.executor("hurried", "--label", "test=hurry");
  const steps = `  held: { capability: shell, executor_labels: { test: hurry }, input: { run: "echo $$; sleep 300 & wait" } }\n`;
  const planId = await stage.begin("hurried", steps);
  const following = stage.start(["logs", planId, "held", "--follow"]);
  const pid = pidIn((await following.line(/^\d+$/))[0]);
  const second = await stage.executor("spare", "--label", "test=hurry");
  first.signal("SIGTERM");
  await first.line(/^draining: /);
  first.signal("SIGTERM");
  await first.ended;
  await gone(pid);
  await second.line(/^▶ plan_\w+ held /);
  const { attempts } = await stage.client.steps.listAttempts({ planId, step: "held" });
  expect(attempts.length).toBeGreaterThan(0);
  await stage.client.plans.cancelPlan({ planId, idempotencyKey: stage.client.newKey() });
  await second.line(/^✗ plan_\w+ held /);
});

test("a cancelled plan ends the step's whole process tree", async () => {
  const executor = await stage.executor("cancels", "--label", "test=cancel");
  // The shell does not listen, and its child has left nothing that says whose it is but its parent.
  const run =
    "trap '' TERM; sh -c 'trap \\\"\\\" TERM; echo child $$; while :; do sleep 1; done' & echo shell $$; wait";
  const steps = `  held: { capability: shell, executor_labels: { test: cancel }, input: { run: "${run}", grace: 100ms } }\n`;
  const planId = await stage.begin("cancels", steps);
  const following = stage.start(["logs", planId, "held", "-f"]);
  const [shell, child] = await Promise.all([following.line(/^shell \d+$/), following.line(/^child \d+$/)]);
  await stage.client.plans.cancelPlan({ planId, reason: "enough", idempotencyKey: stage.client.newKey() });
  await executor.line(/^■ plan_\w+ held: /);
  await Promise.all([gone(pidIn(shell[0])), gone(pidIn(child[0]))]);
  await executor.line(/^✗ plan_\w+ held /);
  expect((await following.ended).code).toBe(0);
  const { steps: ended } = await stage.client.steps.listSteps({ planId });
  expect(ended[0]?.finishedAt).toBeDefined();
});

test("waits for a server that is not there yet, and says its events as JSON", async () => {
  const waiting = stage.start(["--server", "127.0.0.1:1", "executor", "run", "--name", "early"]);
  await waiting.line(/^waiting for 127\.0\.0\.1:1$/);
  waiting.signal("SIGTERM");
  expect((await waiting.ended).code).toBe(130);

  const json = stage.start(["--json", "executor", "run", "--name", "json", "--capability", "other"]);
  const [attached] = await json.line(/^\{.*\}$/);
  expect(JSON.parse(attached)).toMatchObject({ kind: "attached", resumed: 0 });
  json.signal("SIGINT");
  const { code, out } = await json.ended;
  expect(code).toBe(0);
  const kinds = out
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { kind: string }).kind);
  expect(kinds).toEqual(["attached", "draining", "closed"]);
});

test("an API key that is none ends it at once: exit code 1", async () => {
  const { code, err } = await stage.run(["--api-key", "mk_nonsense", "executor", "run"]);
  expect(err).toMatch(/^maestro: refused: UNAUTHENTICATED — /);
  expect(code).toBe(1);
});

test("forgets its API key as soon as it was read", async () => {
  const env: Record<string, string | undefined> = { MAESTRO_API_KEY: "secret" };
  const end = new AbortController();
  // Nobody listens there: it says that it waits.
  const waits = new Promise<void>((resolve) => {
    const io = { out: () => undefined, err: () => resolve(), terminal: false, columns: 80, env, signal: end.signal };
    void runCli(["--server", "http://127.0.0.1:1", "executor", "run"], io);
  });
  await waits;
  end.abort();
  expect(env).toEqual({});
});
