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

const NAMED_LIMIT = 100;
const UNKNOWN: Failure = { errorClass: "PERMANENT", message: "", details: "" };

/**
 * Cuts the graph at the first failing steps: those that failed or were refused without such a step before them. Each step
 * that did not succeed is blamed once, on the cause that failed first of those it follows from; what a failing plan
 * cancelled or undid elsewhere is blamed on the first cause of all.
 */
export function rootCauses(leg: Leg, input: Pick<CreditInput, "planState" | "failures">): readonly RootCause[] {
  const failing = [...leg.steps.values()].filter((s) => s.state === "FAILED" || s.state === "REFUSED").sort(byEnd);
  if (failing.length === 0) return [];
  const below = following(leg, failing);
  const roots = failing.filter((s) => !below.has(s.ordinal));
  const affected = new Map<number, string[]>(roots.map((r) => [r.ordinal, []]));
  const blamed = new Set(roots.map((r) => r.ordinal));
  for (const root of roots) {
    const list = affected.get(root.ordinal) ?? [];
    const frontier = [root.ordinal];
    for (const ordinal of frontier) {
      for (const child of leg.children.get(ordinal) ?? []) {
        const step = leg.steps.get(child);
        if (step === undefined || step.state === "SUCCEEDED" || blamed.has(child)) continue;
        blamed.add(child);
        list.push(step.key);
        frontier.push(child);
      }
    }
  }
  const [first] = roots;
  if (first !== undefined && input.planState === "FAILED") {
    const list = affected.get(first.ordinal) ?? [];
    for (const step of leg.steps.values()) {
      if (
        !blamed.has(step.ordinal) &&
        (step.state === "CANCELLED" || step.state === "COMPENSATED" || step.state === "COMPENSATION_FAILED")
      )
        list.push(step.key);
    }
  }
  return roots.map((root) => {
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

/** Ordinals of all steps after any of these. */
function following(leg: Leg, steps: readonly LegStep[]): Set<number> {
  const found = new Set<number>();
  const frontier = steps.map((s) => s.ordinal);
  for (const ordinal of frontier) {
    for (const child of leg.children.get(ordinal) ?? []) {
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
