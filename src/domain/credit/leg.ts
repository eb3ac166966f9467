// The part of a plan that a credit trace looks at: steps, how they depend on each other, when they really ended.
// Not here: what is concluded from it.
import type { Amounts } from "../amounts.ts";
import type { ExecutorId, PlanId } from "../id.ts";
import type { Attempt, Failure } from "../outcome.ts";
import type { PlanState } from "../plan.ts";
import { allows } from "../plan/ready.ts";
import type { StepRow, StepState } from "../step.ts";

/** Plain values only: a trace of a large plan is made in another thread. */
export interface CreditInput {
  readonly planId: PlanId;
  readonly version: number;
  readonly planState: PlanState;
  readonly committedMs: number;
  readonly recordSeq: number;
  /** Key of the step whose leg is traced; null for the whole plan. */
  readonly step: string | null;
  readonly steps: readonly Pick<StepRow, "ordinal" | "key" | "state" | "flags" | "readyMs" | "finishedMs">[];
  readonly edges: readonly { readonly from: number; readonly to: number; readonly regardless: boolean }[];
  readonly attempts: readonly CreditAttempt[];
  /** By step key. */
  readonly planned: ReadonlyMap<string, Planned>;
  /** Failures of steps that ended before any attempt, by ordinal. */
  readonly failures: ReadonlyMap<number, Failure>;
}

export type CreditAttempt = Pick<
  Attempt,
  "ordinal" | "fencing" | "undoing" | "state" | "executorId" | "readyMs" | "leasedMs" | "endedMs" | "failure" | "usage"
>;

export interface Planned {
  /** Likely duration; zero when nothing was estimated. */
  readonly likelyMs: number;
  /** Earliest start, from the commit. */
  readonly earliestMs: number;
  /** Its final failure is one of the plan. */
  readonly failsPlan: boolean;
}

/** A step of the leg, with what happened to it. */
export interface LegStep {
  readonly ordinal: number;
  readonly key: string;
  readonly state: StepState;
  /** Attempts to do it, oldest first. */
  readonly attempts: readonly CreditAttempt[];
  /** What all attempts used, those that undid it included. */
  readonly usage: readonly Amounts[];
  /** When it first became ready; null when it never did. */
  readonly readyMs: number | null;
  /** When doing it ended; undoing comes later and does not count. Null while it has not. */
  readonly endMs: number | null;
}

export interface Leg {
  readonly steps: ReadonlyMap<number, LegStep>;
  readonly parents: ReadonlyMap<number, readonly number[]>;
  /** Dependents that the end of a step kept from beginning. */
  readonly kept: ReadonlyMap<number, readonly number[]>;
  /** Every attempt that counts for the leg; for a whole plan also those of steps that a re-plan dropped. */
  readonly attempts: readonly CreditAttempt[];
}

/** The leg of a step is all that it depended on, and itself. Undefined when there is no such step. */
export function legOf(input: CreditInput): Leg | undefined {
  const parents = new Map<number, number[]>();
  const kept = new Map<number, number[]>();
  const known = new Map(input.steps.map((s) => [s.ordinal, s]));
  for (const { from, to, regardless } of input.edges) {
    const parent = known.get(from);
    if (parent === undefined || !known.has(to)) continue;
    push(parents, to, from);
    if (!allows(parent, regardless)) push(kept, from, to);
  }
  const inLeg = input.step === null ? new Set(known.keys()) : ancestors(input, parents);
  if (inLeg === undefined) return undefined;
  const byStep = new Map<number, CreditAttempt[]>();
  for (const attempt of input.attempts) push(byStep, attempt.ordinal, attempt);
  const steps = new Map<number, LegStep>();
  for (const row of input.steps)
    if (inLeg.has(row.ordinal)) steps.set(row.ordinal, stepOf(row, byStep.get(row.ordinal) ?? []));
  const attempts = input.step === null ? input.attempts : input.attempts.filter((a) => inLeg.has(a.ordinal));
  return { steps, parents, kept, attempts };
}

function ancestors(input: CreditInput, parents: ReadonlyMap<number, readonly number[]>): Set<number> | undefined {
  const target = input.steps.find((s) => s.key === input.step);
  if (target === undefined) return undefined;
  const found = new Set([target.ordinal]);
  // A set grows while it is walked over.
  for (const ordinal of found) for (const parent of parents.get(ordinal) ?? []) found.add(parent);
  return found;
}

function stepOf(row: CreditInput["steps"][number], all: readonly CreditAttempt[]): LegStep {
  const attempts = all.filter((a) => !a.undoing).sort((a, b) => a.fencing - b.fencing);
  const last = attempts.at(-1);
  return {
    ordinal: row.ordinal,
    key: row.key,
    state: row.state,
    attempts,
    usage: all.map((a) => a.usage),
    readyMs: attempts[0]?.readyMs ?? row.readyMs,
    endMs: row.finishedMs === null ? null : (last?.endedMs ?? row.finishedMs),
  };
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

/** The executor of the last attempt. */
export function executorOf(step: LegStep): ExecutorId | null {
  return step.attempts.at(-1)?.executorId ?? null;
}
