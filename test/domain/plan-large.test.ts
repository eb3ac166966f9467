// Plans of thousands of steps: what one transaction cannot follow is left to the cascade and finished in chunks. Not here: rules.
import { describe, expect, it } from "vitest";
import { CASCADE_LIMIT } from "../../src/domain/plan/ready.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { checkWorld } from "../support/plan-invariants.ts";
import { PlanWorld } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const MANY = 3_000;

function committed(steps: readonly StepDefinition[]): PlanWorld {
  const world = new PlanWorld();
  expect(world.activate(steps)).toEqual({ ok: true, value: null });
  return world;
}

function fan(parts: Partial<StepDefinition> = {}, rootParts: Partial<StepDefinition> = {}): StepDefinition[] {
  const leaves = Array.from({ length: MANY }, (_, n) =>
    workStep(`leaf${String(n)}`, { ...parts, needs: [{ step: "root", regardless: false }] }),
  );
  return [workStep("root", rootParts), ...leaves];
}

function chain(rootParts: Partial<StepDefinition> = {}): StepDefinition[] {
  return Array.from({ length: MANY }, (_, n) =>
    workStep(`s${String(n)}`, n === 0 ? rootParts : { needs: [{ step: `s${String(n - 1)}`, regardless: false }] }),
  );
}

function count(world: PlanWorld, state: string): number {
  return [...world.steps.values()].filter((row) => row.state === state).length;
}

/** Chunks until nothing is left over; every one moves at most its share. */
function cascade(world: PlanWorld): number {
  let chunks = 0;
  for (; world.cascade !== null; chunks++) {
    const before = new Map(world.steps);
    world.goOn();
    checkWorld(world);
    expect([...world.steps.values()].filter((row) => before.get(row.ordinal) !== row).length).toBeLessThanOrEqual(
      CASCADE_LIMIT,
    );
    expect(chunks).toBeLessThan(200);
  }
  return chunks;
}

