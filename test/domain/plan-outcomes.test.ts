// What outcomes do to plans: tries and rules of failure, lost leases, repeated, contradictory and stale reports. Not here:
// undoing (plan-compensation.test.ts), the account (plan-account.test.ts).
import { describe, expect, it } from "vitest";
import { NO_RETRY } from "../../src/domain/step.ts";
import { after, committing, reasonOf } from "../support/plan-cases.ts";
import { EXECUTORS } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

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
