// A step whose effect is undone before it runs again: who waits for what, what comes of an undoing that fails, and trying that
// again. Not here: what else a rerun does (plan-rerun.test.ts), and plans that are undone as a whole (plan-compensation.test.ts).
import { describe, expect, it } from "vitest";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";
import { after, committing, reasonOf, UNDO } from "../support/plan-cases.ts";
import type { PlanWorld } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

const how = { capability: "undo", input: null, timeoutMs: 1_000, retry: NO_RETRY };
const undoable = workStep("a", { compensation: UNDO });

/** The step ran, and runs again; its old row. */
function again(world: PlanWorld, key = "a"): number {
  world.perform(key);
  const { ordinal } = world.row(key);
  if (!world.rerun(key).ok) throw new Error("it does not run again");
  return ordinal;
}

const stateOf = (world: PlanWorld, ordinal: number): string | undefined => world.steps.get(ordinal)?.state;

function resolved(world: PlanWorld, row: StepRow | undefined): string {
  const { result } = world.outcome(row ?? world.row("a"), "success");
  if (row === undefined || result.kind !== "success") return "no row";
  return reasonOf(
    world.command({ kind: "resolve", ordinal: row.ordinal, reason: "seen", result, usage: null, fencing: 0 }),
  );
}

describe("a rerun that undoes first", () => {
  it("waits until the old effect is undone, however often that is tried", () => {
    const world = committed([
      workStep("a", { compensation: { ...how, retry: { ...NO_RETRY, maxAttempts: 2 } } }),
      workStep("b", after("a")),
    ]);
    const old = again(world);
    expect(world.row("a")).toMatchObject({ state: "PENDING", waitingOn: 1 });
    world.performRow(old, "LOST");
    world.performRow(old, "TRANSIENT");
    expect([stateOf(world, old), world.row("a").state]).toEqual(["BACKING_OFF", "PENDING"]);
    world.pass(120_000);
    world.wakeDue();
    world.performRow(old);
    expect([stateOf(world, old), world.row("a").state]).toEqual(["COMPENSATED", "READY"]);
    world.perform("a");
    world.perform("b");
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("undoes what was built upon an effect before the effect itself, and each step waits for its own", () => {
    const world = committed([
      undoable,
      workStep("b", {
        compensation: { ...how, input: { kind: "json", text: '{"of":"${{ steps.a.outputs.value }}"}' } },
        input: { kind: "json", text: '{"from":"${{ steps.a.outputs.value }}"}' },
      }),
      workStep("c"),
    ]);
    world.perform("a");
    world.perform("b");
    const [a, b] = [world.row("a").ordinal, world.row("b").ordinal];
    expect(world.rerun("a", true)).toMatchObject({ value: { rerun: ["b"], compensated: ["a", "b"] } });
    expect([stateOf(world, a), stateOf(world, b)]).toEqual(["SUCCEEDED", "COMPENSATING"]);
    world.performRow(b);
    expect([world.row("a").state, world.row("b").waitingOn]).toEqual(["PENDING", 1]);
    world.performRow(a);
    expect(world.undone).toEqual([b, a]);
    expect(world.inputs.get(`${String(b)}/true`)?.input).toBe('j{"of":1}');
    for (const key of ["a", "b", "c"]) world.perform(key);
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("waits as well for an attempt that was told to stop and succeeded after all, until that is undone", () => {
    const world = committed([
      workStep("a"),
      workStep("b", {
        compensation: UNDO,
        input: { kind: "json", text: '{"from":"${{ steps.a.outputs.value }}"}' },
      }),
    ]);
    world.perform("a");
    const b = world.claim(world.row("b").ordinal);
    expect(world.rerun("a", true)).toMatchObject({ value: { stopped: ["b"] } });
    world.perform("a");
    if (b === undefined) throw new Error("it was not leased");
    world.report(world.outcome(b, "success"));
    expect([stateOf(world, b.ordinal), world.row("b").state]).toEqual(["COMPENSATING", "PENDING"]);
    world.performRow(b.ordinal);
    expect(world.row("b").state).toBe("READY");
  });

  it("waits on when the effect cannot be undone; a retry or a word by hand lets it go", () => {
    for (const way of ["retry", "resolve"] as const) {
      const world = committed([undoable, workStep("b", after("a"))]);
      const old = again(world);
      world.performRow(old, "PERMANENT");
      expect([stateOf(world, old), world.row("a").state, world.plan.state]).toEqual([
        "COMPENSATION_FAILED",
        "PENDING",
        "ACTIVE",
      ]);
      if (way === "resolve") expect(resolved(world, world.steps.get(old))).toBe("done");
      else {
        expect(reasonOf(world.command({ kind: "retry", ordinal: old, reason: "" }))).toBe("done");
        world.performRow(old);
      }
      expect([stateOf(world, old), world.row("a").state]).toEqual(["COMPENSATED", "READY"]);
      world.perform("a");
      world.perform("b");
      expect(world.plan.state).toBe("COMPLETED");
    }
  });

  it("can be skipped or cancelled while it waits; the undoing goes on", () => {
    const skipped = committed([undoable, workStep("b")]);
    const old = again(skipped);
    skipped.command({ kind: "skip", ordinal: skipped.row("a").ordinal, reason: "" });
    skipped.perform("b");
    expect(skipped.plan.state).toBe("ACTIVE");
    skipped.performRow(old);
    expect(skipped.plan.state).toBe("COMPLETED");

    const cancelled = committed([undoable, workStep("b")]);
    const gone = again(cancelled);
    cancelled.command({ kind: "cancel", reason: "", compensate: false });
    expect([cancelled.row("a").state, stateOf(cancelled, gone)]).toEqual(["CANCELLED", "COMPENSATING"]);
    cancelled.performRow(gone);
    expect(cancelled.plan.state).toBe("CANCELLED");
  });

  it("is waited for by whatever a re-plan puts in its place", () => {
    const world = committed([undoable, workStep("b", after("a"))]);
    const old = again(world);
    world.activate([
      workStep("a", { compensation: UNDO, timeoutMs: 7_000, title: "changed" }),
      workStep("b", after("a")),
    ]);
    expect(world.row("a").ordinal).toBeGreaterThan(old);
    expect(world.row("a")).toMatchObject({ state: "PENDING", waitingOn: 1 });
    world.performRow(old);
    expect(world.row("a").state).toBe("READY");
  });

  it("hands the undoing what the old row came to, not what came under its key since", () => {
    const named = { ...how, input: { kind: "json" as const, text: '{"undo":"${{ steps.a.outputs.value }}"}' } };
    for (const order of ["UNDO_FIRST", "AT_ONCE"] as const) {
      const world = committed([workStep("a", { compensation: named }), workStep("b", after("a"))]);
      world.perform("a", "success", { value: 42 });
      const old = world.row("a").ordinal;
      world.rerun("a", false, order);
      expect(world.inputs.get(`${String(old)}/true`)?.input).toBe('j{"undo":42}');
      world.performRow(old, "PERMANENT");
      if (order === "AT_ONCE") world.perform("a", "success", { value: 43 });
      world.command({ kind: "retry", ordinal: old, reason: "" });
      expect(world.inputs.get(`${String(old)}/true`)?.input).toBe('j{"undo":42}');
    }
  });
});

describe("a re-plan that changes a done step", () => {
  const changed = workStep("a", { compensation: UNDO, input: { kind: "json", text: '{"other":true}' } });

  function replanned(): { readonly world: PlanWorld; readonly old: number } {
    const world = committed([undoable, workStep("b", after("a"))]);
    world.perform("a");
    const old = world.row("a").ordinal;
    world.activate([changed, workStep("b", after("a"))]);
    return { world, old };
  }

  it("runs it anew once its old effect is undone", () => {
    const { world, old } = replanned();
    expect([stateOf(world, old), world.row("a").state]).toEqual(["COMPENSATING", "PENDING"]);
    world.performRow(old);
    expect([stateOf(world, old), world.row("a").state]).toEqual(["COMPENSATED", "READY"]);
    for (const key of ["a", "b"]) world.perform(key);
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("builds nothing upon an effect that could not be undone, until somebody says what became of it", () => {
    const { world, old } = replanned();
    world.performRow(old, "PERMANENT");
    expect([stateOf(world, old), world.row("a").state]).toEqual(["COMPENSATION_FAILED", "PENDING"]);
    expect(resolved(world, world.steps.get(old))).toBe("done");
    expect(world.row("a").state).toBe("READY");
  });
});

describe("what a row that was dropped left behind", () => {
  /** A re-plan dropped `a`, and its effect could not be undone. */
  function leftBehind(): { readonly world: PlanWorld; readonly old: number } {
    const world = committed([undoable, workStep("b")], { deadlineMs: 60_000 });
    world.perform("a");
    const old = world.row("a").ordinal;
    world.activate([workStep("b")]);
    world.performRow(old, "PERMANENT");
    return { world, old };
  }

  it("is undone again while its plan goes on, once nothing else is being undone", () => {
    const { world, old } = leftBehind();
    world.command({ kind: "retry", ordinal: old, reason: "" });
    expect(reasonOf(world.command({ kind: "retry", ordinal: old, reason: "" }))).toBe("STATE_CONFLICT");
    world.performRow(old);
    world.perform("b");
    expect([stateOf(world, old), world.plan.state]).toEqual(["COMPENSATED", "COMPLETED"]);
  });

  it("is undone again after its plan has ended, which then ends as it had", () => {
    const endings = {
      COMPLETED: (world: PlanWorld) => world.perform("b"),
      FAILED: (world: PlanWorld) => world.perform("b", "PERMANENT"),
      CANCELLED: (world: PlanWorld) => world.command({ kind: "cancel", reason: "", compensate: false }),
    };
    for (const [state, end] of Object.entries(endings)) {
      const { world, old } = leftBehind();
      end(world);
      expect(world.plan.state).toBe(state);
      world.command({ kind: "retry", ordinal: old, reason: "" });
      expect(world.plan.state).toBe(state === "COMPLETED" ? "ACTIVE" : "COMPENSATING");
      // Whatever was wanted was in time.
      world.pass(120_000);
      world.overdue();
      world.performRow(old);
      expect([stateOf(world, old), world.plan.state]).toEqual(["COMPENSATED", state]);
    }
  });
});
