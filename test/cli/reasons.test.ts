// What the command says of steps that nobody performed, and of questions to approvers, with their answers. Not here: steps
// that ran, see look.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Stage, planIn } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("reasons-shell");
});
afterAll(() => stage.close());

test("a step that fails before its first attempt says why, live, at the end and when explained", async () => {
  const steps = `  src: { capability: shell, input: { run: "true" } }
  bad:
    capability: shell
    needs: [src]
    input: { run: [echo, "\${{ steps.src.outputs.exit_code }}"], env: { N: "\${{ steps.src.outputs.exit_code }}" } }
    input_schema: { type: object, properties: { run: { type: string } } }
`;
  const { code, out, err } = await stage.run(["apply", stage.file("bad", steps)]);
  expect(code).toBe(1);
  expect(out).toMatch(/✗ bad FAILED: .*input/);
  expect(err).toMatch(/^✗ bad failed before its first attempt: .*input/m);
  expect(err).not.toContain("no reason given");
  expect((await stage.run(["explain", planIn(out), "bad"])).out).toMatch(/^bad {2}FAILED: .*input/m);
  for (const list of ["plans", "steps"])
    expect((await stage.here(list, planIn(out))).out, list).toMatch(/^bad +FAILED +0 .*input/m);

  const again = await stage.run(["apply", stage.file("bad", steps)]);
  expect(again.out).toMatch(/^nothing changed: plan_\w+ stays as it is, FAILED; --again begins a new goal$/m);
  expect(again.code).toBe(1);
});

test("a skipped step says why, live and when explained", async () => {
  const steps = `  src: { capability: shell, input: { run: "true" } }
  off: { capability: shell, needs: [src], condition: "1 > 2", input: { run: "true" } }
  below: { capability: shell, needs: [off], input: { run: "true" } }
`;
  const { out } = await stage.run(["apply", stage.file("skips", steps)]);
  expect(out).toMatch(/– off SKIPPED: its condition is false: 1 > 2$/m);
  expect(out).toMatch(/– below SKIPPED: off, which it needs, is SKIPPED$/m);
  const [off, done] = await Promise.all(["off", "src"].map((step) => stage.run(["explain", planIn(out), step])));
  expect(off?.out).toMatch(/^off {2}SKIPPED: its condition is false: 1 > 2$/m);
  expect(done?.out).toMatch(/^src {2}SUCCEEDED after 1 attempt$/m);
});

test("a plan that waits for an approver says so and how to answer, and goes on with the answer", async () => {
  const steps = `  asks: { capability: shell, requires_approval: true, input: { run: "true" } }
  fails: { capability: shell, needs: [asks], on_failure: ask, input: { run: "exit 7" } }
`;
  const applied = stage.start(["apply", stage.file("asks", steps)]);
  const asked = async (nth: number): Promise<string> =>
    (await applied.line(/waits for approval (appr_\w+): /, nth))[1] ?? "";
  const first = await asked(1);
  await applied.line(new RegExp(`answer with: maestro --server \\S+ approve ${first}, or .* reject ${first}$`));
  const yes = await stage.run(["approve", first, "--comment", "go"]);
  expect(yes).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^approved appr_\w+ of plan_\w+: May step asks/) as unknown,
  });

  const second = await asked(2);
  const watching = stage.start(["watch", planIn(applied.out)]);
  await watching.line(new RegExp(`waits for approval ${second}: Step fails failed`));
  expect((await stage.run(["--json", "reject", second])).out).toContain('"state":"APPROVAL_STATE_REJECTED"');
  expect((await applied.ended).code).toBe(1);
  expect((await watching.ended).code).toBe(1);
  // Decided is decided.
  expect(await stage.run(["approve", second])).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^maestro: refused: /) as unknown,
  });
});
