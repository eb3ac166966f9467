// What operators say that a step came to, and undoing that is tried again. Not here: outcomes of executors (plan-outcomes.test.ts).
import { describe, expect, it } from "vitest";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { Amounts } from "../../src/domain/amounts.ts";
import { NOBODY } from "../../src/domain/plan/by-hand.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import { after, committing, reasonOf, UNDO } from "../support/plan-cases.ts";
import type { PlanWorld } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();
const HOLD: Amounts = { ...NOTHING, tokens: 10 };

function resolve(
  world: PlanWorld,
  key: string,
  said: { readonly fails?: boolean; readonly value?: number; readonly usage?: Amounts; readonly fencing?: number } = {},
): Decision<null> {
  const row = world.row(key);
  const { result } = world.outcome(row, said.fails === true ? "PERMANENT" : "success", { value: said.value ?? 1 });
  if (result.kind !== "success" && result.kind !== "failure") throw new Error(result.kind);
  const { usage = null, fencing = 0 } = said;
  return world.command({ kind: "resolve", ordinal: row.ordinal, reason: "I looked", result, usage, fencing });
}

describe("a step resolved by hand", () => {
  it("ends the lease of an executor that never answers: it is told to stop, and its late report is evidence", () => {
    const world = committed([workStep("a", { hold: HOLD }), workStep("b", after("a"))], { limits: { tokens: 100 } });
    const a = world.claim(1);
    expect(resolve(world, "a", { value: 5 })).toEqual({ ok: true, value: null });
    expect(world.states()).toEqual({ a: "SUCCEEDED", b: "READY" });
    expect(world.stops).toMatchObject([{ lease: { step: "a", fencing: a?.fencing } }]);
    expect(world.attemptsOf(1)).toMatchObject([
      { state: "LOST", attempt: 1 },
      { state: "SUCCEEDED", attempt: 2, executorId: NOBODY, outputs: { text: '{"value":5}' } },
    ]);
    expect(world.plan.account.presumed.tokens).toBe(10);
    if (a === undefined) return;
    expect(reasonOf(world.report(world.outcome(a, "success", { usage: { tokens: 4 } })))).toBe("STALE_LEASE");
    expect(world.plan.account).toMatchObject({ presumed: NOTHING, spent: { tokens: 4 } });
    expect(world.records.map((r) => r.kind)).toEqual(["graph.commit", "lease.ended", "step.resolve", "outcome.late"]);
  });

  it("settles the hold with the usage that is said, once", () => {
    const world = committed([workStep("a", { hold: HOLD })], { limits: { tokens: 100 } });
    const a = world.claim(1);
    resolve(world, "a", { usage: { ...NOTHING, tokens: 12 } });
    expect(world.plan.account).toMatchObject({ held: NOTHING, spent: { tokens: 10 }, overrun: { tokens: 2 } });
    if (a === undefined) return;
    const late = world.outcome(a, "success", { usage: { tokens: 3 } });
    expect(reasonOf(world.report(late))).toBe("CONTRADICTORY_EVIDENCE");
    expect(world.plan.account.spent.tokens).toBe(10);
  });

  it("need not have begun: its dependents go on, and what it waited for need not end first", () => {
    const world = committed([workStep("a"), workStep("b", after("a")), workStep("c", after("b"))]);
    resolve(world, "b");
    expect(world.states()).toEqual({ a: "READY", b: "SUCCEEDED", c: "READY" });
    world.perform("a");
    world.perform("c");
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("that failed follows its rule without another try", () => {
    const retry = { maxAttempts: 5, initialBackoffMs: 1, maxBackoffMs: 1, multiplier: 1, jitter: 0 };
    const world = committed([workStep("a", { retry }), workStep("b", after("a"))]);
    world.claim(1);
    resolve(world, "a", { fails: true });
    expect([world.plan.state, world.states()]).toEqual(["FAILED", { a: "FAILED", b: "CANCELLED" }]);
    expect(reasonOf(resolve(world, "a", { fails: true }))).toBe("STATE_CONFLICT");
  });

  it("that had failed takes its plan up again, with what was skipped or cancelled after it", () => {
    const world = committed([workStep("a"), workStep("b", after("a"))]);
    world.perform("a", "PERMANENT");
    resolve(world, "a", { value: 3 });
    expect([world.plan.state, world.states()]).toEqual(["ACTIVE", { a: "SUCCEEDED", b: "READY" }]);
    expect(reasonOf(resolve(world, "a"))).toBe("STATE_CONFLICT");
  });

  it("answers the question that it waited with, and lets go of what held it", () => {
    const world = committed([workStep("a", { requiresApproval: true }), workStep("b")]);
    resolve(world, "a");
    expect(world.pending).toEqual([]);
    world.command({ kind: "hold", ordinal: world.row("b").ordinal, reason: "" });
    resolve(world, "b");
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("must keep its output schema, and may name the lease that was looked at", () => {
    const world = committed([workStep("a", { outputSchema: '{"properties":{"value":{"maximum":10}}}' })]);
    const first = world.claim(1)?.fencing ?? 0;
    expect(resolve(world, "a", { value: 11 })).toMatchObject({
      refusal: { reason: "INVALID_REQUEST", violations: [{ field: "success.outputs" }] },
    });
    world.lose(1, first);
    world.claim(1);
    expect(reasonOf(resolve(world, "a", { fencing: first }))).toBe("STALE_LEASE");
    expect(resolve(world, "a", { fencing: world.row("a").fencing }).ok).toBe(true);
  });

  it("lets a plan end that waits for a step which was told to stop", () => {
    for (const [fails, state] of [
      [true, "CANCELLED"],
      [false, "SUCCEEDED"],
    ] as const) {
      const world = committed([workStep("a")]);
      world.claim(1);
      world.command({ kind: "cancel", reason: "", compensate: false });
      resolve(world, "a", { fails });
      expect([world.plan.state, world.states()]).toEqual(["CANCELLED", { a: state }]);
    }
  });
});

describe("an undoing", () => {
  const undone = (ending: "PERMANENT" | "cancel"): PlanWorld => {
    const world = committed([
      workStep("a", { compensation: UNDO }),
      workStep("b", { ...after("a"), compensation: UNDO }),
      workStep("c", after("b")),
    ]);
    world.perform("a");
    world.perform("b");
    if (ending === "cancel") world.command({ kind: "cancel", reason: "", compensate: true });
    else world.perform("c", "PERMANENT");
    world.perform("b", "PERMANENT");
    return world;
  };
  const again = (world: PlanWorld, key: string): Decision<null> =>
    world.command({ kind: "retry", ordinal: world.row(key).ordinal, reason: "" });

  it("that failed can be tried again once no other goes on, also when the plan has ended", () => {
    for (const [ending, state] of [
      ["PERMANENT", "FAILED"],
      ["cancel", "CANCELLED"],
    ] as const) {
      const world = undone(ending);
      expect(again(world, "b")).toMatchObject({ refusal: { reason: "STATE_CONFLICT", retryable: true } });
      world.perform("a");
      expect(world.plan.state).toBe(state);
      expect(again(world, "b").ok).toBe(true);
      expect([world.plan.state, world.states()]).toMatchObject(["COMPENSATING", { b: "COMPENSATING" }]);
      world.perform("b");
      expect([world.plan.state, world.states()]).toMatchObject([state, { a: "COMPENSATED", b: "COMPENSATED" }]);
    }
  });

  it("is resolved by hand while it waits, while it runs, and after it failed", () => {
    const world = undone("PERMANENT");
    const { length } = world.records;
    expect(resolve(world, "b").ok).toBe(true);
    expect(world.records).toHaveLength(length + 1);
    world.claim(world.row("a").ordinal);
    resolve(world, "a", { fails: true });
    expect([world.plan.state, world.states()]).toMatchObject([
      "FAILED",
      { a: "COMPENSATION_FAILED", b: "COMPENSATED" },
    ]);
    expect(resolve(world, "a").ok).toBe(true);
    expect([world.plan.state, world.states()]).toMatchObject(["FAILED", { a: "COMPENSATED" }]);
    expect(reasonOf(resolve(world, "a"))).toBe("STATE_CONFLICT");
    expect(reasonOf(again(world, "a"))).toBe("STATE_CONFLICT");
  });
});