describe("a large plan", () => {
  it("releases 3,000 dependents of one step in chunks", () => {
    const world = committed(fan());
    world.perform("root");
    expect(count(world, "READY")).toBe(CASCADE_LIMIT);
    checkWorld(world);
    cascade(world);
    expect(count(world, "READY")).toBe(MANY);
  });

  it.each([63, 64, 65, MANY])(
    "resolves %i dependents that refer to one step, asking for all of them at once",
    (many) => {
      const steps = fan({ input: { kind: "json", text: '{"x":"${{ steps.root.state }}"}' } });
      const world = committed(steps.slice(0, many + 1));
      world.perform("root");
      checkWorld(world);
      cascade(world);
      expect(count(world, "READY")).toBe(many);
    },
  );

  it("decides the conditions of 3,000 dependents, and of as many first steps", () => {
    const world = committed(fan({ condition: 'steps.root.state == "FAILED"' }));
    world.perform("root");
    cascade(world);
    expect(count(world, "SKIPPED")).toBe(MANY);
    const roots = fan({ condition: 'goal.name == "none"', needs: [] }).map((step) => ({ ...step, needs: [] }));
    expect(count(committed(roots), "SKIPPED")).toBe(MANY);
  });

  it("follows a chain of 300 conditions that are false", () => {
    const world = committed(
      Array.from({ length: 300 }, (_, n) =>
        workStep(
          `s${String(n)}`,
          n === 0 ? {} : { condition: "1 == 2", needs: [{ step: `s${String(n - 1)}`, regardless: true }] },
        ),
      ),
    );
    world.perform("s0");
    cascade(world);
    expect(count(world, "SKIPPED")).toBe(299);
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("skips 3,000 dependents of a failed step in chunks, and ends with the last one", () => {
    const world = committed(fan({}, { onFailure: "SKIP_DEPENDENTS" }));
    world.perform("root", "PERMANENT");
    expect(world.plan.state).toBe("ACTIVE");
    expect(cascade(world)).toBeGreaterThan(1);
    expect(count(world, "SKIPPED")).toBe(MANY);
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("follows a chain of 3,000 skips, so many levels at a time as one decision may ask for", () => {
    const world = committed(chain({ onFailure: "SKIP_DEPENDENTS" }));
    world.perform("s0", "PERMANENT");
    expect(world.states()).toMatchObject({ s1: "SKIPPED", s2999: "PENDING" });
    cascade(world);
    expect(world.states()).toMatchObject({ s2999: "SKIPPED" });
    expect(world.plan.state).toBe("COMPLETED");
  });

  it("keeps a second cascade behind the first instead of over it", () => {
    const other = Array.from({ length: MANY }, (_, n) =>
      workStep(`other${String(n)}`, { needs: [{ step: "second", regardless: false }] }),
    );
    const both = workStep("both", {
      needs: [
        { step: "leaf0", regardless: true },
        { step: "leaf2999", regardless: true },
        { step: "other2999", regardless: true },
      ],
    });
    const world = committed([...fan(), workStep("second", { onFailure: "SKIP_DEPENDENTS" }), ...other, both]);
    world.perform("root");
    expect(world.cascade).not.toBeNull();
    world.perform("second", "PERMANENT");
    checkWorld(world);
    cascade(world);
    expect([count(world, "READY"), count(world, "SKIPPED")]).toEqual([MANY, MANY]);
    for (const key of ["leaf0", "leaf2999"]) world.perform(key);
    expect(world.row("both").state).toBe("READY");
  });

  it("refuses to re-plan and to retry until a cascade is through", () => {
    const world = committed(fan({}, { onFailure: "SKIP_DEPENDENTS" }));
    world.perform("root", "PERMANENT");
    const retried = world.command({ kind: "retry", ordinal: 1, reason: "" });
    expect(retried).toMatchObject({ ok: false, refusal: { reason: "STATE_CONFLICT", retryable: true } });
    expect(world.activate([workStep("root")])).toMatchObject({ ok: false, refusal: { retryable: true } });
    cascade(world);
  });

  it("is cancelled in chunks, in which nothing new is leased", () => {
    const world = committed(fan());
    const root = world.claim(1);
    world.command({ kind: "cancel", reason: "", compensate: false });
    expect(world.states()).toMatchObject({ root: "LEASED", leaf2999: "PENDING" });
    checkWorld(world);
    cascade(world);
    expect(world.states()).toMatchObject({ root: "STOPPING", leaf2999: "CANCELLED" });
    if (root !== undefined) world.report(world.outcome(root, "success"));
    expect(world.plan.state).toBe("CANCELLED");
    checkWorld(world);
  });

  it("is not swept by what was left of an earlier end once it is retried", () => {
    // All that the sweep has not reached has ended by itself, so the plan ends before the sweep does.
    const last = workStep("last", { needs: [{ step: "root", regardless: false }] });
    const world = committed([
      workStep("root", { onFailure: "FAIL_PLAN" }),
      ...Array.from({ length: 1_500 }, (_, n) => workStep(`e${String(n)}`)),
      last,
    ]);
    for (let n = 0; n < 1_500; n++) if (n >= 900) world.perform(`e${String(n)}`);
    world.command({ kind: "skip", ordinal: world.row("last").ordinal, reason: "" });
    world.perform("root", "PERMANENT");
    world.goOn();
    expect(world.plan.state).toBe("FAILED");
    world.command({ kind: "retry", ordinal: 1, reason: "" });
    cascade(world);
    expect(world.plan.state).toBe("ACTIVE");
    expect(world.row("e0").state).toBe("READY");
    checkWorld(world);
  });

  it("is suspended and resumed without leaving ready steps behind", () => {
    const world = committed(fan());
    world.command({ kind: "suspend", reason: "" });
    world.command({ kind: "resume", reason: "" });
    world.perform("root");
    cascade(world);
    checkWorld(world);
    expect(world.plan.stepsStarved).toBe(0);
  });
});
