// The credit trace on hand-made histories: path, split of time, root causes. Not here: the operation, see operations/.
import { describe, expect, it } from "vitest";
import type { CreditAttempt, CreditInput } from "../../src/domain/credit/leg.ts";
import { traceCredit } from "../../src/domain/credit/trace.ts";
import type { CreditTrace } from "../../src/domain/credit/trace.ts";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { ExecutorId, PlanId } from "../../src/domain/id.ts";
import { STEP_FLAGS } from "../../src/domain/step.ts";
import type { OnFailure, StepState } from "../../src/domain/step.ts";

const COMMITTED = 1_000_000;

interface Told {
  readonly state?: StepState;
  /** With `!`, regardless of how it ends. */
  readonly needs?: readonly string[];
  readonly rule?: OnFailure;
  /** [ready, leased, ended] from the commit. */
  readonly attempts?: readonly (readonly [number, number, number])[];
  readonly ended?: number;
  readonly likely?: number;
  readonly executor?: string;
}

function history(told: Readonly<Record<string, Told>>, over: Partial<CreditInput> = {}): CreditInput {
  const keys = Object.keys(told);
  const ordinalOf = (key: string): number => keys.indexOf(key) + 1;
  const attempts: CreditAttempt[] = [];
  const steps = Object.entries(told).map(([key, t]) => {
    const tries = t.attempts ?? [];
    const state = t.state ?? "SUCCEEDED";
    tries.forEach(([ready, leased, ended], i) => {
      const lastOne = i === tries.length - 1;
      const won = lastOne && (state === "SUCCEEDED" || state === "COMPENSATED");
      attempts.push({
        ordinal: ordinalOf(key),
        fencing: i + 1,
        undoing: false,
        state: won ? "SUCCEEDED" : "FAILED",
        executorId: (t.executor ?? "one") as ExecutorId,
        readyMs: COMMITTED + ready,
        leasedMs: COMMITTED + leased,
        endedMs: COMMITTED + ended,
        failure: won ? null : { errorClass: "TRANSIENT", message: `${key} broke`, details: "" },
        usage: { ...NOTHING, tokens: 10, wallMs: ended - leased },
      });
    });
    const end = t.ended ?? tries.at(-1)?.[2];
    return {
      ordinal: ordinalOf(key),
      key,
      state,
      flags: t.rule === "CARRY_ON" ? STEP_FLAGS.CARRY_ON : 0,
      readyMs: null,
      finishedMs: end === undefined ? null : COMMITTED + end,
    };
  });
  const edges = Object.entries(told).flatMap(([key, t]) =>
    (t.needs ?? []).map((need) => ({
      from: ordinalOf(need.replace("!", "")),
      to: ordinalOf(key),
      regardless: need.endsWith("!"),
    })),
  );
  const planned = new Map(
    Object.entries(told).map(([key, t]) => [
      key,
      { likelyMs: t.likely ?? 0, earliestMs: 0, failsPlan: (t.rule ?? "FAIL_PLAN") === "FAIL_PLAN" },
    ]),
  );
  return {
    planId: "p" as PlanId,
    version: 1,
    planState: "COMPLETED",
    committedMs: COMMITTED,
    recordSeq: 9,
    step: null,
    steps,
    edges,
    attempts,
    planned,
    failures: new Map(),
    ...over,
  };
}

function trace(input: CreditInput): CreditTrace {
  const found = traceCredit(input);
  if (found === undefined) throw new Error("no such step");
  return found;
}

function stepOf(traced: CreditTrace, key: string): CreditTrace["steps"][number] {
  const step = traced.steps.find((s) => s.key === key);
  if (step === undefined) throw new Error(`no step ${key}`);
  return step;
}

