// Running done steps again: what becomes of those that depend on them, of their effects, and of plans that ended. Not here:
// the rows behind it, see test/operations, and random events.
import { describe, expect, it } from "vitest";
import type { StepDefinition } from "../../src/domain/step.ts";
import { after, committing, reasonOf, UNDO } from "../support/plan-cases.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

/** Takes a value from another step. */
function consuming(key: string): Partial<StepDefinition> {
  return { input: { kind: "json", text: `{"from":"\${{ steps.${key}.outputs.value }}"}` } };
}

describe("a rerun", () => {
  const chain = [
    workStep("a"),
    workStep("b", consuming("a")),
    workStep("c", consuming("b")),
    workStep("d", after("a")),
  ];

  it("gives a done step a new row; whatever took its outputs stays and is said to be stale", () => {
    const world = committed(chain);
    for (const key of ["a", "b", "c"]) world.perform(key);
    const before = world.row("a");
    expect(world.rerun("a")).toEqual({
      ok: true,
      value: { rerun: [], stale: ["b"], compensated: [], notCompensable: ["a"], stopped: [] },
    });
    expect(world.states()).toEqual({ b: "SUCCEEDED", c: "SUCCEEDED", a: "READY", d: "PENDING" });
    expect(world.row("a").ordinal).toBeGreaterThan(before.ordinal);
    world.perform("a", "success", { value: 2 });
    expect(world.row("a").fencing).toBeGreaterThan(before.fencing);
    world.perform("d");
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("with a cascade runs again what took its outputs, and so on, with the new values", () => {
    const world = committed(chain);
    for (const key of ["a", "b", "c", "d"]) if (key !== "d") world.perform(key);
    expect(world.rerun("a", true)).toMatchObject({ value: { rerun: ["b", "c"], stale: [] } });
    expect(world.states()).toEqual({ a: "READY", b: "PENDING", c: "PENDING", d: "PENDING" });
    world.perform("a", "success", { value: 7 });
    expect(world.inputs.get(`${String(world.row("b").ordinal)}/false`)?.input).toBe('j{"from":7}');
  });

  it("leaves a leased consumer its lease, and with a cascade stops it and waits for its end", () => {
    for (const cascade of [false, true]) {
      const world = committed(chain.slice(0, 2));
      world.perform("a");
      const b = world.claim(world.row("b").ordinal);
      expect(world.rerun("a", cascade)).toMatchObject({
        value: cascade ? { stopped: ["b"], stale: [] } : { stopped: [], stale: ["b"] },
      });
      expect(world.stops).toHaveLength(cascade ? 1 : 0);
      if (b !== undefined) world.report(world.outcome(b, "success"));
      world.perform("a");
      expect(world.states()).toMatchObject({ b: cascade ? "READY" : "SUCCEEDED" });
    }
  });

  it("at once, undoes the old effect of a step that declared how beside the new run", () => {
    const world = committed([workStep("a", { compensation: UNDO }), workStep("b", after("a"))]);
    world.perform("a");
    const old = world.row("a").ordinal;
    expect(world.rerun("a", false, "AT_ONCE")).toMatchObject({ value: { compensated: ["a"], notCompensable: [] } });
    expect([world.steps.get(old)?.state, world.row("a").state]).toEqual(["COMPENSATING", "READY"]);
    world.performRow(old);
    world.perform("a");
    world.perform("b");
    expect([world.plan.state, world.steps.get(old)?.state]).toEqual(["COMPLETED", "COMPENSATED"]);
  });

  it("takes up a failed plan as a retry would, and none that ended otherwise or was undone", () => {
    const failed = committed([workStep("a"), workStep("b", after("a"))]);
    failed.perform("a");
    failed.perform("b", "PERMANENT");
    expect(failed.rerun("a").ok).toBe(true);
    expect([failed.plan.state, failed.states()]).toEqual(["ACTIVE", { a: "READY", b: "PENDING" }]);

    const completed = committed([workStep("a")]);
    completed.perform("a");
    expect(reasonOf(completed.rerun("a"))).toBe("STATE_CONFLICT");

    const undone = committed([workStep("a", { compensation: UNDO }), workStep("b", after("a"))]);
    undone.perform("a");
    undone.perform("b", "PERMANENT");
    expect(reasonOf(undone.rerun("b"))).toBe("STATE_CONFLICT");
    undone.perform("a");
    expect(undone.rerun("b")).toMatchObject({ refusal: { explanation: expect.stringContaining("undone") as string } });
  });

  it("brings back what was skipped by hand or after it, and refuses what would only be skipped again", () => {
    const world = committed([
      workStep("a", { onFailure: "SKIP_DEPENDENTS" }),
      workStep("b", after("a")),
      workStep("c"),
    ]);
    world.perform("a", "PERMANENT");
    expect(world.states()).toMatchObject({ a: "FAILED", b: "SKIPPED" });
    expect(world.rerun("b")).toMatchObject({ refusal: { reason: "STATE_CONFLICT", metadata: { id: "a" } } });
    expect(world.rerun("a")).toMatchObject({ value: { rerun: ["b"] } });
    expect(world.states()).toEqual({ a: "READY", b: "PENDING", c: "READY" });
    expect(reasonOf(world.rerun("a"))).toBe("STATE_CONFLICT");
  });

  it("takes its hold from what the budget has left", () => {
    const hold = { tokens: 6, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 };
    const world = committed([workStep("a", { hold }), workStep("b", after("a"))], { limits: { tokens: 10 } });
    world.perform("a", "success", { usage: { tokens: 6 } });
    expect(world.rerun("a").ok).toBe(true);
    expect(world.claim(world.row("a").ordinal)).toBeUndefined();
    world.command({ kind: "cancel", reason: "", compensate: false });
  });
});
