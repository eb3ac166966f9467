// Makes seeded random plans: steps with all that can be said of one, and worlds in which they were just committed. Not here:
// what then happens to them, see plan-events.ts.
import { DIMENSIONS, NO_LIMITS, NOTHING, plus } from "../../src/domain/amounts.ts";
import type { Amounts, Limits } from "../../src/domain/amounts.ts";
import { RELEASE_GATE } from "../../src/domain/gate.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { PlanWorld } from "./plan-world.ts";
import { randomSteps } from "./random-graph.ts";
import type { Dice } from "./random-graph.ts";

/** Every so many steps one is a gate; not by chance, so that the rest is as it would be without. */
const GATES_EVERY = 16;
const RULES = ["FAIL_PLAN", "SKIP_DEPENDENTS", "CARRY_ON", "ASK"] as const;

/** Steps with all that can be said of one. */
export function variedSteps(random: Dice, count: number): StepDefinition[] {
  const gentle = random.chance(0.5);
  const steps = randomSteps(random, {
    steps: count,
    needs: random.fraction() * 2.5,
    regardless: random.fraction() * 0.5,
    references: random.fraction() * 0.4,
  });
  return steps.map((step, i) => {
    const varied = { ...step, ...settings(random, step, gentle) };
    return i % GATES_EVERY === 5 ? gateOf(varied) : varied;
  });
}

/** The same step as a gate, without what no gate has. */
function gateOf(step: StepDefinition): StepDefinition {
  return {
    ...step,
    kind: "gate",
    capability: RELEASE_GATE,
    input: null,
    inputSchema: "",
    outputSchema: "",
    compensation: null,
    hold: NOTHING,
    onFailure: step.onFailure === "CARRY_ON" ? "ASK" : step.onFailure,
  };
}

function settings(random: Dice, step: StepDefinition, gentle: boolean): Partial<StepDefinition> {
  const parts: { -readonly [K in keyof StepDefinition]?: StepDefinition[K] } = {};
  parts.onFailure =
    gentle && random.chance(0.8) ? random.pick(["CARRY_ON", "SKIP_DEPENDENTS"] as const) : random.pick(RULES);
  if (random.chance(0.5))
    parts.retry = { ...step.retry, maxAttempts: 1 + random.below(4), initialBackoffMs: 5 + random.below(50) };
  if (random.chance(0.35)) {
    const input = random.chance(0.5) ? `{"undo":"\${{ steps[\\"${step.key}\\"].outputs.value }}"}` : `{"undo":1}`;
    parts.compensation = {
      capability: "undo",
      input: { kind: "json", text: input },
      timeoutMs: 1_000,
      retry: { ...step.retry, maxAttempts: 1 + random.below(3), initialBackoffMs: 5 },
    };
  }
  if (random.chance(0.15)) parts.requiresApproval = true;
  const [need] = step.needs;
  if (need !== undefined && random.chance(0.3)) {
    parts.condition = random.pick([
      `steps["${need.step}"].state == "SUCCEEDED"`,
      `steps["${need.step}"].state != "SKIPPED"`,
      `steps["${need.step}"].outputs.value > 20`,
      'goal.inputs.ref == "main"',
    ]);
  }
  if (random.chance(0.1))
    parts.outputSchema = '{"type":"object","properties":{"value":{"type":"integer","maximum":80}}}';
  if (random.chance(0.1)) parts.inputSchema = '{"type":"object"}';
  parts.hold = random.chance(0.7) ? randomAmounts(random, 40) : NOTHING;
  parts.timeoutMs = 10_000;
  parts.priority = random.below(3);
  return parts;
}

export function randomAmounts(random: Dice, most: number): Amounts {
  return {
    tokens: random.below(most),
    moneyMicros: random.below(most),
    wallMs: random.below(most),
    energyMillijoules: random.below(most),
  };
}

/** A plan that was just committed. Dimensions that are limited stay so. */
export function randomWorld(seed: number, steps?: number): PlanWorld {
  const shape = new PlanWorld({ seed }).random;
  const definitions = variedSteps(shape, steps ?? 1 + shape.below(shape.chance(0.3) ? 60 : 18));
  const worst = definitions.reduce((sum, step) => plus(sum, step.hold), NOTHING);
  const limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...NO_LIMITS };
  if (shape.chance(0.5))
    for (const d of DIMENSIONS)
      if (shape.chance(0.5)) limits[d] = Math.floor(worst[d] * (0.2 + shape.fraction() * 1.5));
  const world = new PlanWorld({
    seed: seed + 7,
    limits,
    deadlineMs: shape.chance(0.3) ? 2_000 + shape.below(20_000) : null,
  });
  for (const d of DIMENSIONS) if (limits[d] !== null) world.limited.set(d, limits[d]);
  const done = world.activate(definitions);
  if (done?.ok !== true)
    throw new Error(`the graph of seed ${String(seed)} was not activated: ${JSON.stringify(done)}`);
  return world;
}
