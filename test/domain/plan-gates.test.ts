// Gate steps in plans: what a definition may say, whose word counts, and when a gate is judged again. Not here: what a release gate
// asks, and who performs it.
import { describe, expect, it } from "vitest";
import { GATEKEEPER, kindViolations, RELEASE_GATE } from "../../src/domain/gate.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { after, committing, reasonOf, UNDO } from "../support/plan-cases.ts";
import { workStep } from "../support/random-graph.ts";

const committed = committing();

function gateStep(key: string, parts: Partial<StepDefinition> = {}): StepDefinition {
  return workStep(key, { kind: "gate", capability: RELEASE_GATE, onFailure: "ASK", ...parts });
}

const RELEASE = [workStep("pack"), gateStep("gate", after("pack")), workStep("release", after("gate"))];

describe("what a step may say", () => {
  it("of a gate: needs, condition, timeout, retry, priority, title, estimate, approval, and a failure that lets nothing pass", () => {
    const fine = gateStep("gate", {
      ...after("pack"),
      condition: "true",
      title: "May it go out?",
      retry: { ...NO_RETRY, maxAttempts: 3 },
      requiresApproval: true,
      onFailure: "SKIP_DEPENDENTS",
    });
    expect(kindViolations(fine)).toEqual([]);
    const wrong = gateStep("gate", {
      input: { kind: "json", text: "{}" },
      inputSchema: "{}",
      outputSchema: "{}",
      compensation: UNDO,
      produces: ["a"],
      consumes: ["b"],
      onFailure: "CARRY_ON",
    });
    expect(kindViolations(wrong).map(({ field }) => field)).toEqual([
      "input",
      "input_schema",
      "output_schema",
      "compensation",
      "produces",
      "consumes",
      "on_failure",
    ]);
  });

  it("of work: no capability that Maestro keeps to itself, to do or to undo", () => {
    const asking = workStep("a", {
      capability: RELEASE_GATE,
      compensation: UNDO === null ? null : { ...UNDO, capability: "maestro.anything" },
    });
    expect(kindViolations(asking).map(({ field, rule }) => [field, rule])).toEqual([
      ["compensation.capability", "capability.reserved"],
      ["work.capability", "capability.reserved"],
    ]);
    expect(kindViolations(workStep("a", { capability: "maestro" }))).toEqual([]);
    expect(kindViolations(workStep("a", { capability: "maestro:plan" }))).toEqual([]);
  });
});

describe("a gate in a plan", () => {
  it("holds back what depends on it until it has passed, and is on nobody's account", () => {
    const world = committed(RELEASE);
    world.perform("pack");
    expect(world.states()).toEqual({ pack: "SUCCEEDED", gate: "READY", release: "PENDING" });
    const spent = world.plan.account.spent.wallMs;
    const row = world.claim(2, GATEKEEPER);
    world.pass(60_000);
    if (row === undefined) throw new Error("not leased");
    expect(reasonOf(world.report(world.outcome(row, "success"), GATEKEEPER))).toBe("done");
    expect(world.states()).toEqual({ pack: "SUCCEEDED", gate: "SUCCEEDED", release: "READY" });
    expect(world.plan.account.spent.wallMs).toBe(spent);
    world.perform("release");
  });

  it("takes the word of whoever holds its lease and of no other", () => {
    const world = committed(RELEASE);
    world.perform("pack");
    const row = world.claim(2, GATEKEEPER);
    if (row === undefined) throw new Error("not leased");
    expect(reasonOf(world.report(world.outcome(row, "success")))).toBe("EXECUTOR_UNFIT");
    expect(world.states()).toMatchObject({ gate: "LEASED", release: "PENDING" });
  });

  it("is neither skipped nor resolved, whatever its state", () => {
    const world = committed(RELEASE);
    const { ordinal } = world.row("gate");
    const success = { kind: "success" as const, outputs: null, outputsDigest: "" };
    const resolve = {
      kind: "resolve" as const,
      ordinal,
      reason: "I say so",
      result: success,
      usage: null,
      fencing: 0,
    };
    for (const state of ["PENDING", "READY"]) {
      expect(world.row("gate").state).toBe(state);
      for (const no of [world.command({ kind: "skip", ordinal, reason: "" }), world.command(resolve)]) {
        expect(reasonOf(no)).toBe("STATE_CONFLICT");
        expect(no.ok ? "" : no.refusal.explanation).toContain("nobody's word");
      }
      if (state === "PENDING") world.perform("pack");
    }
  });

  it("asks an approver when it does not pass: yes judges again, and passes nothing by itself", () => {
    const world = committed(RELEASE);
    world.perform("pack");
    world.perform("gate", "TRANSIENT");
    expect(world.states()).toEqual({ pack: "SUCCEEDED", gate: "AWAITING_APPROVAL", release: "PENDING" });
    const [asked] = [...world.approvals.values()].filter(({ state }) => state === "PENDING");
    if (asked === undefined) throw new Error("nobody was asked");
    world.command({ kind: "decide-approval", approvalId: asked.approvalId, approve: true, comment: "" });
    expect(world.states()).toEqual({ pack: "SUCCEEDED", gate: "READY", release: "PENDING" });
    world.perform("gate");
    expect(world.states()).toMatchObject({ gate: "SUCCEEDED", release: "READY" });
  });

  it("can be held and released like any step", () => {
    const world = committed(RELEASE);
    const { ordinal } = world.row("gate");
    world.command({ kind: "hold", ordinal, reason: "" });
    world.perform("pack");
    expect(world.row("gate").state).toBe("WAITING");
    world.command({ kind: "release", ordinal, reason: "" });
    expect(world.row("gate").state).toBe("READY");
  });

  it.each([false, true])(
    "is judged again when something before it runs again, however far up (cascade: %s)",
    (cascade) => {
      const world = committed([
        workStep("build"),
        workStep("pack", after("build")),
        gateStep("gate", after("pack")),
        workStep("release", after("gate")),
      ]);
      for (const key of ["build", "pack", "gate"]) world.perform(key);
      world.rerun("build", cascade);
      // The package that is there waits for nobody: the gate waits for the build itself.
      expect(world.states()).toMatchObject({ build: "READY", pack: "SUCCEEDED", gate: "PENDING", release: "PENDING" });
      world.perform("build");
      expect(world.states()).toMatchObject({ gate: "READY", release: "PENDING" });
      world.perform("gate");
      expect(world.states()).toMatchObject({ gate: "SUCCEEDED", release: "READY" });
    },
  );

  it("stays as it is when something beside it runs again", () => {
    const world = committed([...RELEASE, workStep("notes")]);
    for (const key of ["pack", "gate", "notes"]) world.perform(key);
    world.rerun("notes");
    expect(world.states()).toMatchObject({ notes: "READY", gate: "SUCCEEDED", release: "READY" });
  });
});
