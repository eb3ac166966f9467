// When steps become ready: needs, conditions, inputs, approvals. Not here: what their ends bring about, see
// plan-outcomes.test.ts.
import { describe, expect, it } from "vitest";
import { after, committing, whatever } from "../support/plan-cases.ts";
import { EXECUTORS } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

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

  it("places a step of a plan under way as if it had been ready since the plan's commit, up to a minute", () => {
    const world = committed([workStep("a"), workStep("b", after("a")), workStep("c", after("b"))]);
    const begunMs = Math.floor((world.row("a").orderKey ?? 0) / 1_000);
    world.nowMs += 30_000;
    world.perform("a");
    expect(Math.floor((world.row("b").orderKey ?? 0) / 1_000)).toBe(begunMs);
    world.nowMs += 600_000;
    world.perform("b");
    const { orderKey, readyMs, boostMs } = world.row("c");
    expect(Math.floor((orderKey ?? 0) / 1_000)).toBe((readyMs ?? 0) - 60_000 - boostMs);
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
