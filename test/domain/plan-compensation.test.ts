// How effects are undone: when, in which order, and what does not set it off. Not here: other ends, see plan-outcomes.test.ts.
import { describe, expect, it } from "vitest";
import { after, committing, reasonOf, UNDO } from "../support/plan-cases.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

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
