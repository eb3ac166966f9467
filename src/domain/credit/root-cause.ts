// Where failures of a leg began. Steps that were only skipped or cancelled are affected, never to blame.
import type { ExecutorId } from "../id.ts";
import type { Failure } from "../outcome.ts";
import type { CreditInput, Leg, LegStep } from "./leg.ts";
import { executorOf } from "./leg.ts";

export interface RootCause {
  readonly step: string;
  readonly failure: Failure;
  readonly executorId: ExecutorId | null;
  /** At most 100. */
  readonly affected: readonly string[];
  readonly affectedCount: number;
}

type Cause = Pick<CreditInput, "planState" | "failures" | "planned" | "step">;

const NAMED_LIMIT = 100;
const UNKNOWN: Failure = { errorClass: "PERMANENT", message: "", details: "" };

/**
 * Cuts the graph at the first failing steps: those that failed or were refused without such a step that kept them from
 * beginning. Each step that did not succeed is blamed once, on the cause that failed first of those that kept it from
 * beginning: a failure that a step may go on from keeps it from nothing. What a failing plan cancelled or undid elsewhere is
 * blamed on the step that failed it. Of a step's leg, only what that step did not succeed for is a cause.
 */
export function rootCauses(leg: Leg, input: Cause): readonly RootCause[] {
  const failing = failingSteps(leg);
  if (failing.length === 0) return [];
  const below = following(leg, failing);
  const roots = failing.filter((s) => !below.has(s.ordinal));
  const affected = new Map<number, string[]>(roots.map((r) => [r.ordinal, []]));
  const blamed = new Set(roots.map((r) => r.ordinal));
  for (const root of roots) {
    const list = affected.get(root.ordinal) ?? [];
    const frontier = [root.ordinal];
    for (const ordinal of frontier) {
      for (const child of leg.kept.get(ordinal) ?? []) {
        const step = leg.steps.get(child);
        if (step === undefined || step.state === "SUCCEEDED" || blamed.has(child)) continue;
        blamed.add(child);
        list.push(step.key);
        frontier.push(child);
      }
    }
  }
  const failer = planFailer(leg, input);
  const list = failer === undefined ? undefined : affected.get(failer.ordinal);
  for (const step of leg.steps.values()) {
    const undone = step.state === "CANCELLED" || step.state === "COMPENSATED" || step.state === "COMPENSATION_FAILED";
    if (undone && !blamed.has(step.ordinal)) list?.push(step.key);
  }
  const { step: target } = input;
  const named =
    target === null ? roots : roots.filter((r) => r.key === target || affected.get(r.ordinal)?.includes(target));
  return named.map((root) => {
    const list = affected.get(root.ordinal) ?? [];
    return {
      step: root.key,
      failure: root.attempts.at(-1)?.failure ?? input.failures.get(root.ordinal) ?? UNKNOWN,
      executorId: executorOf(root),
      affected: list.slice(0, NAMED_LIMIT),
      affectedCount: list.length,
    };
  });
}

/** The step whose failure was the plan's: of those that may fail it, the one that failed first. */
export function planFailer(
  leg: Leg,
  { planState, planned }: Pick<Cause, "planState" | "planned">,
): LegStep | undefined {
  if (planState !== "FAILED") return undefined;
  return failingSteps(leg).find(({ key }) => planned.get(key)?.failsPlan === true);
}

function failingSteps(leg: Leg): readonly LegStep[] {
  return [...leg.steps.values()].filter((s) => s.state === "FAILED" || s.state === "REFUSED").sort(byEnd);
}

/** Ordinals of all steps that these kept from beginning, themselves or by others. */
function following(leg: Leg, steps: readonly LegStep[]): Set<number> {
  const found = new Set<number>();
  const frontier = steps.map((s) => s.ordinal);
  for (const ordinal of frontier) {
    for (const child of leg.kept.get(ordinal) ?? []) {
      if (found.has(child)) continue;
      found.add(child);
      frontier.push(child);
    }
  }
  return found;
}

function byEnd(a: LegStep, b: LegStep): number {
  return (a.endMs ?? 0) - (b.endMs ?? 0) || (a.key < b.key ? -1 : 1);
}
