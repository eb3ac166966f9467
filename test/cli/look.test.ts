// `maestro watch`, `explain`, `logs` and `trace` on a plan with a step that is held. Not here: applying, see apply.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Gate } from "./stage.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("look-shell");
});
afterAll(() => stage.close());

const heldBy = (
  gate: Gate,
): string => `  held: { capability: shell, input: { run: "echo begun; ${gate.wait}; echo done" } }
  after: { capability: shell, needs: [held], input: { run: echo after } }
  other: { capability: smelting, needs: [held] }
`;

describe("a plan whose step runs", () => {
  let planId: string;
  let gate: Gate;
  beforeAll(async () => {
    gate = stage.gate("runs");
    planId = await stage.begin("runs", heldBy(gate));
  });

  test("is watched, explained and followed until the step ends", async () => {
    const following = stage.start(["logs", planId, "held", "--follow"]);
    const watching = stage.start(["watch", planId]);
    await following.line(/^begun$/);
    const [kept, step, all, json] = await Promise.all([
      stage.run(["logs", planId, "held"]),
      stage.run(["explain", planId, "after"]),
      stage.run(["explain", planId]),
      stage.run(["--json", "explain", planId]),
    ]);
    // Without --follow it does not wait for the end.
    expect(kept).toEqual({ code: 0, out: "begun\n", err: "" });
    expect(step.out).toMatch(/^after {2}PENDING {2}DEPENDENCY: .*held/m);
    expect(step.out).not.toMatch(/^other /m);
    expect(all.out).toMatch(/^held {2}LEASED {2}/m);
    expect(all.out).toMatch(/^other {2}PENDING {2}/m);
    expect(JSON.parse(json.out)).toMatchObject({ waiting: expect.arrayContaining([]) as unknown });
    expect(following.out).toBe("begun\n");

    await gate.open();
    // It ends by itself with the step, although the plan goes on: nobody can do `other`.
    expect(await following.ended).toEqual({ code: 0, out: "begun\ndone\n", err: "" });
    await watching.line(/✓ after SUCCEEDED/);
    const nobody = await stage.run(["explain", planId, "other"]);
    expect(nobody.out).toMatch(/^other {2}READY {2}[A-Z_]+: .*smelting/m);

    await stage.client.plans.cancelPlan({ planId, reason: "enough", idempotencyKey: stage.client.newKey() });
    const watched = await watching.ended;
    expect(watched.out).toMatch(/– other CANCELLED/);
    expect(watched.err).toMatch(/^plan plan_\w+ CANCELLED in .*; 2 of 3 steps succeeded; used .*enough/m);
    expect(watched.code).toBe(1);
  });

  test("is traced when it is over", async () => {
    const [all, json, absent] = await Promise.all([
      stage.run(["trace", planId]),
      stage.run(["--json", "trace", planId]),
      stage.run(["trace", planId, "absent"]),
    ]);
    expect(all.code).toBe(0);
    expect(all.out).toMatch(/^STEP \(\* on the critical path\) +STATE +PLANNED +WAITING +QUEUEING +EXECUTING/);
    expect(all.out).toMatch(/^\* held +SUCCEEDED /m);
    expect(all.out).toMatch(/^look-shell +2\/2 /m);
    expect(all.out).toMatch(/^critical path: held → /m);
    const traced = JSON.parse(json.out) as { steps: { key: string; attempts: number }[] };
    expect(traced.steps.find(({ key }) => key === "held")).toMatchObject({ attempts: 1 });
    expect(absent).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^maestro: refused: NOT_FOUND — .*absent/) as unknown,
    });
  });
});

test("a failure's root cause is traced", async () => {
  const planId = await stage.begin(
    "blame",
    `  broken: { capability: shell, input: { run: "echo no such luck >&2; exit 3" } }
  victim: { capability: shell, needs: [broken], input: { run: "true" } }
`,
  );
  const watched = await stage.run(["watch", planId]);
  expect(watched.code).toBe(1);
  expect(watched.err).toMatch(/^✗ broken failed after 1 attempt: .*no such luck\n {4}no such luck\n/);
  const { out } = await stage.run(["trace", planId]);
  expect(out).toMatch(/^root cause: broken: the command ended with exit code 3: no such luck \(\d+ steps? /m);
});

test("lines are those of the newest attempt, not of one before it, nor of what undoes an older row", async () => {
  const step = (run: string): string =>
    `  a: { capability: shell, input: { run: '${run}' }, retry: { max: 2, initial_backoff: 1ms }, compensation: { capability: shell, input: { run: echo undone } } }\n`;
  const planId = await stage.begin("lines", step('[ "$MAESTRO_ATTEMPT" = 2 ] || { echo busy; exit 75; }'));
  expect((await stage.here("watch", planId)).code).toBe(0);
  expect(await stage.here("logs", planId, "a")).toEqual({ code: 0, out: "", err: "" });
  expect((await stage.here("replan", planId, stage.file("lines", step("echo anew")))).code).toBe(0);
  expect((await stage.here("watch", planId)).out).toMatch(/COMPLETED/);
  expect((await stage.here("logs", planId, "a")).out).toBe("anew\n");
});

test("lines that pretend to be something else are made harmless", async () => {
  const planId = await stage.begin(
    "harmless",
    `  odd: { capability: shell, input: { run: "printf '\\\\033[2Jgone\\\\rover\\\\n'" } }\n`,
  );
  await stage.run(["watch", planId]);
  const { out } = await stage.run(["logs", planId, "odd"]);
  expect(out).toContain("gone");
  expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

test.each([
  [["watch", "plan_00000000000000000000000000"], /^maestro: refused: NOT_FOUND — /],
  [["watch", "nonsense"], /^maestro: "nonsense" is no plan id, no goal id, and no goal's name$/m],
  [["logs", "plan_00000000000000000000000000", "x"], /^maestro: refused: NOT_FOUND — /],
  [["explain", "plan_00000000000000000000000000"], /^maestro: refused: NOT_FOUND — /],
])("%j finds nothing: exit code 1", async (args, said) => {
  const { code, err, out } = await stage.run(args);
  expect(err).toMatch(said);
  expect([code, out]).toEqual([1, ""]);
});