describe("the realized critical path", () => {
  it("goes back from the last finisher through the predecessors that finished last", () => {
    const traced = trace(
      history({
        fast: { attempts: [[0, 0, 10]] },
        slow: { attempts: [[0, 5, 50]] },
        join: { needs: ["fast", "slow"], attempts: [[50, 60, 90]] },
        aside: { needs: ["fast"], attempts: [[10, 10, 80]] },
      }),
    );
    expect(traced.criticalPath).toEqual(["slow", "join"]);
    expect(traced.realizedMs).toBe(90);
    expect(traced.steps.map((s) => [s.key, s.critical])).toEqual([
      ["fast", false],
      ["slow", true],
      ["aside", false],
      ["join", true],
    ]);
  });

  it("does not go through a parent that a re-plan gave to a step that was ready before", () => {
    const traced = trace(
      history({
        old: { attempts: [[0, 0, 10]] },
        late: { attempts: [[0, 0, 70]] },
        end: { needs: ["old", "late"], attempts: [[10, 20, 90]] },
      }),
    );
    expect(traced.criticalPath).toEqual(["old", "end"]);
  });

  it("of a failed plan ends with the step that failed it, not with what was stopped later or failed before", () => {
    const told: Readonly<Record<string, Told>> = {
      first: { attempts: [[0, 0, 10]] },
      minor: { state: "FAILED", rule: "SKIP_DEPENDENTS", attempts: [[0, 0, 5]] },
      fatal: { needs: ["first"], state: "FAILED", attempts: [[10, 12, 30]] },
      bystander: { state: "CANCELLED", attempts: [[0, 0, 45]] },
      never: { needs: ["fatal"], state: "CANCELLED", ended: 30 },
    };
    const traced = trace(history(told, { planState: "FAILED" }));
    expect(traced.criticalPath).toEqual(["first", "fatal"]);
    expect(traced.realizedMs).toBe(30);
    expect(traced.rootCauses.map((c) => [c.step, c.affected])).toEqual([
      ["minor", []],
      ["fatal", ["never", "bystander"]],
    ]);
  });

  it("of a step's leg holds only what the step depended on", () => {
    const input = history(
      {
        a: { attempts: [[0, 0, 10]] },
        b: { needs: ["a"], attempts: [[10, 10, 20]] },
        other: { attempts: [[0, 0, 500]], executor: "two" },
      },
      { step: "b" },
    );
    const traced = trace(input);
    expect(traced.criticalPath).toEqual(["a", "b"]);
    expect(traced.steps.map((s) => s.key)).toEqual(["a", "b"]);
    expect(traced.executors.map((e) => e.executorId)).toEqual(["one"]);
    expect(traced.usage.tokens).toBe(20);
    expect(traceCredit({ ...input, step: "nobody" })).toBeUndefined();
  });
});

describe("the split of a step's time", () => {
  it("adds up to the time from the last predecessor's end to the step's own", () => {
    const traced = trace(
      history({
        a: { attempts: [[0, 0, 100]] },
        b: {
          needs: ["a"],
          likely: 50,
          attempts: [
            [110, 130, 160],
            [200, 205, 300],
          ],
        },
      }),
    );
    const b = stepOf(traced, "b");
    expect(b).toMatchObject({
      waitingMs: 10,
      queueingMs: 25,
      executingMs: 95,
      retryingMs: 70,
      attempts: 2,
      plannedMs: 50,
      deviationMs: 150,
    });
    expect(b.waitingMs + b.queueingMs + b.executingMs + b.retryingMs).toBe(300 - 100);
  });

  it("adds up along the critical path to what the leg took", () => {
    const traced = trace(
      history({
        a: { likely: 10, attempts: [[3, 5, 20]] },
        b: { needs: ["a"], likely: 10, attempts: [[20, 21, 50]] },
        c: {
          needs: ["b"],
          likely: 10,
          attempts: [
            [50, 50, 51],
            [60, 70, 99],
          ],
        },
      }),
    );
    const path = traced.steps.filter((s) => s.critical);
    expect(path.reduce((sum, s) => sum + s.plannedMs + s.deviationMs, 0)).toBe(traced.realizedMs);
  });

  it("counts what happened after a step was undone for usage only", () => {
    const input = history({ a: { state: "COMPENSATED", attempts: [[0, 0, 10]], ended: 500 } }, { planState: "FAILED" });
    const undo: CreditAttempt = {
      ...(input.attempts[0] as CreditAttempt),
      undoing: true,
      fencing: 2,
      readyMs: COMMITTED + 400,
      leasedMs: COMMITTED + 400,
      endedMs: COMMITTED + 500,
    };
    const traced = trace({ ...input, attempts: [...input.attempts, undo] });
    expect(stepOf(traced, "a")).toMatchObject({
      executingMs: 10,
      attempts: 1,
      finishedMs: COMMITTED + 10,
      usage: { tokens: 20 },
    });
    expect(traced.executors).toMatchObject([{ attempts: 2, executingMs: 110 }]);
  });
});

