// What the tests of plans have in common that look at one behaviour at a time: committed plans, needs, answers. Not here:
// the plans themselves, see plan-world.ts.
import { afterEach, expect } from "vitest";
import type { Decision } from "../../src/domain/refusal.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { checkWorld } from "./plan-invariants.ts";
import { PlanWorld } from "./plan-world.ts";
import type { WorldOptions } from "./plan-world.ts";

export const UNDO: StepDefinition["compensation"] = {
  capability: "undo",
  input: null,
  timeoutMs: 1_000,
  retry: NO_RETRY,
};

/** Commits plans for the tests of one file; what must always hold is looked at after each test. */
export function committing(): (steps: readonly StepDefinition[], options?: WorldOptions) => PlanWorld {
  const worlds: PlanWorld[] = [];
  afterEach(() => {
    for (const world of worlds.splice(0)) checkWorld(world);
  });
  return (steps, options = {}) => {
    const world = new PlanWorld(options);
    expect(world.activate(steps)).toEqual({ ok: true, value: null });
    worlds.push(world);
    return world;
  };
}

export function after(...keys: readonly string[]): Partial<StepDefinition> {
  return { needs: keys.map((step) => ({ step, regardless: false })) };
}

export function whatever(...keys: readonly string[]): Partial<StepDefinition> {
  return { needs: keys.map((step) => ({ step, regardless: true })) };
}

export function reasonOf(decision: Decision<unknown> | undefined): string {
  return decision === undefined ? "no decision" : decision.ok ? "done" : decision.refusal.reason;
}
