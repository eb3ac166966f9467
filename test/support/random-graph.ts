// Seeded random graphs and edits of them, for property tests. The same seed gives the same graph everywhere.
import { NOTHING } from "../../src/domain/amounts.ts";
import type { Edge } from "../../src/domain/graph.ts";
import { NO_RETRY, plainStep } from "../../src/domain/step.ts";
import type { Need, StepDefinition } from "../../src/domain/step.ts";

export interface Dice {
  /** From 0 (included) to 1 (excluded). */
  fraction(): number;
  /** From 0 to `below` − 1. */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
}

/** A small generator (xorshift, Marsaglia 2003): good enough to vary graphs. */
export function dice(seed: number): Dice {
  let state = (Math.imul(seed + 1, 2_654_435_761) ^ 0x9e3779b9) >>> 0 || 1;
  const fraction = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 4_294_967_296;
  };
  for (let i = 0; i < 8; i++) fraction();
  const below = (limit: number): number => Math.floor(fraction() * limit);
  return {
    fraction,
    below,
    chance: (probability) => fraction() < probability,
    pick: <T>(items: readonly T[]): T => items[below(items.length)] as T,
  };
}

/** A step with usual settings, and what is given. */
export function workStep(key: string, parts: Partial<StepDefinition> = {}): StepDefinition {
  return plainStep(key, { capability: "shell", ...parts });
}

/** An estimate whose likely duration is `likelyMs`. */
export function about(likelyMs: number): NonNullable<StepDefinition["estimate"]> {
  return { optimisticMs: Math.floor(likelyMs / 2), likelyMs, pessimisticMs: likelyMs * 3 };
}

export interface GraphShape {
  readonly steps: number;
  /** Needs of a step on average. */
  readonly needs: number;
  /** Share of needs that wait regardless. */
  readonly regardless?: number;
  /** Share of needs that are value references instead. */
  readonly references?: number;
}

/** An acyclic graph: steps need steps that come before them, in shuffled positions. */
export function randomSteps(random: Dice, shape: GraphShape): StepDefinition[] {
  const keys = Array.from({ length: shape.steps }, (_, n) => (random.chance(0.2) ? `s-${n}` : `s${n}`));
  const steps = keys.map((key, n) => {
    const needs = new Map<string, Need>();
    const references: string[] = [];
    const wanted = n === 0 ? 0 : random.below(Math.round(shape.needs * 2) + 1);
    for (let i = 0; i < wanted; i++) {
      const step = keys[random.below(n)] as string;
      if (random.chance(shape.references ?? 0)) references.push(step);
      else needs.set(step, { step, regardless: random.chance(shape.regardless ?? 0) });
    }
    const input = {
      run: `task ${random.below(5)}`,
      from: references.map((step) => `\${{ steps["${step}"].outputs.value }}`),
    };
    return workStep(key, {
      needs: [...needs.values()],
      input: { kind: "json", text: JSON.stringify(input) },
      estimate: random.chance(0.9) ? about(random.below(10) * 100) : null,
      hold: { ...NOTHING, tokens: random.below(100), moneyMicros: random.below(1_000) },
    });
  });
  for (let i = steps.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [steps[i], steps[j]] = [steps[j] as StepDefinition, steps[i] as StepDefinition];
  }
  return steps;
}

