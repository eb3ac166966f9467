// What plans do, one behaviour at a time: readiness, rules of failure, retries, compensation, operators' verbs, big plans.
// Not here: everything at once under random events, see plan-random.test.ts; the account, see plan-account.test.ts.
import { afterEach, describe, expect, it } from "vitest";
import type { Decision } from "../../src/domain/refusal.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { checkWorld } from "../support/plan-invariants.ts";
import { EXECUTORS, PlanWorld } from "../support/plan-world.ts";
import type { WorldOptions } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const worlds: PlanWorld[] = [];
const UNDO: StepDefinition["compensation"] = { capability: "undo", input: null, timeoutMs: 1_000, retry: NO_RETRY };

function committed(steps: readonly StepDefinition[], options: WorldOptions = {}): PlanWorld {
  const world = new PlanWorld(options);
  expect(world.activate(steps)).toEqual({ ok: true, value: null });
  worlds.push(world);
  return world;
}

function after(...keys: readonly string[]): Partial<StepDefinition> {
  return { needs: keys.map((step) => ({ step, regardless: false })) };
}

function whatever(...keys: readonly string[]): Partial<StepDefinition> {
  return { needs: keys.map((step) => ({ step, regardless: true })) };
}

function reasonOf(decision: Decision<unknown> | undefined): string {
  return decision === undefined ? "no decision" : decision.ok ? "done" : decision.refusal.reason;
}

afterEach(() => {
  for (const world of worlds.splice(0)) checkWorld(world);
});

describe("readiness", () => {
  it("makes steps without needs ready at once, and the others when all they need has succeeded", () => {
    const world = committed([workStep("a"), workStep("b"), workStep("c", after("a", "b"))]);
    expect(world.states()).toEqual({ a: "READY", b: "READY", c: "PENDING" });
    world.perform("a");
    expect(world.states()).toMatchObject({ c: "PENDING" });
    world.perform("b");
    expect(world.states()).toMatchObject({ c: "READY" });
    world.perform("c");
    expect(world.plan).toMatchObject({ state: "COMPLETED", stepsSucceeded: 3 });
    expect(world.goal.state).toBe("ACHIEVED");
  });

  it("leases a step once", () => {
    const world = committed([workStep("a")]);
    const { ordinal } = world.row("a");
    expect(world.claim(ordinal)?.state).toBe("LEASED");
    expect(world.claim(ordinal, EXECUTORS[1])).toBeUndefined();
  });

  it("hands values from step to step, and skips what a condition excludes, with all that strictly needs it", () => {
    const world = committed([
      workStep("a"),
      workStep("small", { ...after("a"), condition: "steps.a.outputs.value < 5" }),
      workStep("large", {
        ...after("a"),
        condition: "steps.a.outputs.value >= 5",
        input: { kind: "json", text: '{"n":"${{ steps.a.outputs.value }}"}' },
      }),
      workStep("smaller", after("small")),
      workStep("both", whatever("small", "large")),
    ]);
    world.perform("a", "success", { value: 7 });
    expect(world.states()).toEqual({
      a: "SUCCEEDED",
      small: "SKIPPED",
      large: "READY",
      smaller: "SKIPPED",
      both: "PENDING",
    });
    expect(world.inputs.get(`${String(world.row("large").ordinal)}/false`)?.input).toContain('{"n":7}');
    world.perform("large");
    expect(world.states()).toMatchObject({ both: "READY" });
  });

  it("shows a condition the states that the same decision brought about", () => {
    const world = committed([
      workStep("a"),
      workStep("b", { ...after("a"), onFailure: "SKIP_DEPENDENTS" }),
      workStep("c", { condition: 'steps.b.state == "SKIPPED"' }),
    ]);
    world.command({ kind: "skip", ordinal: world.row("a").ordinal, reason: "" });
    expect(world.states()).toEqual({ a: "SKIPPED", b: "SKIPPED", c: "READY" });
  });

  it("fails a step whose references cannot be resolved, before it is leased", () => {
    const world = committed([
      workStep("a"),
      workStep("b", { input: { kind: "json", text: '{"n":"${{ steps.a.outputs.other }}"}' } }),
    ]);
    world.perform("a");
    expect(world.states()).toEqual({ a: "SUCCEEDED", b: "FAILED" });
    expect(world.plan).toMatchObject({ state: "FAILED", reason: expect.stringContaining("step b") as string });
    expect(world.records.map((r) => r.kind)).toContain("step.failed");
  });

  it("asks before a step that requires approval, and skips it when the answer is no", () => {
    const world = committed([
      workStep("a", { requiresApproval: true }),
      workStep("b", after("a")),
      workStep("c", { requiresApproval: true }),
    ]);
    expect(world.states()).toEqual({ a: "AWAITING_APPROVAL", b: "PENDING", c: "AWAITING_APPROVAL" });
    const [a, c] = world.pending;
    world.command({ kind: "decide-approval", approvalId: a?.approvalId as never, approve: true, comment: "" });
    world.command({ kind: "decide-approval", approvalId: c?.approvalId as never, approve: false, comment: "" });
    expect(world.states()).toEqual({ a: "READY", b: "PENDING", c: "SKIPPED" });
  });
});

