// What may be told of runs and changed of them. Not here: the wire's bounds.
import { describe, expect, test } from "vitest";
import type { OrgId, PlanId, RunId } from "../../src/domain/id.ts";
import { MOST_PAST_OWNERS, RUN_TRANSITIONS, STATUS_OF_PLAN, changedRun, newRun } from "../../src/domain/run.ts";
import type { Run, RunChange, RunDraft, RunStatus } from "../../src/domain/run.ts";

const DRAFT: RunDraft = {
  name: "r",
  owner: "o",
  status: null,
  startedMs: null,
  finishedMs: null,
  costEstimate: null,
  costActual: null,
  relatedEntityIds: [],
  relatedDecisionIds: [],
  metadata: "{}",
};
const NOTHING: RunChange = {
  name: null,
  owner: null,
  status: null,
  finishedMs: null,
  costEstimate: null,
  costActual: null,
  relatedEntityIds: null,
  relatedDecisionIds: null,
  metadata: null,
};
const IDENTITY = { orgId: "org" as OrgId, runId: "run" as RunId, charter: null, createdMs: 1_000, createdBy: "alice" };

function made(over: Partial<RunDraft> = {}): Run {
  const decision = newRun({ ...DRAFT, ...over }, IDENTITY);
  if (!decision.ok) throw new Error(decision.refusal.explanation);
  return decision.value;
}

const STATUSES = Object.keys(RUN_TRANSITIONS) as RunStatus[];

describe("a new run", () => {
  test("is pending, and began when it was told of", () => {
    expect(made()).toMatchObject({ status: "PENDING", startedMs: 1_000, finishedMs: null, planId: null });
  });

  test("that ended and does not say when ended now, or when it began if that is later", () => {
    expect(made({ status: "FAILED", startedMs: 10 }).finishedMs).toBe(1_000);
    expect(made({ status: "SUCCEEDED", startedMs: 5_000 }).finishedMs).toBe(5_000);
  });

  test("that only says when it ended began no later than that", () => {
    expect(made({ status: "SUCCEEDED", finishedMs: 700 })).toMatchObject({ startedMs: 700, finishedMs: 700 });
  });

  test("may end in the second in which it began, said in whole seconds: what was said is kept", () => {
    expect(made({ startedMs: 5_428, finishedMs: 5_000 })).toMatchObject({ startedMs: 5_428, finishedMs: 5_000 });
    expect(newRun({ ...DRAFT, startedMs: 5_428, finishedMs: 5_001 }, IDENTITY).ok).toBe(false);
  });

  test("cannot end before it begins", () => {
    const decision = newRun({ ...DRAFT, startedMs: 2, finishedMs: 1 }, IDENTITY);
    expect(decision).toMatchObject({ ok: false, refusal: { reason: "INVALID_REQUEST" } });
  });
});

describe("a change", () => {
  test.each(STATUSES.flatMap((from) => STATUSES.map((to) => [from, to] as const)))(
    "from %s to %s is taken if it moves forward, or not at all",
    (from, to) => {
      const decision = changedRun(made({ status: from }), { ...NOTHING, status: to }, 2_000);
      expect(decision.ok).toBe(from === to || RUN_TRANSITIONS[from].includes(to));
      if (!decision.ok) expect(decision.refusal).toMatchObject({ reason: "STATE_CONFLICT", metadata: { state: from } });
    },
  );

  test("leaves alone what it does not name, and an end that was said", () => {
    const run = made({ status: "RUNNING", finishedMs: 1_500, costEstimate: 3 });
    const decision = changedRun(run, { ...NOTHING, status: "SUCCEEDED", costActual: 4 }, 2_000);
    expect(decision).toEqual({ ok: true, value: { ...run, status: "SUCCEEDED", costActual: 4 } });
  });

  test("of what a plan says is refused; of the rest it is taken, and sets no end", () => {
    const run: Run = { ...made({ status: "SUCCEEDED" }), planId: "plan" as PlanId, finishedMs: null };
    for (const change of [{ status: "SUCCEEDED" as const }, { finishedMs: 3_000 }, { costActual: 0 }]) {
      const decision = changedRun(run, { ...NOTHING, ...change }, 2_000);
      expect(decision).toMatchObject({ ok: false, refusal: { reason: "STATE_CONFLICT", rule: "run.of_plan" } });
    }
    expect(changedRun(run, { ...NOTHING, owner: "p" }, 2_000)).toEqual({
      ok: true,
      value: { ...run, owner: "p", pastOwners: ["o"] },
    });
  });

  test("of the owner keeps who it was, each once, and is refused when there were too many", () => {
    const give = (run: Run, owner: string) => changedRun(run, { ...NOTHING, owner }, 2_000);
    let run = made();
    for (const owner of ["p", "p", "o", "p", "q"]) {
      const decision = give(run, owner);
      if (!decision.ok) throw new Error(decision.refusal.explanation);
      run = decision.value;
    }
    expect(run).toMatchObject({ owner: "q", pastOwners: ["o", "p"] });
    const pastOwners = Array.from({ length: MOST_PAST_OWNERS }, (_, i) => `owner ${String(i)}`);
    expect(give({ ...run, pastOwners }, "r")).toMatchObject({ ok: false, refusal: { rule: "run.owners" } });
    expect(give({ ...run, pastOwners }, "q").ok).toBe(true);
    expect(give({ ...run, owner: "owner 1", pastOwners }, "r").ok).toBe(true);
  });
});

test("every state of a plan that was committed is a status", () => {
  const none = Object.entries(STATUS_OF_PLAN).filter(([, status]) => status === null);
  expect(none).toEqual([["UNCOMMITTED", null]]);
});