/** One random edit that keeps the graph acyclic; the number says how many steps it touched. */
export function randomEdit(random: Dice, steps: readonly StepDefinition[], fresh: string): StepDefinition[] {
  const order = topological(steps);
  const at = random.below(order.length);
  const chosen = order[at] as StepDefinition;
  const replace = (parts: Partial<StepDefinition>): StepDefinition[] =>
    steps.map((step) => (step.key === chosen.key ? { ...step, ...parts } : step));
  const earlier = order.slice(0, at).map((step) => step.key);
  switch (random.below(12)) {
    case 0: {
      const needs = earlier.length === 0 ? [] : [{ step: random.pick(earlier), regardless: random.chance(0.2) }];
      return [...steps, workStep(fresh, { needs, capability: random.pick(["shell", "build"]) })];
    }
    case 1:
      return removeStep(steps, chosen.key);
    case 2:
      return replace({ title: `title ${random.below(100)}` });
    case 3:
      return replace({
        input: {
          kind: "json",
          text: `{"run":"other ${random.below(100)}","deep":{"list":[${random.below(3)},{"a.b":${random.below(3)}}]}}`,
        },
      });
    case 4:
      return replace({ executorLabels: { zone: random.pick(["a", "b"]), "10": "x", "9": random.pick(["y", "z"]) } });
    case 5:
      return replace({ retry: { ...NO_RETRY, maxAttempts: 2 + random.below(5) } });
    case 6:
      return replace({ estimate: random.chance(0.3) ? null : about(random.below(20) * 100) });
    case 7:
      return replace({
        compensation: random.chance(0.3)
          ? null
          : {
              capability: "undo",
              input: { kind: "bytes", contentType: "text/plain", data: "aGk=" },
              timeoutMs: 1_000 + random.below(5),
              retry: NO_RETRY,
            },
      });
    case 8:
    case 9: {
      if (earlier.length === 0) return replace({ priority: random.below(50) });
      const step = random.pick(earlier);
      return replace({
        needs: [...chosen.needs.filter((need) => need.step !== step), { step, regardless: random.chance(0.3) }],
      });
    }
    case 10:
      return replace({ needs: chosen.needs.filter(() => random.chance(0.5)) });
    default:
      return replace({
        input: random.chance(0.5) ? { kind: "artifact", uri: `s3://bucket/${random.below(10)}` } : null,
      });
  }
}

/** Needs that follow from others, added wherever `probability` says: the graph means the same. */
export function addRedundantNeeds(
  random: Dice,
  steps: readonly StepDefinition[],
  edges: readonly Edge[],
  probability: number,
): StepDefinition[] {
  const strict = edges.filter((edge) => !edge.regardless);
  return steps.map((step) => {
    const near = strict.filter((edge) => edge.to === step.key).map((edge) => edge.from);
    const far = new Set(near.flatMap((middle) => strict.filter((edge) => edge.to === middle).map((edge) => edge.from)));
    const known = new Set(edges.filter((edge) => edge.to === step.key).map((edge) => edge.from));
    const added = [...far]
      .filter((key) => !known.has(key) && random.chance(probability))
      .map((key) => ({ step: key, regardless: random.chance(0.3) }));
    return added.length === 0 ? step : { ...step, needs: [...step.needs, ...added] };
  });
}

function removeStep(steps: readonly StepDefinition[], key: string): StepDefinition[] {
  if (steps.length <= 1) return [...steps];
  return steps
    .filter((step) => step.key !== key)
    .map((step) => {
      const needs = step.needs.filter((need) => need.step !== key);
      const refers = step.input?.kind === "json" && step.input.text.includes(`steps[\\"${key}\\"]`);
      return {
        ...step,
        needs,
        ...(refers ? { input: { kind: "json" as const, text: '{"run":"task 0","from":[]}' } } : {}),
      };
    });
}

function topological(steps: readonly StepDefinition[]): StepDefinition[] {
  const placed = new Set<string>();
  const order: StepDefinition[] = [];
  while (order.length < steps.length) {
    const before = order.length;
    for (const step of steps) {
      if (placed.has(step.key)) continue;
      const text = step.input?.kind === "json" ? step.input.text : "";
      const references = [...text.matchAll(/steps\[\\"([^"\\]+)\\"\]/g)].map((match) => match[1] as string);
      if (![...step.needs.map((need) => need.step), ...references].every((key) => placed.has(key))) continue;
      placed.add(step.key);
      order.push(step);
    }
    if (order.length === before) throw new Error("The graph has a cycle.");
  }
  return order;
}