describe("root causes", () => {
  it("are the first failing steps, and blame nobody who was only skipped", () => {
    const traced = trace(
      history({
        ok: { attempts: [[0, 0, 5]] },
        broken: {
          needs: ["ok"],
          state: "FAILED",
          attempts: [
            [5, 5, 10],
            [10, 10, 20],
          ],
        },
        skipped: { needs: ["broken"], state: "SKIPPED", ended: 20 },
        cleanup: { needs: ["broken!"], attempts: [[20, 20, 30]] },
      }),
    );
    expect(traced.rootCauses).toEqual([
      {
        step: "broken",
        failure: { errorClass: "TRANSIENT", message: "broken broke", details: "" },
        executorId: "one",
        affected: ["skipped"],
        affectedCount: 1,
      },
    ]);
  });

  it("cut the graph: a failure after a failure is affected, not a cause", () => {
    const traced = trace(
      history({
        first: { state: "FAILED", attempts: [[0, 0, 10]] },
        second: { needs: ["first"], state: "FAILED", attempts: [[10, 10, 20]] },
        third: { needs: ["second"], state: "SKIPPED", ended: 20 },
      }),
    );
    expect(traced.rootCauses.map((c) => [c.step, c.affected])).toEqual([["first", ["second", "third"]]]);
  });

  it("blame no failure for a step that might go on from it", () => {
    const told: Readonly<Record<string, Told>> = {
      carried: { state: "FAILED", rule: "CARRY_ON", attempts: [[0, 0, 10]] },
      ignored: { state: "FAILED", rule: "SKIP_DEPENDENTS", attempts: [[0, 0, 12]] },
      unmet: { needs: ["carried", "ignored!"], state: "SKIPPED", ended: 20 },
      after: { needs: ["unmet"], state: "SKIPPED", ended: 20 },
      stopped: { needs: ["ignored"], state: "SKIPPED", ended: 20 },
    };
    expect(trace(history(told)).rootCauses.map((c) => [c.step, c.affected])).toEqual([
      ["carried", []],
      ["ignored", ["stopped"]],
    ]);
    expect(trace(history(told, { step: "after" })).rootCauses).toEqual([]);
    expect(trace(history(told, { step: "stopped" })).rootCauses.map((c) => c.step)).toEqual(["ignored"]);
    expect(trace(history(told, { step: "carried" })).rootCauses.map((c) => c.step)).toEqual(["carried"]);
  });

  it("count each affected step once, on the cause that failed first", () => {
    const traced = trace(
      history(
        {
          late: { state: "FAILED", attempts: [[0, 0, 30]] },
          early: { state: "REFUSED", attempts: [[0, 0, 10]] },
          both: { needs: ["late", "early"], state: "SKIPPED", ended: 30 },
          elsewhere: { state: "CANCELLED", ended: 31 },
        },
        { planState: "FAILED" },
      ),
    );
    expect(traced.rootCauses.map((c) => [c.step, c.affected])).toEqual([
      ["early", ["both", "elsewhere"]],
      ["late", []],
    ]);
  });

  it("name the failure of a step that failed before any attempt", () => {
    const failure = { errorClass: "EXPRESSION" as const, message: "input: no such field", details: "" };
    const traced = trace(history({ a: { state: "FAILED", ended: 10 } }, { failures: new Map([[1, failure]]) }));
    expect(traced.rootCauses).toMatchObject([{ step: "a", failure, executorId: null }]);
  });
});
