// The plan's account: holds, settling, overrun, what is presumed, and steps that the budget keeps waiting. Not here: other rules.
import { afterEach, describe, expect, it } from "vitest";
import { DIMENSIONS, MOST, NOTHING, plus } from "../../src/domain/amounts.ts";
import type { Amounts } from "../../src/domain/amounts.ts";
import type { ExecutorId } from "../../src/domain/id.ts";
import { remaining } from "../../src/domain/plan.ts";
import { loseLease } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import { STEP_FLAGS } from "../../src/domain/step.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { reasonOf } from "../support/plan-cases.ts";
import { checkWorld, movers } from "../support/plan-invariants.ts";
import { PlanWorld } from "../support/plan-world.ts";
import type { WorldOptions } from "../support/plan-world.ts";
import { workStep } from "../support/random-graph.ts";

const worlds: PlanWorld[] = [];

function committed(steps: readonly StepDefinition[], options: WorldOptions): PlanWorld {
  const world = new PlanWorld(options);
  expect(world.activate(steps)).toEqual({ ok: true, value: null });
  worlds.push(world);
  return world;
}

function holding(key: string, hold: Partial<Amounts>, parts: Partial<StepDefinition> = {}): StepDefinition {
  return workStep(key, { ...parts, hold: { ...NOTHING, ...hold } });
}

function leased(world: PlanWorld, key: string): StepRow {
  const row = world.claim(world.row(key).ordinal);
  if (row === undefined) throw new Error(`${key} was not leased`);
  return row;
}

afterEach(() => {
  for (const world of worlds.splice(0)) checkWorld(world);
});

