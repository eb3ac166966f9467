// What operators do to running plans: suspend, hold, retry, skip, cancel, and re-plan. Not here: their verbs over the wire and
// the store (test/operations), and everything at once under random events (plan-random.test.ts).
import { describe, expect, it } from "vitest";
import { after, committing, reasonOf, UNDO, whatever } from "../support/plan-cases.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

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
