// Credit and blame for a leg of a plan, from its attempts: nothing here depends on when it is asked for.
// Not here: shares of a deviation (Shapley values), which come with the planner.
import { NOTHING, plus } from "../amounts.ts";
import type { Amounts } from "../amounts.ts";
import type { ExecutorId, PlanId } from "../id.ts";
import type { StepState } from "../step.ts";
import { lastParent, lastStep, realizedPath } from "./critical-path.ts";
import { executorOf, legOf } from "./leg.ts";
import type { CreditAttempt, CreditInput, Leg, LegStep } from "./leg.ts";
import { planFailer, rootCauses } from "./root-cause.ts";
import type { RootCause } from "./root-cause.ts";

/** Where the time of a step went: together, from the end of the last step it waited for (or the commit) to its own end. */
export interface Split {
  readonly waitingMs: number;
  readonly queueingMs: number;
  readonly executingMs: number;
  readonly retryingMs: number;
}

export interface StepTrace extends Split {
  readonly key: string;
  readonly state: StepState;
  readonly plannedMs: number;
  readonly attempts: number;
  readonly usage: Amounts;
  readonly critical: boolean;
  readonly finishedMs: number | null;
  readonly executorId: ExecutorId | null;
  /** Actual minus planned; along the critical path these add up to what the leg took beyond its plan. */
  readonly deviationMs: number;
}

export interface ExecutorShare {
  readonly executorId: ExecutorId;
  readonly attempts: number;
  readonly succeeded: number;
  readonly executingMs: number;
  readonly usage: Amounts;
}

export interface CreditTrace {
  readonly planId: PlanId;
  readonly version: number;
  readonly step: string;
  readonly criticalPath: readonly string[];
  readonly realizedMs: number;
  readonly plannedMs: number;
  /** In order of their ends. */
  readonly steps: readonly StepTrace[];
  readonly executors: readonly ExecutorShare[];
  readonly rootCauses: readonly RootCause[];
  readonly usage: Amounts;
  readonly recordSeq: number;
}

/** Traces a leg; undefined when there is no such step. */
export function traceCredit(input: CreditInput): CreditTrace | undefined {
  const leg = legOf(input);
  if (leg === undefined) return undefined;
  const last =
    input.step === null
      ? (planFailer(leg, input) ?? lastStep(leg))
      : [...leg.steps.values()].find((s) => s.key === input.step);
  const path = last === undefined ? [] : realizedPath(leg, last);
  const critical = new Set(path);
  const steps = [...leg.steps.values()].map((step) => traceStep(leg, input, step, critical.has(step.ordinal)));
  return {
    planId: input.planId,
    version: input.version,
    step: input.step ?? "",
    criticalPath: path.map((ordinal) => leg.steps.get(ordinal)?.key ?? ""),
    realizedMs: Math.max(0, (last?.endMs ?? input.committedMs) - input.committedMs),
    plannedMs: [...leg.steps.values()].reduce((most, { key }) => Math.max(most, plannedEnd(input, key)), 0),
    steps: steps.sort((a, b) => (a.finishedMs ?? Infinity) - (b.finishedMs ?? Infinity) || (a.key < b.key ? -1 : 1)),
    executors: sharesOf(leg.attempts),
    rootCauses: rootCauses(leg, input),
    usage: leg.attempts.reduce((sum, a) => plus(sum, a.usage), NOTHING),
    recordSeq: input.recordSeq,
  };
}

function plannedEnd(input: CreditInput, key: string): number {
  const planned = input.planned.get(key);
  return planned === undefined ? 0 : planned.earliestMs + planned.likelyMs;
}

function traceStep(leg: Leg, input: CreditInput, step: LegStep, critical: boolean): StepTrace {
  const beginMs = lastParent(leg, step)?.endMs ?? input.committedMs;
  const split = splitOf(step, beginMs);
  const plannedMs = input.planned.get(step.key)?.likelyMs ?? 0;
  const actualMs = split.waitingMs + split.queueingMs + split.executingMs + split.retryingMs;
  return {
    ...split,
    key: step.key,
    state: step.state,
    plannedMs,
    attempts: step.attempts.length,
    usage: step.usage.reduce(plus, NOTHING),
    critical,
    finishedMs: step.endMs,
    executorId: executorOf(step),
    deviationMs: step.endMs === null ? 0 : actualMs - plannedMs,
  };
}

/** Splits the time from `beginMs` to the step's end; the parts add up to it exactly. */
export function splitOf(step: LegStep, beginMs: number): Split {
  const last = step.attempts.at(-1);
  if (last === undefined)
    return { waitingMs: Math.max(0, (step.endMs ?? beginMs) - beginMs), queueingMs: 0, executingMs: 0, retryingMs: 0 };
  let queueingMs = 0;
  let retryingMs = 0;
  let beforeMs: number | null = null;
  for (const attempt of step.attempts) {
    const readyMs = Math.min(Math.max(attempt.readyMs, beforeMs ?? attempt.readyMs), attempt.leasedMs);
    // Between attempts: backing off, or waiting for an approver's word.
    if (beforeMs !== null) retryingMs += readyMs - beforeMs;
    queueingMs += attempt.leasedMs - readyMs;
    if (attempt !== last) retryingMs += attempt.endedMs - attempt.leasedMs;
    beforeMs = attempt.endedMs;
  }
  const firstReadyMs = Math.min(step.attempts[0]?.readyMs ?? beginMs, step.attempts[0]?.leasedMs ?? beginMs);
  return {
    waitingMs: Math.max(0, firstReadyMs - beginMs),
    queueingMs,
    executingMs: last.endedMs - last.leasedMs,
    retryingMs,
  };
}

function sharesOf(attempts: readonly CreditAttempt[]): readonly ExecutorShare[] {
  const shares = new Map<ExecutorId, ExecutorShare>();
  for (const attempt of attempts) {
    const share = shares.get(attempt.executorId);
    shares.set(attempt.executorId, {
      executorId: attempt.executorId,
      attempts: (share?.attempts ?? 0) + 1,
      succeeded: (share?.succeeded ?? 0) + (attempt.state === "SUCCEEDED" ? 1 : 0),
      executingMs: (share?.executingMs ?? 0) + attempt.endedMs - attempt.leasedMs,
      usage: plus(share?.usage ?? NOTHING, attempt.usage),
    });
  }
  return [...shares.values()].sort((a, b) => b.executingMs - a.executingMs || (a.executorId < b.executorId ? -1 : 1));
}
