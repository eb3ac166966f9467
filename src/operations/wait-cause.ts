// Why one step waits, from its row and what surrounds it. Pure; loading is in plan-explain.ts.
import { DIMENSIONS } from "../domain/amounts.ts";
import type { Approval } from "../domain/approval.ts";
import { canServe } from "../domain/executor.ts";
import type { Demand, Executor } from "../domain/executor.ts";
import { GATEKEEPER } from "../domain/gate.ts";
import type { ApprovalId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { has, STEP_FLAGS } from "../domain/step.ts";
import type { StepState } from "../domain/step.ts";
import type { StepView, UnfinishedBefore } from "../store/ports/plans.ts";

export type WaitCause =
  | "DEPENDENCY"
  | "NO_EXECUTOR"
  | "EXECUTOR_AWAY"
  | "SLOT"
  | "BACKOFF"
  | "BUDGET"
  | "APPROVAL"
  | "SUSPENDED"
  | "HELD"
  | "OUTCOME"
  | "PREDECESSOR";

export interface Waiting {
  readonly step: string;
  readonly state: StepState;
  readonly cause: WaitCause;
  /** One sentence for people. */
  readonly explanation: string;
  /** Keys of the steps that it waits for; at most 100. */
  readonly steps: readonly string[];
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  readonly approvalId: ApprovalId | null;
}

/** What surrounds the steps that are explained. */
export interface Surroundings {
  readonly plan: PlanRow;
  readonly executors: readonly Executor[];
  /** Free slots by executor id, of those whose streams are here. */
  readonly freeSlots: ReadonlyMap<string, number>;
  /** Pending ones, by ordinal. */
  readonly approvals: ReadonlyMap<number, Approval>;
  /** Unfinished steps that a step depends on, and what becomes of an older one under the same key. */
  readonly before: ReadonlyMap<number, UnfinishedBefore>;
  readonly nowMs: number;
}

/** An executor that asks by calls counts as present this long after it was last heard of. */
const PRESENT_MS = 90_000;

type Cause = Pick<Waiting, "cause" | "explanation"> & Partial<Waiting>;

/** Why the step waits; undefined when it has ended. */
export function waitingOf(view: StepView, around: Surroundings): Waiting | undefined {
  const cause = causeOf(view, around);
  if (cause === undefined) return undefined;
  return {
    step: view.row.key,
    state: view.row.state,
    steps: [],
    sinceMs: null,
    untilMs: null,
    approvalId: null,
    ...cause,
  };
}

function causeOf(view: StepView, around: Surroundings): Cause | undefined {
  const { row } = view;
  switch (row.state) {
    case "PENDING":
      return pending(view, around);
    case "WAITING":
      return { cause: "HELD", explanation: "It is held by hand until it is released." };
    case "AWAITING_APPROVAL": {
      const approval = around.approvals.get(row.ordinal);
      return {
        cause: "APPROVAL",
        explanation: approval?.question ?? "An approver must decide.",
        approvalId: approval?.approvalId ?? null,
        sinceMs: approval?.requestedMs ?? null,
      };
    }
    case "BACKING_OFF":
      return {
        cause: "BACKOFF",
        explanation: `Attempt ${String(row.attempt)} failed${failureWord(view)}; the next one waits for its time.`,
        sinceMs: view.last?.endedMs ?? null,
        untilMs: row.notBeforeMs,
      };
    case "LEASED":
      return {
        cause: "OUTCOME",
        explanation: has(row.flags, STEP_FLAGS.GATE)
          ? "Maestro judges it."
          : `${nameOf(row.executorId, around)} performs ${row.undoing ? "its compensation" : `attempt ${String(row.attempt)}`}.`,
        sinceMs: row.startedMs,
        untilMs: row.deadlineMs,
      };
    case "STOPPING":
      return {
        cause: "OUTCOME",
        explanation: `${nameOf(row.executorId, around)} was told to stop it.`,
        sinceMs: row.startedMs,
        untilMs: row.deadlineMs,
      };
    case "READY":
    case "COMPENSATING":
      return { ...unleased(view, around), sinceMs: row.readyMs };
    default:
      return undefined;
  }
}

/** ` (TRANSIENT)`, when the last attempt said why. */
function failureWord({ last }: StepView): string {
  const failure = last?.failure ?? null;
  return failure === null ? "" : ` (${failure.errorClass})`;
}

const BEFORE: Readonly<Record<NonNullable<UnfinishedBefore["predecessor"]>, string>> = {
  STOPS: "The older step under the same key is still stopping.",
  IS_UNDONE: "What it did before is undone first.",
  NOT_UNDONE: "What it did before could not be undone: retry the compensation, or resolve it by hand.",
};

function pending(view: StepView, around: Surroundings): Cause {
  const cause = notYet(view, around);
  if (!view.row.heldBack) return cause;
  // Whoever sees to the rest would wait for it in vain.
  return {
    ...cause,
    cause: "HELD",
    explanation: `It is held by hand until it is released. Besides: ${cause.explanation}`,
  };
}

function notYet({ row }: StepView, around: Surroundings): Cause {
  const before = around.before.get(row.ordinal);
  const { count, keys } = before ?? { count: 0, keys: [] };
  if (count > 0) {
    const more = count > 3 ? ` and ${String(count - 3)} more` : "";
    return {
      cause: "DEPENDENCY",
      explanation: `It waits for ${keys.slice(0, 3).join(", ")}${more}.`,
      steps: keys,
    };
  }
  const predecessor = before?.predecessor ?? null;
  if (predecessor !== null) return { cause: "PREDECESSOR", explanation: BEFORE[predecessor], steps: [row.key] };
  return { cause: "DEPENDENCY", explanation: "What it waited for has ended; it moves on in a moment." };
}

/** Why nobody has leased a step that could be. */
function unleased(view: StepView, around: Surroundings): Cause {
  const { row } = view;
  const { plan, executors, freeSlots, nowMs } = around;
  if (plan.state === "SUSPENDED") return { cause: "SUSPENDED", explanation: "The plan is suspended." };
  if (has(row.flags, STEP_FLAGS.STARVED))
    return {
      cause: "BUDGET",
      explanation: DIMENSIONS.every((d) => row.hold[d] === 0)
        ? "The plan has used up its budget."
        : "What the plan may still authorise does not cover the step's hold.",
    };
  if (has(row.flags, STEP_FLAGS.GATE)) return { cause: "SLOT", explanation: "Maestro judges it in a moment." };
  const demand = demandOfView(view, plan);
  const fit = executors.filter((e) => canServe(e, demand));
  if (fit.length === 0) return { cause: "NO_EXECUTOR", explanation: nobody(demand, executors) };
  const present = fit.filter(
    (e) =>
      e.state === "ACTIVE" &&
      (freeSlots.has(e.executorId) || e.sessionId !== null || nowMs - e.lastSeenMs < PRESENT_MS),
  );
  if (present.length === 0) {
    const draining = fit.every((e) => e.state === "DRAINING");
    const why = draining
      ? say(fit, "could do it, and takes no new work", "could do it, and take no new work")
      : say(
          fit,
          "could do it, and has neither attached nor called lately",
          "could do it, and none has attached or called lately",
        );
    return { cause: "EXECUTOR_AWAY", explanation: `${why}.` };
  }
  return { cause: "SLOT", explanation: whoComesNext(present, freeSlots) };
}

/** Which of the executors that are there could take the step, and what keeps them from it. */
function whoComesNext(present: readonly Executor[], freeSlots: ReadonlyMap<string, number>): string {
  const here = present.filter((e) => freeSlots.has(e.executorId));
  const free = here.filter((e) => (freeSlots.get(e.executorId) ?? 0) > 0);
  if (free.length > 0) return `${say(free, "has", "have")} free slots; others go first.`;
  const away = present.filter((e) => !freeSlots.has(e.executorId));
  const elsewhere = away.filter((e) => e.sessionId !== null);
  const callers = away.filter((e) => e.sessionId === null);
  const sentences = [
    here.length > 0 ? `All slots of ${names(here)} are taken.` : "",
    elsewhere.length > 0 ? `${say(elsewhere, "is", "are")} attached to another server.` : "",
    callers.length > 0 ? `${say(callers, "takes", "take")} steps by DispatchNext, and must ask for it.` : "",
  ];
  return sentences.filter((sentence) => sentence !== "").join(" ");
}

function say(executors: readonly Executor[], one: string, several: string): string {
  return `${names(executors)} ${executors.length === 1 ? one : several}`;
}

type Wanted = Pick<Demand, "capability" | "labels" | "minTrust">;

function demandOfView({ row, definition }: StepView, plan: PlanRow): Wanted {
  if (row.undoing && definition.compensation !== null)
    return { capability: definition.compensation.capability, labels: {}, minTrust: plan.minTrust };
  return {
    capability: definition.capability,
    labels: definition.executorLabels,
    minTrust: Math.max(definition.minTrust, plan.minTrust),
  };
}

function nobody(demand: Wanted, executors: readonly Executor[]): string {
  const able = executors.filter((e) => e.spec.capabilities.includes(demand.capability));
  if (able.length === 0) return `No registered executor has the capability ${demand.capability}.`;
  const trusted = able.filter((e) => e.trust >= demand.minTrust);
  if (trusted.length === 0)
    return `No executor with the capability ${demand.capability} is trusted to ${String(demand.minTrust)}.`;
  const labels = Object.entries(demand.labels).map(([name, value]) => `${name}=${value}`);
  return `No trusted executor with the capability ${demand.capability} carries the labels ${labels.join(", ")}.`;
}

function names(executors: readonly Executor[]): string {
  const shown = executors
    .slice(0, 3)
    .map((e) => e.spec.name)
    .join(", ");
  return executors.length > 3 ? `${shown} and ${String(executors.length - 3)} more` : shown;
}

function nameOf(executorId: string | null, around: Surroundings): string {
  if (executorId === GATEKEEPER) return "Maestro";
  return around.executors.find((e) => e.executorId === executorId)?.spec.name ?? "An executor";
}