describe("a plan's account", () => {
  it("holds what a step may use while it runs, and gives back what it did not", () => {
    const world = committed([holding("a", { tokens: 60 }), workStep("b")], { limits: { tokens: 100 } });
    const row = leased(world, "a");
    expect(world.plan.account.held.tokens).toBe(60);
    world.report(world.outcome(row, "success", { usage: { tokens: 20 } }));
    expect(world.plan.account).toMatchObject({ held: NOTHING, spent: { tokens: 20 }, overrun: { tokens: 0 } });
  });

  it.each(DIMENSIONS)("does not lease beyond the limit of %s, and goes on when there is room again", (dimension) => {
    const world = committed([holding("a", { [dimension]: 60 }), holding("b", { [dimension]: 60 })], {
      limits: { [dimension]: 100 },
    });
    const a = leased(world, "a");
    expect(world.claim(2)).toBeUndefined();
    expect(world.row("b")).toMatchObject({ state: "READY", orderKey: null, flags: STEP_FLAGS.STARVED });
    expect(world.plan.stepsStarved).toBe(1);
    world.report(world.outcome(a, "success"));
    expect(world.row("b").orderKey).not.toBeNull();
    expect(world.plan.stepsStarved).toBe(0);
  });

  it("books what was used beyond the hold in full, outside the bound", () => {
    const world = committed([holding("a", { tokens: 10 }), workStep("b")], { limits: { tokens: 10 } });
    world.perform("a", "success", { usage: { tokens: 25 } });
    expect(world.plan.account).toMatchObject({ spent: { tokens: 10 }, overrun: { tokens: 15 } });
  });

  it("begins nothing new once usage beyond the holds has used the budget up, until there is more", () => {
    const steps = [
      workStep("a"),
      workStep("b", { retry: { ...workStep("b").retry, maxAttempts: 3 } }),
      holding("c", { tokens: 1 }),
    ];
    const world = committed(steps, { limits: { tokens: 100 } });
    world.perform("a", "success", { usage: { tokens: 100 } });
    expect(remaining(world.plan.account)).toMatchObject({ tokens: 0, moneyMicros: null });
    expect(world.claim(world.row("c").ordinal)).toBeUndefined();
    // Used up, and not exceeded: what says that it needs nothing may still begin.
    world.perform("b", "TRANSIENT", { usage: { tokens: 1 } });
    world.pass(3_600_000);
    world.wakeDue();
    expect(world.claim(world.row("b").ordinal)).toBeUndefined();
    expect(world.plan.stepsStarved).toBe(2);
    expect(movers(world)).toContain("starved");
    world.activate(steps, { limits: { tokens: 200, moneyMicros: null, wallMs: null, energyMillijoules: null } });
    expect(world.plan.stepsStarved).toBe(0);
    expect(leased(world, "b").state).toBe("LEASED");
  });

  it("keeps what was spent and overrun together below the largest amount", () => {
    const limited = committed([workStep("a"), holding("b", { tokens: 10 })], { limits: { tokens: 10 } });
    const b = leased(limited, "b");
    limited.perform("a", "success", { usage: { tokens: MOST } });
    limited.report(limited.outcome(b, "success", { usage: { tokens: 10 } }));
    expect(limited.plan.account).toMatchObject({ spent: { tokens: 10 }, overrun: { tokens: MOST - 10 } });
    const free = committed([workStep("a"), workStep("b")], {});
    free.perform("a", "success", { usage: { tokens: MOST } });
    free.perform("b", "success", { usage: { tokens: 7 } });
    expect(free.plan.account).toMatchObject({ spent: { tokens: MOST }, overrun: { tokens: 0 } });
  });

  it("holds no more than it can give back, even where nothing is limited", () => {
    const world = committed([holding("a", { tokens: MOST }), holding("b", { tokens: 1 })], {});
    const a = leased(world, "a");
    expect(world.claim(world.row("b").ordinal)).toBeUndefined();
    world.report(world.outcome(a, "success"));
    expect(world.plan.account.held).toEqual(NOTHING);
    expect(leased(world, "b").state).toBe("LEASED");
  });

  it("books everything as spent where nothing is limited", () => {
    const world = committed([workStep("a"), workStep("b")], {});
    world.perform("a", "success", { usage: { tokens: 25 } });
    expect(world.plan.account).toMatchObject({ spent: { tokens: 25 }, overrun: { tokens: 0 } });
  });

  it("never books less wall-clock than the lease lasted", () => {
    const world = committed([workStep("a"), workStep("b")], {});
    world.perform("a", "success", { tookMs: 500, usage: { wallMs: 100 } });
    expect(world.plan.account.spent.wallMs).toBe(500);
  });

  it("presumes a lost hold spent until its late report, which lets starved steps go on", () => {
    const world = committed([holding("a", { tokens: 60 }), holding("b", { tokens: 60 })], { limits: { tokens: 100 } });
    const a = leased(world, "a");
    world.lose(1, a.fencing);
    expect(world.plan.account).toMatchObject({ held: NOTHING, presumed: { tokens: 60 } });
    expect(world.claim(1)).toBeUndefined();
    expect(world.claim(2)).toBeUndefined();
    expect(movers(world)).toContain("starved");
    expect(world.report(world.outcome(a, "success", { usage: { tokens: 5 } })).ok).toBe(false);
    expect(world.plan.account).toMatchObject({ presumed: { tokens: 0 }, spent: { tokens: 5 } });
    expect(world.states()).toEqual({ a: "READY", b: "READY" });
    expect(world.plan.stepsStarved).toBe(0);
  });

  it("settles once what a batch presumes, however often that batch hears of it", () => {
    const world = committed([holding("a", { tokens: 60 }), holding("b", { tokens: 60 })], { limits: { tokens: 200 } });
    const [a, b] = [leased(world, "a"), leased(world, "b")];
    world.lose(2, b.fencing);
    const outcome = world.outcome(a, "success", { usage: { tokens: 5 } });
    const executorId = a.executorId as ExecutorId;
    const reasons = world.batch([1], [1], (draft) => {
      loseLease(draft, 1, a.fencing, { errorClass: "LOST", message: "gone", details: "" });
      return [report(draft, outcome, executorId), report(draft, outcome, executorId)].map(reasonOf);
    });
    expect(reasons).toEqual(["STALE_LEASE", "STALE_LEASE"]);
    // What is presumed of the other step stays.
    expect(world.plan.account).toMatchObject({ presumed: { tokens: 60 }, spent: { tokens: 5 } });
    expect(world.records.filter(({ kind }) => kind === "outcome.late")).toHaveLength(1);
  });

  it("lets a cheap step pass any number of dear ones that do not fit", () => {
    const dear = Array.from({ length: 40 }, (_, n) => holding(`dear${String(n)}`, { tokens: 1_000 }));
    const world = committed([holding("first", { tokens: 90 }), ...dear, holding("cheap", { tokens: 20 })], {
      limits: { tokens: 100 },
    });
    const first = leased(world, "first");
    for (const row of world.steps.values()) if (row.state === "READY") world.claim(row.ordinal);
    expect(world.plan.stepsStarved).toBe(41);
    world.report(world.outcome(first, "success"));
    expect([...world.steps.values()].filter((r) => r.orderKey !== null).map((r) => r.key)).toEqual(["cheap"]);
  });

  it("starts what was starved when a re-plan brings more budget", () => {
    const steps = [holding("a", { tokens: 60 })];
    const world = committed(steps, { limits: { tokens: 10 } });
    expect(world.claim(1)).toBeUndefined();
    world.activate(steps, { limits: { tokens: 100, moneyMicros: null, wallMs: null, energyMillijoules: null } });
    expect(world.row("a").orderKey).not.toBeNull();
  });

  it("does not let a spent budget keep effects from being undone", () => {
    const undo = { capability: "undo", input: null, timeoutMs: 1_000, retry: workStep("x").retry };
    const world = committed(
      [
        holding("a", { tokens: 10 }, { compensation: undo }),
        workStep("b", { needs: [{ step: "a", regardless: false }] }),
      ],
      { limits: { tokens: 10 } },
    );
    world.perform("a", "success", { usage: { tokens: 10 } });
    world.perform("b", "PERMANENT");
    world.perform("a", "success", { usage: { tokens: 3 } });
    expect(world.states()).toMatchObject({ a: "COMPENSATED" });
    expect(world.plan.account).toMatchObject({ spent: { tokens: 10 }, overrun: { tokens: 3 } });
  });
});

describe("amounts", () => {
  it("saturate instead of losing digits", () => {
    const most = { tokens: MOST, moneyMicros: MOST, wallMs: MOST, energyMillijoules: MOST };
    expect(plus(most, most)).toEqual(most);
  });
});