describe("failure", () => {
  it("tries again after a backoff, and fails when its tries are used up", () => {
    const world = committed([workStep("a", { retry: { ...NO_RETRY, maxAttempts: 2, jitter: 0 } })]);
    world.perform("a", "TRANSIENT");
    expect(world.states()).toEqual({ a: "BACKING_OFF" });
    world.wakeDue();
    expect(world.states()).toEqual({ a: "BACKING_OFF" });
    world.pass(1_000);
    world.wakeDue();
    expect(world.states()).toEqual({ a: "READY" });
    world.perform("a", "TRANSIENT");
    expect(world.plan.state).toBe("FAILED");
  });

  it("does not try again what failed for good", () => {
    const world = committed([workStep("a", { retry: { ...NO_RETRY, maxAttempts: 5 } })]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toEqual({ a: "FAILED" });
  });

  it("SKIP_DEPENDENTS skips those behind it, and the plan completes", () => {
    const world = committed([
      workStep("a", { onFailure: "SKIP_DEPENDENTS" }),
      workStep("b", after("a")),
      workStep("c", after("b")),
      workStep("d"),
    ]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toEqual({ a: "FAILED", b: "SKIPPED", c: "SKIPPED", d: "READY" });
    world.perform("d");
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("CARRY_ON lets those behind it go on", () => {
    const world = committed([workStep("a", { onFailure: "CARRY_ON" }), workStep("b", after("a"))]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toEqual({ a: "FAILED", b: "READY" });
  });

  it("FAIL_PLAN cancels what has not begun, tells what runs to stop, and ends once that has stopped", () => {
    const world = committed([workStep("a"), workStep("b"), workStep("c", after("a"))]);
    const b = world.claim(world.row("b").ordinal);
    world.perform("a", "PERMANENT");
    expect(world.states()).toEqual({ a: "FAILED", b: "STOPPING", c: "CANCELLED" });
    expect(world.stops).toMatchObject([{ lease: { step: "b", fencing: b?.fencing } }]);
    expect(world.plan.state).toBe("ACTIVE");
    if (b !== undefined) world.report(world.outcome(b, "stopped"));
    expect(world.plan.state).toBe("FAILED");
    expect(world.goal.state).toBe("FAILED");
  });

  it("ASK waits for an answer: yes tries again, no fails the plan", () => {
    const world = committed([workStep("a", { onFailure: "ASK" })]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toEqual({ a: "AWAITING_APPROVAL" });
    expect(reasonOf(world.command({ kind: "hold", ordinal: 1, reason: "" }))).toBe("STATE_CONFLICT");
    world.command({
      kind: "decide-approval",
      approvalId: world.pending[0]?.approvalId as never,
      approve: true,
      comment: "",
    });
    world.perform("a", "PERMANENT");
    world.command({
      kind: "decide-approval",
      approvalId: world.pending[0]?.approvalId as never,
      approve: false,
      comment: "",
    });
    expect(world.plan.state).toBe("FAILED");
  });

  it("runs a lost step again without counting it as a failure, and ends one that loses every executor", () => {
    const world = committed([workStep("a")]);
    for (let losses = 1; losses <= 20; losses++) {
      const leased = world.claim(1);
      expect(world.lose(1, leased?.fencing ?? 0)).toBe(true);
      expect(world.states()).toEqual({ a: "READY" });
    }
    const last = world.claim(1);
    world.lose(1, last?.fencing ?? 0);
    expect(world.plan.state).toBe("FAILED");
  });

  it("does not count a step that was given back unbegun", () => {
    const world = committed([workStep("a")]);
    world.perform("a", "returned");
    expect(world.row("a")).toMatchObject({ state: "READY", attempt: 0, failures: 0 });
  });

  it("fails a success whose outputs break their schema", () => {
    const world = committed([workStep("a", { outputSchema: '{"type":"object","required":["other"]}' })]);
    world.perform("a");
    expect(world.attempts.get(`1/${String(world.row("a").fencing)}`)).toMatchObject({
      state: "FAILED",
      failure: { errorClass: "SCHEMA" },
    });
  });
});

describe("outcomes", () => {
  it("gives the same outcome the same answer and record, and changes nothing", () => {
    const world = committed([workStep("a"), workStep("b")]);
    const leased = world.claim(1);
    if (leased === undefined) throw new Error("not leased");
    const outcome = world.outcome(leased, "success");
    const first = world.report(outcome);
    const { rev } = world.plan;
    expect(world.report(outcome)).toEqual({ ok: true, value: { ...(first.ok ? first.value : {}), duplicate: true } });
    expect(world.plan.rev).toBe(rev);
  });

  it("keeps a contradiction as evidence, once, and leaves state and account as they are", () => {
    const world = committed(
      [workStep("a", { hold: { tokens: 10, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 } }), workStep("b")],
      { limits: { tokens: 100 } },
    );
    const leased = world.claim(1);
    if (leased === undefined) throw new Error("not leased");
    world.report(world.outcome(leased, "success", { usage: { tokens: 4 } }));
    const other = world.outcome(leased, "PERMANENT", { usage: { tokens: 90 } });
    expect(reasonOf(world.report(other))).toBe("CONTRADICTORY_EVIDENCE");
    expect(reasonOf(world.report(other))).toBe("CONTRADICTORY_EVIDENCE");
    expect(world.records.filter((r) => r.kind === "outcome.contradicted")).toHaveLength(1);
    expect(world.states()).toMatchObject({ a: "SUCCEEDED" });
    expect(world.plan.account.spent.tokens).toBe(4);
  });

  it("refuses a stale number, another executor's lease, and leases that never were", () => {
    const world = committed([workStep("a")]);
    const first = world.claim(1);
    if (first === undefined) throw new Error("not leased");
    world.lose(1, first.fencing);
    const second = world.claim(1);
    expect(second?.fencing).toBeGreaterThan(first.fencing);
    expect(reasonOf(world.report(world.outcome(first, "success")))).toBe("STALE_LEASE");
    if (second !== undefined)
      expect(reasonOf(world.report(world.outcome(second, "success"), EXECUTORS[1]))).toBe("EXECUTOR_UNFIT");
    expect(reasonOf(world.report(world.outcome({ ...first, ordinal: 0 }, "success")))).toBe("NOT_FOUND");
    expect(reasonOf(world.report(world.outcome({ ...first, ordinal: 9 }, "success")))).toBe("NOT_FOUND");
    expect(world.states()).toEqual({ a: "LEASED" });
  });

  it("gives a restored store's leases numbers above all that it had handed out", () => {
    const world = committed([workStep("a")]);
    const first = world.claim(1);
    world.lose(1, first?.fencing ?? 0);
    world.storeEpoch = 2;
    expect(world.claim(1)?.fencing).toBe(2 * 2 ** 40 + 1);
  });
});

describe("compensation", () => {
  const chain = [
    workStep("a", { compensation: UNDO }),
    workStep("b", { ...after("a"), compensation: UNDO }),
    workStep("c", { ...after("b"), compensation: null }),
    workStep("d", after("c")),
  ];

  it("undoes what is done in reverse order of its ends, one at a time, before a failed plan ends", () => {
    const world = committed(chain);
    for (const key of ["a", "b", "c"]) world.perform(key);
    world.perform("d", "PERMANENT");
    expect(world.plan.state).toBe("COMPENSATING");
    expect(world.states()).toEqual({ a: "SUCCEEDED", b: "COMPENSATING", c: "SUCCEEDED", d: "FAILED" });
    world.perform("b");
    expect(world.states()).toMatchObject({ a: "COMPENSATING", b: "COMPENSATED" });
    world.perform("a");
    expect(world.plan.state).toBe("FAILED");
  });

  it("goes by the order of ends, whatever the order of the graph", () => {
    const world = committed([
      workStep("late", { compensation: UNDO }),
      workStep("early", { compensation: UNDO }),
      workStep("end", after("late", "early")),
    ]);
    world.perform("early");
    world.perform("late");
    world.perform("end", "PERMANENT");
    world.perform("late");
    world.perform("early");
    expect(world.undone).toEqual([world.row("late").ordinal, world.row("early").ordinal]);
  });

  it("goes on when an undoing fails, and says so", () => {
    const world = committed(chain);
    for (const key of ["a", "b", "c"]) world.perform(key);
    world.perform("d", "PERMANENT");
    world.perform("b", "PERMANENT");
    world.perform("a");
    expect(world.states()).toMatchObject({ a: "COMPENSATED", b: "COMPENSATION_FAILED" });
    expect(world.plan.state).toBe("FAILED");
  });

  it("undoes a success that arrives although its step was told to stop", () => {
    const world = committed([workStep("a", { compensation: UNDO }), workStep("b")]);
    const a = world.claim(1);
    world.perform("b", "PERMANENT");
    if (a !== undefined) world.report(world.outcome(a, "success"));
    expect(world.states()).toMatchObject({ a: "COMPENSATING" });
  });

  it("is not set off by a refusal", () => {
    const world = committed([workStep("a", { compensation: UNDO }), workStep("b", after("a"))]);
    world.perform("a");
    world.perform("b", "refusal");
    expect(world.states()).toEqual({ a: "SUCCEEDED", b: "REFUSED" });
    expect(world.plan.state).toBe("FAILED");
  });

  it("follows a cancellation only when it is asked to", () => {
    for (const compensate of [true, false]) {
      const world = committed([workStep("a", { compensation: UNDO }), workStep("b", after("a"))]);
      world.perform("a");
      world.command({ kind: "cancel", reason: "", compensate });
      expect(world.plan.state).toBe(compensate ? "COMPENSATING" : "CANCELLED");
      if (compensate) world.perform("a");
      expect(world.plan.state).toBe("CANCELLED");
    }
  });

  it("undoes what a re-plan drops while the rest of the plan goes on", () => {
    const world = committed([workStep("a", { compensation: UNDO }), workStep("b")]);
    world.perform("a");
    expect(reasonOf(world.activate([workStep("b")]))).toBe("done");
    const dropped = [...world.steps.values()].find((r) => r.key === "a");
    expect(dropped).toMatchObject({ state: "COMPENSATING", current: false });
    world.perform("b");
    expect(world.plan.state).toBe("ACTIVE");
    world.performRow(dropped?.ordinal ?? 0);
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("is not kept waiting by a suspension that a cancellation follows", () => {
    const world = committed([workStep("a", { compensation: UNDO }), workStep("b")]);
    world.perform("a");
    world.activate([workStep("b")]);
    world.command({ kind: "suspend", reason: "" });
    expect(world.claim(1)).toBeUndefined();
    world.command({ kind: "cancel", reason: "", compensate: false });
    world.performRow(1);
    expect(world.plan.state).toBe("CANCELLED");
  });
});

describe("operators", () => {
  it("suspends and resumes: what runs may end, nothing new is leased, nothing is forgotten", () => {
    const world = committed([workStep("a"), workStep("b", after("a")), workStep("c")]);
    const a = world.claim(1);
    world.command({ kind: "suspend", reason: "" });
    expect(world.claim(world.row("c").ordinal)).toBeUndefined();
    if (a !== undefined) world.report(world.outcome(a, "success"));
    expect(world.row("b")).toMatchObject({ state: "READY", orderKey: null });
    world.command({ kind: "resume", reason: "" });
    world.perform("b");
    world.perform("c");
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("holds a step until it is released, whatever else happens", () => {
    const world = committed([workStep("a"), workStep("b", after("a"))]);
    const { ordinal } = world.row("b");
    world.command({ kind: "hold", ordinal, reason: "" });
    expect(reasonOf(world.command({ kind: "hold", ordinal, reason: "" }))).toBe("STATE_CONFLICT");
    world.perform("a");
    expect(world.states()).toMatchObject({ b: "WAITING" });
    world.command({ kind: "release", ordinal, reason: "" });
    expect(world.states()).toMatchObject({ b: "READY" });
  });

  it("retries a failed plan from its failed step, with what was cancelled", () => {
    const world = committed([workStep("a"), workStep("b", after("a")), workStep("c")]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toEqual({ a: "FAILED", b: "CANCELLED", c: "CANCELLED" });
    world.command({ kind: "retry", ordinal: 1, reason: "" });
    expect(world.states()).toEqual({ a: "READY", b: "PENDING", c: "READY" });
    for (const key of ["a", "b", "c"]) world.perform(key);
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("retries every step whose failure would fail the plan again, not one of them alone", () => {
    const world = committed([workStep("a"), workStep("b")]);
    const b = world.claim(2);
    world.perform("a", "PERMANENT");
    if (b !== undefined) world.report(world.outcome(b, "refusal"));
    world.command({ kind: "retry", ordinal: 1, reason: "" });
    world.perform("a");
    expect(world.states()).toMatchObject({ a: "SUCCEEDED" });
    expect(world.plan.state).toBe("ACTIVE");
  });

  it("lets dependents wait for the end of a retry, even those that the first end had released", () => {
    const world = committed([
      workStep("a", { onFailure: "SKIP_DEPENDENTS" }),
      workStep("q"),
      workStep("c", {
        needs: [
          { step: "a", regardless: true },
          { step: "q", regardless: false },
        ],
      }),
      workStep("d", whatever("a")),
    ]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toMatchObject({ c: "PENDING", d: "READY" });
    world.command({ kind: "retry", ordinal: 1, reason: "" });
    expect(world.states()).toMatchObject({ a: "READY", c: "PENDING", d: "PENDING" });
    world.perform("a");
    expect(world.states()).toMatchObject({ c: "PENDING", d: "READY" });
    world.perform("q");
    expect(world.states()).toMatchObject({ c: "READY" });
  });

  it("leaves a step skipped that an operator skipped, whatever is retried", () => {
    const world = committed([workStep("a"), workStep("b")]);
    world.command({ kind: "skip", ordinal: 2, reason: "" });
    world.perform("a", "PERMANENT");
    world.command({ kind: "retry", ordinal: 1, reason: "" });
    expect(world.states()).toEqual({ a: "READY", b: "SKIPPED" });
  });

  it("resolves the input anew when a step is retried that failed by it, and still asks for approval", () => {
    const world = committed([
      workStep("a", { onFailure: "SKIP_DEPENDENTS" }),
      workStep("b", {
        requiresApproval: true,
        onFailure: "CARRY_ON",
        input: { kind: "json", text: '{"n":"${{ steps.a.outputs.value }}"}' },
        ...whatever("a"),
      }),
      workStep("open"),
    ]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toMatchObject({ b: "FAILED" });
    world.command({ kind: "retry", ordinal: 1, reason: "" });
    world.perform("a", "success", { value: 3 });
    world.command({ kind: "retry", ordinal: 2, reason: "" });
    expect(world.states()).toMatchObject({ b: "AWAITING_APPROVAL" });
  });

  it("refuses what makes no sense, and changes nothing", () => {
    const world = committed([workStep("a"), workStep("b", after("a"))]);
    const { rev } = world.plan;
    expect(reasonOf(world.command({ kind: "resume", reason: "" }))).toBe("STATE_CONFLICT");
    expect(reasonOf(world.command({ kind: "retry", ordinal: 1, reason: "" }))).toBe("STATE_CONFLICT");
    expect(reasonOf(world.command({ kind: "release", ordinal: 1, reason: "" }))).toBe("STATE_CONFLICT");
    expect(
      reasonOf(world.command({ kind: "decide-approval", approvalId: "none" as never, approve: true, comment: "" })),
    ).toBe("NOT_FOUND");
    expect(world.plan.rev).toBe(rev);
    world.command({ kind: "cancel", reason: "", compensate: true });
    for (const kind of ["suspend", "resume"] as const)
      expect(reasonOf(world.command({ kind, reason: "" }))).toBe("STATE_CONFLICT");
    for (const kind of ["skip", "hold", "retry"] as const)
      expect(reasonOf(world.command({ kind, ordinal: 1, reason: "" }))).toBe("STATE_CONFLICT");
    expect(reasonOf(world.command({ kind: "cancel", reason: "", compensate: true }))).toBe("STATE_CONFLICT");
    expect(reasonOf(world.activate([workStep("a")]))).toBe("STATE_CONFLICT");
  });

  it("fails a plan whose deadline has passed, and undoes what is done", () => {
    const world = committed([workStep("a", { compensation: UNDO }), workStep("b", after("a"))], { deadlineMs: 1_000 });
    world.perform("a");
    world.overdue();
    expect(world.plan.state).toBe("ACTIVE");
    world.pass(1_000);
    world.overdue();
    expect(world.plan).toMatchObject({ state: "COMPENSATING", ending: "FAILED" });
  });
});

describe("re-planning", () => {
  it("keeps what is done, replaces what changed, and lets the new row wait for the old one to stop", () => {
    const world = committed([workStep("a"), workStep("b", after("a")), workStep("c", after("b"))]);
    world.perform("a");
    const old = world.claim(world.row("b").ordinal);
    world.activate([workStep("a"), workStep("b", { ...after("a"), capability: "other" }), workStep("c", after("b"))]);
    expect(world.states()).toEqual({ a: "SUCCEEDED", b: "PENDING", c: "PENDING" });
    expect(world.stops).toMatchObject([{ lease: { step: "b" } }]);
    if (old !== undefined) world.report(world.outcome(old, "stopped"));
    expect(world.states()).toMatchObject({ b: "READY" });
    world.perform("b");
    world.perform("c");
    expect(world.plan).toMatchObject({ state: "COMPLETED", stepsTotal: 3 });
  });

  it("refuses a budget below what is held and spent", () => {
    const world = committed(
      [workStep("a", { hold: { tokens: 50, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 } })],
      { limits: { tokens: 100 } },
    );
    world.claim(1);
    expect(
      reasonOf(
        world.activate(
          [workStep("a", { hold: { tokens: 50, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 } }), workStep("b")],
          { limits: { tokens: 49, moneyMicros: null, wallMs: null, energyMillijoules: null } },
        ),
      ),
    ).toBe("BUDGET_EXHAUSTED");
    expect(world.states()).toEqual({ a: "LEASED" });
  });

  it("takes up a plan that had ended", () => {
    const world = committed([workStep("a"), workStep("b", after("a"))]);
    world.perform("a");
    world.perform("b", "PERMANENT");
    world.activate([workStep("a"), workStep("b", after("a")), workStep("c", after("b"))]);
    expect(world.states()).toEqual({ a: "SUCCEEDED", b: "READY", c: "PENDING" });
    expect(world.goal.state).toBe("ACTIVE");
  });
});
