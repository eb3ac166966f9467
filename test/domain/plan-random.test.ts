// Random plans under random events: what must always hold does, after every event. A failing seed prints itself; to see more
// of them, set PLAN_SEEDS and PLAN_FIRST_SEED.
import { describe, expect, it } from "vitest";
import { Events } from "../support/plan-events.ts";
import { checkWorld, tablesAreClosed } from "../support/plan-invariants.ts";
import { randomWorld } from "../support/random-plan.ts";

const SEEDS = Number(process.env["PLAN_SEEDS"] ?? 500);
const FIRST = Number(process.env["PLAN_FIRST_SEED"] ?? 0);
const EVENTS = 100;

describe("a plan under random events", () => {
  const counts = new Map<string, number>();
  const count = (what: string, times = 1): void => {
    counts.set(what, (counts.get(what) ?? 0) + times);
  };

  it(
    `keeps every invariant and always comes to an end (${String(SEEDS)} seeds of ${String(EVENTS)} events)`,
    { timeout: 600_000 },
    () => {
      const failures: string[] = [];
      for (let seed = FIRST; seed < FIRST + SEEDS && failures.length < 10; seed++) {
        const world = randomWorld(seed);
        const events = new Events(world);
        try {
          checkWorld(world);
          for (let i = 0; i < EVENTS; i++) events.next();
          events.finish();
        } catch (error) {
          failures.push(
            `seed ${String(seed)}: ${error instanceof Error ? error.message.slice(0, 800) : String(error)}\n  after ${events.trail.slice(-6).join(", ")}`,
          );
        }
        for (const [kind, times] of events.counts) count(kind, times);
        count(world.plan.state);
        if (world.undone.length > 0) count("undone", world.undone.length);
        if (world.plan.account.overrun.tokens > 0) count("overrun");
      }
      expect(failures.join("\n")).toBe("");
    },
  );

  it.runIf(SEEDS >= 500)("sees every kind of event, and every way to end, often enough to mean something", () => {
    const wanted = {
      claim: 1_000,
      report: 1_000,
      batch: 200,
      lose: 200,
      late: 200,
      repeat: 200,
      contradict: 200,
      bogus: 200,
      wake: 500,
      retry: 200,
      suspend: 100,
      resume: 100,
      skip: 100,
      hold: 100,
      release: 100,
      decide: 200,
      cancel: 10,
      replanned: 500,
      "rerun SUCCEEDED": 200,
      "rerun FAILED": 30,
      "rerun SKIPPED": 10,
      "rerun revived": 30,
      "rerun refused": 100,
      "rerun UNDO_FIRST, compensated": 40,
      "rerun AT_ONCE, compensated": 15,
      stale: 5,
      "many retry": 3,
      "many hold": 10,
      "many release": 3,
      "many skip": 3,
      "resolved LEASED": 50,
      "resolved STOPPING": 3,
      "resolved PENDING": 100,
      "resolved READY": 50,
      "resolved AWAITING_APPROVAL": 10,
      "resolved FAILED": 20,
      "resolved undoing LEASED": 1,
      "resolved undoing COMPENSATION_FAILED": 1,
      "resolve refused": 50,
      "resolved dropped undoing COMPENSATING": 5,
      "resolved dropped undoing COMPENSATION_FAILED": 3,
      "undone again, FAILED": 3,
      "undone again, dropped, ACTIVE": 10,
      "not undone, and resolved": 2,
      BUDGET_EXHAUSTED: 5,
      COMPLETED: 50,
      FAILED: 50,
      CANCELLED: 20,
      undone: 200,
      overrun: 50,
    };
    for (const [what, least] of Object.entries(wanted))
      expect(counts.get(what) ?? 0, what).toBeGreaterThanOrEqual(least);
  });

  it("has tables of transitions that name known states only", () => {
    expect(tablesAreClosed()).toBe(true);
  });
});
